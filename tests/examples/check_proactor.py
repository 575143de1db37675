#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run examples/proactor against clients that behave and clients that do not, and tell in TAP.

usage: check_proactor.py BUILD_DIRECTORY

Loopback only. Every wait has a limit; answers are compared byte by byte.
"""

import contextlib
import os
import pathlib
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tap  # noqa: E402  pylint: disable=wrong-import-position

LIMIT = 20  # seconds for anything that has to come
HEAD_MAX = 8192


class Skip(Exception):
    """This machine cannot show it; the text says why."""


TESTS = []


def test(name):
    def register(function):
        TESTS.append((name, function))
        return function
    return register


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


# ---- what is said ----

LINES = {200: "200 OK", 400: "400 Bad Request", 405: "405 Method Not Allowed",
         431: "431 Request Header Fields Too Large", 505: "505 HTTP Version Not Supported"}
BODIES = {200: "hello, world\n", 400: "bad request\n", 405: "method not allowed\n",
          431: "request too large\n", 505: "version not supported\n"}


def answer(status=200, connection=None, head=False):
    """All bytes of an answer."""
    text = f"HTTP/1.1 {LINES[status]}\r\n"
    if status == 405:
        text += "Allow: GET, HEAD\r\n"
    text += f"Content-Type: text/plain\r\nContent-Length: {len(BODIES[status])}\r\n"
    if connection:
        text += f"Connection: {connection}\r\n"
    return (text + "\r\n" + ("" if head else BODIES[status])).encode()


def request(*headers, line="GET / HTTP/1.1", host=True):
    lines = [line] + (["Host: localhost"] if host else []) + list(headers)
    return "".join(text + "\r\n" for text in lines + [""]).encode()


GET = request()
LAST = request("Connection: close")
LAST_ANSWER = answer(connection="close")


def receive(connection, length):
    """So many bytes, or fewer if the server ends."""
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            break
        data += piece
    return data


def expect(connection, wanted):
    found = receive(connection, len(wanted))
    check(found == wanted, "got", found[:300], "wanted", wanted[:300])


def expect_end(connection):
    check(connection.recv(1) == b"", "more came, or no end")


def serves(connection):
    connection.sendall(GET)
    expect(connection, answer())


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# ---- the server ----


class Server:
    """Leaving it sends a signal and checks that it ends well and soon."""

    def __init__(self, path, *arguments, end=signal.SIGINT, seconds=10, address="127.0.0.1",
                 **options):
        self.end, self.seconds, self.address = end, seconds, address
        self.process = subprocess.Popen([path, *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **options)
        ready = select.select([self.process.stdout], [], [], LIMIT)[0]
        line = self.process.stdout.readline() if ready else ""
        if not re.match(r"\d+\n$", line):
            self.process.kill()
            _, text = self.process.communicate(timeout=LIMIT)
            raise AssertionError(f"the server did not start: {line} {text}")
        self.port = int(line)
        self.output = self.errors = ""

    def connect(self, **options):
        connection = socket.create_connection((self.address, self.port), timeout=LIMIT)
        for option, value in options.items():
            connection.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        return connection

    def descriptors(self):
        return sorted(os.listdir(f"/proc/{self.process.pid}/fd"))

    def settled(self, wanted):
        """Whether it has these descriptors, soon."""
        end = time.monotonic() + LIMIT
        while self.descriptors() != wanted and time.monotonic() < end:
            time.sleep(0.01)
        found = self.descriptors()
        check(found == wanted, len(found), "descriptors, not", len(wanted))

    def cpu_seconds(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def finish(self):
        try:
            self.output, self.errors = self.process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, text = self.process.communicate(timeout=LIMIT)
            raise AssertionError(f"it did not end in {self.seconds} s: {text}") from None
        check("Sanitizer" not in self.errors and "runtime error" not in self.errors, self.errors)
        check(self.process.returncode == 0, "exit", self.process.returncode, self.errors)
        check(re.match(r"\d+ connections served, \d+ answers\n$", self.output), self.output)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(self.end)
        try:
            self.finish()
        except AssertionError as error:
            if kind is None:
                raise
            print(f"# and then: {error}".replace("\n", "\n# "))


# ---- requests ----


@test("keep-alive: 2,000 requests on one connection")
def keep_alive(path):
    with Server(path) as server:
        with server.connect() as connection:
            for _ in range(2000):
                serves(connection)
    check(server.output == "1 connections served, 2000 answers\n", server.output)


@test("pipelining: 5,000 requests, answered in order")
def pipelining(path):
    kinds = [(GET, answer()), (request(line="HEAD / HTTP/1.1"), answer(head=True)),
             (request(line="PUT /x HTTP/1.1"), answer(405)), (request("X: " + "y" * 500), answer())]
    sent = [kinds[n * n % 7 % 4] for n in range(5000)]
    with Server(path) as server, server.connect() as connection:
        data = b"".join(one for one, _ in sent)
        wanted = b"".join(one for _, one in sent)
        exchange(connection, data, wanted)
        connection.sendall(LAST)
        expect(connection, LAST_ANSWER)
        expect_end(connection)


def stuff(connection, data):
    """Send it again and again until nothing more goes. Return: bytes sent."""
    data, period, total = data * 1000, len(data), 0
    connection.settimeout(0.3)
    with contextlib.suppress(TimeoutError, ConnectionError):  # its timeout may have come
        while total < 1 << 28:
            total += connection.send(memoryview(data)[total % period:])
    check(total < 1 << 28, "the server reads without end")
    return total


def exchange(connection, data, wanted):
    """Send and receive at the same time."""
    found, sent, end = b"", 0, time.monotonic() + LIMIT
    connection.setblocking(False)
    while len(found) < len(wanted) and time.monotonic() < end:
        readable, writable, _ = select.select([connection], [connection] if sent < len(data) else [],
                                              [], 1)
        if writable:
            sent += connection.send(data[sent:sent + 100_000])
        if readable:
            piece = connection.recv(1 << 20)
            check(piece, "it ended after", len(found), "bytes")
            found += piece
    connection.settimeout(LIMIT)
    check(found == wanted, "the answers differ:", len(found), "bytes of", len(wanted))


@test("pipelining: everything is sent before anything is read")
def pipelining_blind(path):
    """As much as server, client and kernel together hold: then the server has to wait."""
    with Server(path) as server, server.connect() as connection:
        count = stuff(connection, GET)
        check(count > 100_000, "bytes taken:", count)
        connection.settimeout(LIMIT)
        whole = -(-count // len(GET))
        rest = GET[len(GET) - (whole * len(GET) - count):] if count % len(GET) else b""
        exchange(connection, rest, answer() * whole)
        serves(connection)


@test("a request split at every byte, and one byte at a time")
def split(path):
    data, wanted = GET + LAST, answer() + LAST_ANSWER
    with Server(path) as server:
        for cut in range(1, len(data)):
            with server.connect() as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(data[:cut])
                if cut % 4 == 0:
                    time.sleep(0.005)
                if cut >= len(GET):
                    expect(connection, answer())
                connection.sendall(data[cut:])
                expect(connection, wanted[len(answer()) if cut >= len(GET) else 0:])
                expect_end(connection)
        with server.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in data:
                connection.sendall(bytes([byte]))
                time.sleep(0.001)
            expect(connection, wanted)
            expect_end(connection)


def one_answer(server, data, wanted, ends):
    with server.connect() as connection:
        connection.sendall(data)
        expect(connection, wanted)
        if ends:
            expect_end(connection)
        else:
            serves(connection)


@test("requests that are served, and those that are not")
def requests(path):
    close, keep = "close", "keep-alive"
    cases = [
        # data, answer, whether the connection ends
        (GET, answer(), False),
        (LAST, LAST_ANSWER, True),
        (b"\r\n" + GET, answer(), False),
        (request("CONNECTION:  foo , CLOSE "), answer(connection=close), True),
        (request("Connection: closed"), answer(), False),
        (request("Connection: close, keep-alive"), answer(connection=close), True),
        (request("Content-Length: 00"), answer(), False),
        (request("Content-Length: 3") + b"abc", answer(connection=close), True),
        (request("Transfer-Encoding: chunked") + b"0\r\n\r\n", answer(connection=close), True),
        (request("X-Empty:", "X-High: \xe4"), answer(), False),
        (request(line="GET /a?b=%20 HTTP/1.1"), answer(), False),
        (request(line="GET * HTTP/1.9"), answer(), False),
        (request(line="HEAD / HTTP/1.1"), answer(head=True), False),
        (request("Connection: close", line="HEAD / HTTP/1.1"), answer(connection=close, head=True),
         True),
        (request(line="GET / HTTP/1.0", host=False), answer(connection=close), True),
        (request("Connection: keep-alive", line="GET / HTTP/1.0"), answer(connection=keep), False),
        (request(line="DELETE / HTTP/1.1"), answer(405), False),
        (request(line="get / HTTP/1.1"), answer(405), False),
        (request("Content-Length: 4", line="POST / HTTP/1.1") + b"data",
         answer(405, connection=close), True),
        (request(line="POST / HTTP/1.0"), answer(405, connection=close), True),
        (request(line="GET / HTTP/2.0"), answer(505, connection=close), True),
    ]
    with Server(path) as server:
        for data, wanted, ends in cases:
            one_answer(server, data, wanted, ends)


@test("400, and the connection ends")
def bad_requests(path):
    bad = [b"\r\n\r\n", b"\n", b"GET\r\n", b"GET /\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.1 \r\n",
           b" GET / HTTP/1.1\r\n", b"GET / http/1.1\r\n", b"GET / HTTP/1.10\r\n", b"GET / HTTP/x.1\r\n",
           b"GET / HTTP/1,1\r\n", b"GET / HTTP/1.1\n", b"G(T / HTTP/1.1\r\n", b"GET /\t HTTP/1.1\r\n",
           b"GET /\0 HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\r\n", b"GET /\x7f HTTP/1.1\r\n",
           request(host=False), request("Host: two"), request("no colon"), request(": no name"),
           request("Name : value"), request(" folded: line"), request("X: a\rb"),
           request("X: a\0b"), request("Content-Length: x"), request("Content-Length:"),
           request("Content-Length: -1"), request("Content-Length: 1, 1"), b"GET / HTTP/1.1\r\n\n"]
    with Server(path) as server:
        for data in bad:
            for before, wanted in ((b"", b""), (GET * 3, answer() * 3)):
                # What follows is thrown away, and does not turn the answer into a reset.
                one_answer(server, before + data + GET * 5000,
                           wanted + answer(400, connection="close"), True)
        one_answer(server, request("bad", line="HEAD / HTTP/1.1"),
                   answer(400, connection="close", head=True), True)


@test("431 for heads above 8 KiB, however they come, and not for those of 8 KiB")
def too_large(path):
    def padded(length):
        return request("X: " + "y" * (length - len(request("X: "))))
    with Server(path) as server:
        for extra in (0, 1):
            for pieces in (1, 3, 100):
                data = padded(HEAD_MAX + extra)
                wanted = answer(431, connection="close") if extra else answer()
                with server.connect() as connection:
                    for n in range(pieces):
                        connection.sendall(data[n * len(data) // pieces:
                                                (n + 1) * len(data) // pieces])
                        time.sleep(0.002)
                    expect(connection, wanted)
                    if extra:
                        expect_end(connection)
                    else:
                        serves(connection)
        wanted = answer(431, connection="close")
        one_answer(server, b"GET /" + b"x" * 20_000, wanted, True)
        one_answer(server, GET + padded(500_000), answer() + wanted, True)
        one_answer(server, request(*["A: b"] * 5000), wanted, True)
        with server.connect() as connection:
            connection.sendall(padded(HEAD_MAX + 50)[:HEAD_MAX])
            check(not select.select([connection], [], [], 0.2)[0], "answered too early")
            connection.sendall(b"y")
            expect(connection, wanted)


@test("a client that shuts its side is answered, then its connection ends")
def half_closed(path):
    with Server(path) as server:
        for data, wanted in ((GET * 1000, answer() * 1000), (GET + b"GET /", answer()), (b"", b"")):
            with server.connect() as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                expect(connection, wanted)
                expect_end(connection)


@test("IPv6")
def ipv6(path):
    with contextlib.closing(socket.socket(socket.AF_INET6)) as trial:
        try:
            trial.bind(("::1", 0))
        except OSError as error:
            raise Skip(f"no IPv6 here: {error.strerror}") from error
    with Server(path, "--address", "::1", address="::1") as server, server.connect() as connection:
        serves(connection)


# ---- many ----


def all_served(connections, rounds=1):
    for _ in range(rounds):
        for connection in connections:
            connection.sendall(GET)
        for connection in connections:
            expect(connection, answer())


@test("200 connections at the same time")
def many(path):
    with Server(path) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(200)]
        all_served(connections, 20)
    check(server.output == "200 connections served, 4000 answers\n", server.output)


@test("2,000 connections one after the other leave no descriptor behind")
def many_after_each_other(path):
    with Server(path) as server:
        before = server.descriptors()
        for n in range(2000):
            connection = server.connect()
            if n % 4 == 0:
                connection.sendall(LAST)
                expect(connection, LAST_ANSWER)
            elif n % 4 == 1:
                serves(connection)
            elif n % 4 == 2:
                connection.sendall(GET[:n % len(GET)])
            if n % 8 < 4:
                connection.close()
            else:
                reset(connection)
        server.settled(before)


@test("above the limit of connections they wait until others end")
def limit(path):
    for number in (1, 3, 300):
        with Server(path, "--connections", number) as server, contextlib.ExitStack() as stack:
            connections = []
            for _ in range(number):
                connections.append(stack.enter_context(server.connect()))
                serves(connections[-1])
            late = [stack.enter_context(server.connect()) for _ in range(5)]
            for connection in late:
                connection.sendall(LAST)
            check(not select.select(late, [], [], 0.3)[0], "one more was served")
            connections[0].close()
            for connection in late:
                expect(connection, LAST_ANSWER)
                expect_end(connection)
                connection.close()
            all_served(connections[1:])


@test("out of descriptors: it waits without spinning, and goes on")
def no_descriptors(path):
    most = 24
    with Server(path, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (most, most))) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(most + 4)]
        serves(connections[0])
        before = server.cpu_seconds()
        time.sleep(1)
        used = server.cpu_seconds() - before
        check(used < 0.2, "CPU seconds in one second:", used)
        for connection in connections[:most]:
            connection.close()
        all_served(connections[most:], 3)
    check("Too many open files" in server.errors, server.errors)


@test("one buffer for 100 connections: receives starve, and go on")
def few_buffers(path):
    for number in (1, 2, 5):
        with Server(path, "--buffers", number) as server, contextlib.ExitStack() as stack:
            connections = [stack.enter_context(server.connect()) for _ in range(100)]
            all_served(connections, 10)
            data = (GET * 2000, answer() * 2000)
            for connection in connections[:3]:
                exchange(connection, *data)
            for connection in connections[::2]:
                connection.sendall(GET)
                reset(connection)
            all_served(connections[1::2], 3)


# ---- clients that do not behave ----


@test("a client of 1 byte in 50 ms, beside others whose requests complete meanwhile")
def slow(path):
    with Server(path, "--timeout", 30) as server, contextlib.ExitStack() as stack:
        sluggish = stack.enter_context(server.connect())
        others = [stack.enter_context(server.connect()) for _ in range(10)]
        longest = 0
        for byte in GET:
            sluggish.sendall(bytes([byte]))
            begun = time.monotonic()
            all_served(others)
            longest = max(longest, time.monotonic() - begun)
            time.sleep(0.05)
        expect(sluggish, answer())
        check(longest < LIMIT / 4, "others waited", longest)


@test("clients that send and never read hold up nobody, and end by their timeout")
def never_read(path):
    with Server(path, "--timeout", 3, "--buffers", 4) as server, contextlib.ExitStack() as stack:
        before = server.descriptors()
        others = [stack.enter_context(server.connect()) for _ in range(10)]
        stuck = [stack.enter_context(server.connect(SO_RCVBUF=4096)) for _ in range(10)]
        for connection in stuck:
            stuff(connection, GET)
            all_served(others, 5)
        begun = server.cpu_seconds()
        time.sleep(0.3)
        check(server.cpu_seconds() - begun < 0.2, "it spins")
        for connection in others:
            connection.close()
        server.settled(before)


@test("clients that vanish with a reset cost only their connections")
def vanished(path):
    with Server(path) as server, contextlib.ExitStack() as stack:
        other = stack.enter_context(server.connect())
        serves(other)
        before = server.descriptors()
        for n in range(300):
            connection = server.connect()
            connection.sendall((GET * (n % 5 * 100), GET * 3 + GET[:9], LAST, b"bad\r\n")[n % 4])
            if n % 4 != 0 and n % 3 == 0:  # the others may have nothing to answer
                connection.recv(1 + n)
            reset(connection)
            serves(other)
        server.settled(before)


@test("a client that goes on sending after its last answer ends by its timeout")
def endless_rest(path):
    with Server(path, "--timeout", 1) as server, server.connect() as connection:
        connection.sendall(LAST)
        expect(connection, LAST_ANSWER)
        expect_end(connection)
        end = time.monotonic() + LIMIT
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                connection.sendall(GET)
                time.sleep(0.02)
        check(time.monotonic() < end, "it was never closed")


@test("idle connections end after the timeout, busy ones do not")
def idle(path):
    with Server(path, "--timeout", 2) as server, contextlib.ExitStack() as stack:
        before = server.descriptors()
        begun = time.monotonic()
        silent, half, busy = (stack.enter_context(server.connect()) for _ in range(3))
        half.sendall(GET[:5])
        ended = {}
        while len(ended) < 2 and time.monotonic() - begun < LIMIT:
            serves(busy)
            for connection in select.select([c for c in (silent, half) if c not in ended],
                                            [], [], 0.05)[0]:
                expect_end(connection)
                ended[connection] = time.monotonic() - begun
        check(len(ended) == 2 and min(ended.values()) >= 1.9, "ended after", *ended.values())
        serves(busy)
        expect_end(busy)
        server.settled(before)


@test("the time of a request begins with its first byte, and single bytes do not extend it")
def trickle(path):
    with Server(path, "--timeout", 1) as server, server.connect() as connection:
        serves(connection)
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for _ in range(LIMIT * 10):
                connection.sendall(b"x")
                if select.select([connection], [], [], 0.1)[0]:
                    expect_end(connection)
                    break
        passed = time.monotonic() - begun
        check(0.9 < passed < LIMIT / 2, "it took", passed)


# ---- the end ----


@test("SIGINT and SIGTERM while clients are connected: idle, in a request, lingering")
def signals(path):
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.ExitStack() as stack:
            with Server(path, end=number) as server:
                connections = [stack.enter_context(server.connect()) for _ in range(60)]
                all_served(connections)
                for connection in connections[20:40]:
                    connection.sendall(GET[:7])
                for connection in connections[40:]:
                    connection.sendall(LAST)
                    expect(connection, LAST_ANSWER)
            for connection in connections[:40]:
                expect_end(connection)


@test("a signal lets finish what is being sent")
def signal_while_sending(path):
    with Server(path) as server, server.connect() as connection:
        stuff(connection, GET)
        connection.settimeout(LIMIT)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(1 << 16):
                found += piece
        check(found and found == answer() * (len(found) // len(answer())), "an answer was cut")


@test("a signal while clients do not read: it ends when the grace is over, or at a second one")
def signal_stuck(path):
    for second in (False, True):
        with Server(path) as server, contextlib.ExitStack() as stack:
            for _ in range(3):
                stuff(stack.enter_context(server.connect(SO_RCVBUF=4096)), GET)
            server.process.send_signal(signal.SIGTERM)
            if second:
                time.sleep(0.1)
                server.process.send_signal(signal.SIGTERM)
            server.process.wait(LIMIT)


@test("a signal under load")
def signal_busy(path):
    clients = [subprocess.Popen([sys.executable, "-c", LOAD, "%d"], stdin=subprocess.PIPE)
               for _ in range(2)]
    try:
        with Server(path) as server:
            for client in clients:
                client.stdin.write(f"{server.port}\n".encode())
                client.stdin.flush()
            time.sleep(0.7)
        for client in clients:
            check(client.wait(LIMIT) == 0, "a client failed")
    finally:
        for client in clients:
            client.kill()
            client.communicate()


LOAD = """
import socket, sys, time
port = int(sys.stdin.readline())
end = time.monotonic() + 20
get = b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
try:
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            for n in range(20):
                connection.sendall(get * (n + 1))
                if not connection.recv(100000):
                    break
