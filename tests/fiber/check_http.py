#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-http and fiber-http-epoll: clients that behave and clients that do not. Prints TAP.

usage: check_http.py BUILD_DIRECTORY

The same tests for both, since both have to say the same, byte by byte.
"""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

LIMIT = 20  # seconds for any answer
HEAD_MAX, BODY_MAX = 8192, 65536
SERVERS = ("http", "http-epoll")
LINES = {200: "OK", 400: "Bad Request", 404: "Not Found", 408: "Request Timeout", 413: "Content Too Large",
         431: "Request Header Fields Too Large", 501: "Not Implemented", 505: "HTTP Version Not Supported"}
BODIES = {400: "bad request\n", 404: "not found\n", 408: "request took too long\n", 413: "content too large\n",
          431: "request too large\n", 501: "not implemented\n", 505: "version not supported\n"}
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


# ---- what is said ----


def answer(status=200, body=None, connection=None, head=False):
    """All bytes of an answer."""
    body = BODIES[status].encode() if body is None else body
    lines = [f"HTTP/1.1 {status} {LINES[status]}", "Content-Type: text/plain", f"Content-Length: {len(body)}"]
    if connection:
        lines.append(f"Connection: {connection}")
    return "".join(line + "\r\n" for line in lines + [""]).encode() + (b"" if head else body)


def request(target="/", *headers, method="GET", version="1.1", body=b""):
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *headers]
    return "".join(line + "\r\n" for line in lines + [""]).encode() + body


def post(body, *headers):
    return request("/", f"Content-Length: {len(body)}", *headers, method="POST", body=body)


def chunked(*framed, headers=()):
    return request("/", "Transfer-Encoding: chunked", *headers, method="POST", body=b"".join(framed))


def chunks(body, size):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Client(socket.socket):
    def __init__(self, port):
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.settimeout(LIMIT)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connect(("127.0.0.1", port))

    def expect(self, wanted):
        found = b""
        while len(found) < len(wanted):
            piece = self.recv(min(len(wanted) - len(found), 1 << 16))
            if not piece:
                break
            found += piece
        check(found == wanted, "got", found[:200], "wanted", wanted[:200])

    def expect_end(self):
        found = self.recv(1)
        check(found == b"", "instead of the end:", found)

    def reset(self):
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


def says(served, sent, *wanted, end=False):
    """One connection: what is sent, at once and then byte by byte, is answered so."""
    for pause in (False, True):
        if pause and len(sent) > 1000:
            continue
        with Client(served.port) as client:
            for piece in ([sent] if not pause else [sent[i:i + 1] for i in range(len(sent))]):
                try:
                    client.sendall(piece)
                except (BrokenPipeError, ConnectionResetError):
                    check(end, "the connection broke")
            client.expect(b"".join(wanted))
            if end:
                client.expect_end()
            else:
                client.sendall(request("/none"))
                client.expect(answer(404))


def refuses(served, sent, status, head=False):
    says(served, sent, answer(status, connection="close", head=head), end=True)


# ---- the tests ----


@test
def serves_files(served):
    for name in ("index.html", "empty", "one page", "sub/deep.txt", "big"):
        data = (served.root / name).read_bytes()
        target = "/" + name.replace(" ", "%20")
        says(served, request(target), answer(body=data))
        says(served, request(target, method="HEAD"), answer(body=data, head=True))
    says(served, request("/"), answer(body=(served.root / "index.html").read_bytes()))
    says(served, request("//empty?x=/../y"), answer(body=b""))
    says(served, request("http://localhost/empty"), answer(body=b""))


@test
def stays_in_its_folder(served):
    for target in ("/../secret", "/sub/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub/..", "/..", "/out",
                   "/out-folder/secret", "/%2f" + str(served.root)[1:] + "/../secret", "/sub", "/pipe", "/none",
                   "/" + "a" * 300, "/" + "a/" * 600):
        says(served, request(target), answer(404))
    for target in ("secret", "*", "/%", "/%4", "/%zz", "/%00", "/empty%0a"):
        refuses(served, request(target), 400)


@test
def echoes_bodies(served):
    for length in (0, 1, 13, BODY_MAX - 1, BODY_MAX):
        body = os.urandom(length)
        says(served, post(body), answer(body=body))
        for size in (1, 7, 4096, BODY_MAX) if length < 100 else (4096, BODY_MAX):
            says(served, chunked(chunks(body, size)), answer(body=body))
    says(served, post(b"x" * 9), answer(body=b"x" * 9))
    says(served, request("/empty", "Content-Length: 3", body=b"abc"), answer(body=b""))
    says(served, chunked(b"0003;a=b;c=\"d\"\r\nabc\r\n00;x\r\nLast: one\r\nAnd: two\r\n\r\n"), answer(body=b"abc"))
    says(served, chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), answer(body=b"0123456789" * 2))
    # A body of one-byte chunks is much longer on its way than in memory.
    body = os.urandom(BODY_MAX)
    says(served, chunked(chunks(body, 1)), answer(body=body))


@test
def tells_to_continue(served):
    with Client(served.port) as client:
        client.sendall(request("/", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        client.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sendall(b"body")
        client.expect(answer(body=b"body"))
    refuses(served, request("/", f"Content-Length: {BODY_MAX + 1}", "Expect: 100-continue", method="POST"), 413)


@test
def keeps_and_ends(served):
    empty = answer(body=b"")
    closed = answer(body=b"", connection="close")
    says(served, request("/empty", "Connection: close"), closed, end=True)
    says(served, request("/empty", "connection: x , CLOSE"), closed, end=True)
    says(served, request("/empty", version="1.0"), closed, end=True)
    with Client(served.port) as client:
        for _ in range(3):
            client.sendall(request("/empty", "Connection: keep-alive", version="1.0"))
            client.expect(answer(body=b"", connection="keep-alive"))
        client.shutdown(socket.SHUT_WR)
        client.expect_end()
    # What comes after the last request is not answered.
    says(served, request("/empty", "Connection: close") + request("/empty") * 3, closed, end=True)
    says(served, b"\r\n" + request("/empty"), empty)


@test
def answers_pipelines_in_order(served):
    one, big = (served.root / "one page").read_bytes(), (served.root / "big").read_bytes()
    sent, wanted = [], []
    for i in range(60):
        body = b"%d" % i * (i * 97 % 501)
        sent += [request("/empty"), post(body), request("/one%20page"), chunked(chunks(body, 100)), request("/none")]
        wanted += [answer(body=b""), answer(body=body), answer(body=one), answer(body=body), answer(404)]
    sent += [request("/big"), request("/empty")]
    wanted += [answer(body=big), answer(body=b"")]
    says(served, b"".join(sent), *wanted)
    with Client(served.port) as client:  # torn at places that do not fit the requests
        data = b"".join(sent)
        for i in range(0, len(data), 1009):
            client.sendall(data[i:i + 1009])
        client.expect(b"".join(wanted))


@test
def sends_answers_together(served):
    """So many answers come in fewer pieces: what was asked together is sent together."""
    with Client(served.port) as client:
        client.sendall(request("/none") * 20)
        check(client.recv(1 << 16) == answer(404) * 20, "not in one piece")


@test
def refuses_what_is_malformed(served):
    for sent in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
                 b"GE\x00T / HTTP/1.1\r\n\r\n", b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\n"):
        refuses(served, sent, 400)
    refuses(served, request(version="2.0"), 505)
    refuses(served, request(method="BREW"), 501)
    refuses(served, request(method="get"), 501)
    refuses(served, request("x y"), 400)


@test
def refuses_bodies_with_two_lengths(served):
    inner = request("/secret")
    for headers in (("Content-Length: 4", "Content-Length: 5"), ("Content-Length: 4, 4",), ("Content-Length: -4",),
                    ("Content-Length: +4",), ("Content-Length: 0x4",), ("Content-Length:",), ("Content-Length: 4 4",),
                    ("Content-Length: 4", "Transfer-Encoding: chunked"),
                    ("Transfer-Encoding: chunked", "Content-Length: 0")):
        refuses(served, request("/", *headers, method="POST", body=b"0\r\n\r\n" + inner), 400)
    refuses(served, request("/", "Transfer-Encoding: chunked", method="POST", version="1.0"), 400)
    for coding in ("gzip", "gzip, chunked", "chunked, chunked", "xchunked", ""):
        refuses(served, request("/", "Transfer-Encoding: " + coding, method="POST"), 501)
    refuses(served, request("/", *["Transfer-Encoding: chunked"] * 2, method="POST"), 501)
    says(served, request("/", *["Content-Length: 2"] * 2, method="POST", body=b"ab"), answer(body=b"ab"))


@test
def refuses_chunks_that_are_none(served):
    for framed in (b"\r\n", b"g\r\n", b"-1\r\n", b"0x3\r\nabc\r\n", b" 3\r\nabc\r\n", b"3 \r\nabc\r\n", b"3\nabc\r\n",
                   b"3\r\nabcd\r\n", b"3\r\nabc\n", b"3\r\nabc\rx\n", b"3;\0\r\n", b"0\r\nno colon\r\n\r\n",
                   b"0\r\n: x\r\n\r\n", b"3;" + b"x" * 600):
        refuses(served, chunked(framed), 400)
    for size in (b"10001", b"ffffffff", b"100000000", b"10000000000000000", b"f" * 200):
        refuses(served, chunked(size + b"\r\n"), 413)
    refuses(served, chunked(b"8000\r\n" + b"x" * 32768 + b"\r\n", b"8001\r\n"), 413)
    refuses(served, chunked(b"0\r\n" + b"a: b\r\n" * 100), 431)


@test
def limits_sizes(served):
    fits = request("/empty", "X: ")
    says(served, fits.replace(b"X: ", b"X: " + b"x" * (HEAD_MAX - len(fits))), answer(body=b""))
    refuses(served, fits.replace(b"X: ", b"X: " + b"x" * (HEAD_MAX - len(fits) + 1)), 431)
    refuses(served, b"GET /" + b"a" * 100000, 431)
    refuses(served, b"x" * 300000, 431)
    refuses(served, request("/", *["a: b"] * 5000), 431)
    for length in (BODY_MAX + 1, 1 << 32, 1 << 63, 1 << 64, 10 ** 40):
        refuses(served, request("/", f"Content-Length: {length}", method="POST"), 413)
    refuses(served, post(b"x" * 1000000), 413)  # all of it is sent: the answer comes all the same


@test
def ends_who_is_late(served):
    """The limit is half a second here: for a request, however it drips, and for silence."""
    with served.another("-t", "500") as late:
        begin = time.monotonic()
        silent, half, body, stuck = (Client(late.port) for _ in range(4))
        half.sendall(b"GET / HT")
        body.sendall(request("/", "Content-Length: 5", method="POST", body=b"1234"))
        stuck.sendall(request("/huge"))  # and never read
        with Client(late.port) as drips, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in request("/", "X: " + "x" * 100):
                drips.sendall(bytes([byte]))
                time.sleep(0.05)
            check(False, "a request that drips was waited for")
        wanted = answer(408, connection="close")
        silent.expect_end()
        half.expect(wanted)
        half.expect_end()
        body.expect(wanted)
        body.expect_end()
        check(0.4 < time.monotonic() - begin < 10, "took", time.monotonic() - begin)
        with contextlib.suppress(ConnectionResetError):
            got = 0
            while piece := stuck.recv(1 << 20):
                got += len(piece)
            check(got < served.huge, "all of it was sent to who did not read")
        for client in (silent, half, body, stuck):
            client.close()
        says(late, request("/empty"), answer(body=b""))


@test
def serves_many_at_once(served):
    clients = [Client(served.port) for _ in range(100)]
    big = answer(body=(served.root / "big").read_bytes())
    for i, client in enumerate(clients):
        client.sendall(post(b"%d" % i)[:-1])
    for i, client in enumerate(clients):
        client.sendall(b"%d" % (i % 10))
    for i, client in enumerate(clients):
        client.expect(answer(body=b"%d" % i))
    for client in clients:
        client.sendall(request("/big"))
    for client in reversed(clients):
        client.expect(big)
    for client in clients[::2]:
        client.reset()
    for client in clients[1::2]:
        client.sendall(request("/empty"))
        client.expect(answer(body=b""))
        client.close()


@test
def lets_wait_who_is_too_many(served):
    with served.another("-c", "4") as small:
        clients = [Client(small.port) for _ in range(12)]
        for client in clients:
            client.sendall(request("/empty", "Connection: close"))
        for client in clients:
            client.expect(answer(body=b"", connection="close"))
            client.expect_end()
            client.close()


@test
def survives_who_breaks_off(served):
    for sent in (b"", b"GET", request("/big"), request("/huge") * 3, request("/empty") * 500,
                 post(b"x" * 5000)[:-10], chunked(b"5\r\nab")):
        for _ in range(5):
            client = Client(served.port)
            client.sendall(sent)
            client.reset()
    says(served, request("/empty"), answer(body=b""))


@test
def ends_in_order(served):
    """SIGINT comes while connections are silent, sending, and in the middle of a request."""
    with served.another() as other:
        clients = [Client(other.port) for _ in range(10)]
        for client, sent in zip(clients, [b"GET", request("/huge"), b"", chunked(b"5\r\nab"), request("/empty")] * 2):
            client.sendall(sent)
        clients[4].expect(answer(body=b""))
        requests, entered = other.finish()
        # Who is being sent to was not answered to the end, but its request was counted.
        check(2 <= requests <= 4, requests, "requests")
        check(entered > 0, entered)
        for client in clients:
            client.close()


@test
def says_a_line_without_files(served):
    with served.another(root=None) as plain:
        says(plain, request("/"), answer(body=b"hello, world\n"))
        says(plain, request("/", method="HEAD"), answer(body=b"hello, world\n", head=True))
        says(plain, request("/empty"), answer(404))


@test
def refuses_wrong_arguments(served):
    for arguments in (["-p", "70000"], ["-p", "x"], ["-c", "0"], ["-t", "1"], ["-r", "/nowhere"], ["-z"], ["more"]):
        status, output, error = program.run(served.build, served.name, *arguments)
        check(status == 2 and error and not output, arguments, status, output, error)


@test
def stands_wrk(served):
    """64 connections for two seconds: all answers are good, and the server lives and ends well."""
    if shutil.which("wrk") is None:
        return "wrk is not installed"
    with served.another(root=None) as plain:
        done = subprocess.run(["wrk", "-t1", "-c64", "-d2s", f"http://127.0.0.1:{plain.port}/"],
                              capture_output=True, text=True, timeout=60, check=True).stdout
        check("Non-2xx" not in done and "Socket errors" not in done, done)
        told = int(re.search(r"(\d+) requests in", done).group(1))
        says(plain, request("/"), answer(body=b"hello, world\n"))
        requests, entered = plain.finish()
        check(0 < told <= requests, told, requests)
        print(f"# {served.name}: {entered / requests:.2f} {plain.unit} per request at 64 connections")
    return None


# ---- running them ----


class Cannot(Exception):
    """There is no io_uring here."""


class Served:
    """A server that runs; leaving it checks that it ends well."""

    def __init__(self, build, name, root, *arguments):
        self.build, self.name, self.root, self.unit = build, name, root, None
        self.process = program.Server(build, name, *(["-r", str(root)] if root else []), *arguments)
        self.port, self.ended = 0, False

    def __enter__(self):
        try:
            self.port = int(self.process.line("listening on").rsplit(":", 1)[1])
        except RuntimeError as error:
            if self.process.end() == program.CANNOT:
                raise Cannot(str(error)) from error
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.process.end()
        elif not self.ended:
            self.finish()

    def another(self, *arguments, **more):
        return Served(self.build, self.name, more.get("root", self.root), *arguments)

    @property
    def huge(self):
        return (self.root / "huge").stat().st_size

    def finish(self):
        """(requests, enters or calls), as told at the end."""
        begin = time.monotonic()
        status = self.process.end()
        check(time.monotonic() - begin < 5, "its end took", time.monotonic() - begin)
        self.ended = True
        line = self.process.line("requests,")
        check(status == 0, "status", status, *self.process.said)
        requests, count, self.unit = re.fullmatch(r"(\d+) requests, (\d+) (\w+)", line).groups()
        return int(requests), int(count)


def make_files(folder):
    """The folder that is served, and a secret beside it."""
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    (folder / "secret").write_text("secret\n")
    (root / "index.html").write_text("<p>index</p>\n")
    (root / "empty").write_bytes(b"")
    (root / "one page").write_bytes(bytes(range(256)) * 16)
    (root / "sub" / "deep.txt").write_text("deep\n")
    (root / "big").write_bytes(os.urandom(300001))
    with open(root / "huge", "wb") as huge:
        huge.truncate(100 << 20)
    (root / "out").symlink_to(folder / "secret")
    (root / "out-folder").symlink_to("..")
    os.mkfifo(root / "pipe")
    return root


def run_all(tap, build, name, root):
    with Served(build, name, root) as served:
        for function in TESTS:
            title = f"{name}: {function.__name__.replace('_', ' ')}"
            try:
                tap.say(True, title, skip=function(served))
            except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
                tap.say(False, title, [f"{type(error).__name__}: {error}", *served.process.said])
    tap.say(served.ended, f"{name}: ends with status 0 after all")


def main(argv):
    tap = program.Tap()
    with tempfile.TemporaryDirectory() as folder:
        root = make_files(pathlib.Path(folder))
        for name in SERVERS:
            try:
                run_all(tap, argv[1], name, root)
            except Cannot as error:
                tap.say(True, name, skip=str(error))
            except (AssertionError, RuntimeError) as error:
                tap.say(False, f"{name}: begins and ends", [str(error)])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