except OSError:
    sys.exit(0)
sys.exit(1)
"""


@test("a port that is taken, an address that is none, wrong usage")
def usage(path):
    def run(*arguments):
        return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True,
                              timeout=LIMIT, check=False)
    with Server(path) as server:
        result = run("--port", server.port)
        check(result.returncode == 1 and "in use" in result.stderr, result)
    for arguments in (["x"], ["--port", "65536"], ["--connections", 0], ["--timeout", "1x"],
                      ["--nonsense"], ["--address", "localhost"], ["--buffers", 32769]):
        result = run(*arguments)
        check(result.returncode == 2 and result.stdout == "", arguments, result)


# ---- TAP ----


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: check_proactor.py BUILD_DIRECTORY [PART OF A NAME]")
    path = pathlib.Path(sys.argv[1]).resolve() / "examples/proactor"
    chosen = [one for one in TESTS if len(sys.argv) < 3 or sys.argv[2] in one[0]]
    print(f"1..{len(chosen)}")
    out = tap.Tap()
    for name, function in chosen:
        try:
            if not path.exists():
                raise Skip("the examples were not built")
            function(path)
            out.say(True, name)
        except Skip as reason:
            out.say(True, name, skip=str(reason))
        except Exception as error:  # pylint: disable=broad-except
            out.say(False, name, [f"{type(error).__name__}: {error}"])
    return 1 if out.failed else 0


if __name__ == "__main__":
    sys.exit(main())
