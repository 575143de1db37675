#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-dns: a stub resolver against a server of this test's own, good, slow and hostile. Prints TAP."""
import ipaddress
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

A, CNAME, PTR, TXT, AAAA = 1, 5, 12, 16, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
RESPONSE, TRUNCATED = 0x8180, 0x0200
OWNER = b"\xc0\x0c"  # a pointer to the question's name
SLOW = 0.3           # seconds; longer than one try in the run that asks for it
NOBODY = 0.15        # seconds of a try that nobody answers


def name(text):
    """A name's bytes."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner, kind, data, length=None):
    """A record's bytes; @length: what it claims for its data."""
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data) if length is None else length) + data


def message(number, asked, records, flags=RESPONSE, count=None, questions=1):
    """An answer's bytes. @asked: the question's; @count: how many records it claims."""
    many = len(records) if count is None else count
    return struct.pack(">HHHHHH", number, flags, questions, many, 0, 0) + asked + b"".join(records)


def address(text):
    """The record of an address for the name that was asked for."""
    data = ipaddress.ip_address(text).packed
    return record(OWNER, A if len(data) == 4 else AAAA, data)


def long_pointers():
    """A name of 100 pointers, each to the one before: no loop, but nobody means it."""
    start = 12 + len(name("jumps.test")) + 4 + 12  # behind a question and a TXT record's head
    chain = b"\xc0\x0c" + b"".join(struct.pack(">H", 0xc000 | (start + 2 * n)) for n in range(99))
    return [record(OWNER, TXT, chain), record(struct.pack(">H", 0xc000 | (start + 198)), A, b"\x7f\0\0\1")]


def long_name():
    """A name of more than 255 bytes, by pointers."""
    start = 12 + len(name("long.test")) + 4 + 12
    part = b"\x3f" + 63 * b"x"
    return [record(OWNER, TXT, 2 * part + b"\0"),
            record(2 * part + struct.pack(">H", 0xc000 | start), A, b"\x7f\0\0\1")]


# Pointers to the first record, and to its data, behind a question of this length.
HERE = struct.pack(">H", 0xc000 | (12 + len(name("self.test")) + 4))
DATA = struct.pack(">H", 0xc000 | (12 + len(name("wind.test")) + 4 + 12))
# What is malformed, by the first label of its name: (records, how many it claims).
MALFORMED = {
    "self": ([record(HERE, A, b"\x7f\0\0\1")], None),
    "ahead": ([record(b"\xc0\x64", A, b"\x7f\0\0\1"), bytes(200)], 1),
    "loop": ([record(b"\1a" + HERE, A, b"\x7f\0\0\1")], None),
    "outside": ([record(b"\xff\xff", A, b"\x7f\0\0\1")], None),
    "jumps": (long_pointers(), None),
    "long": (long_name(), None),
    "label": ([record(b"\x41" + 65 * b"x" + b"\0", A, b"\x7f\0\0\1")], None),
    "endless": ([b"\x3fabc"], None),
    "halfptr": ([b"\xc0"], None),
    "half": ([OWNER + b"\0\1\0\1"], None),
    "counts": ([address("127.0.0.1")], 5),
    "manycounts": ([address("127.0.0.1")], 65535),
    "nothing": ([], 1),
    "bytes": ([record(OWNER, A, b"\x7f\0\0\1", 600)], None),
    "three": ([record(OWNER, A, b"\x7f\0\0")], None),
    "alias": ([record(OWNER, CNAME, name("x.test"), 3)], 1),
    "wind": ([record(OWNER, CNAME, b"\1a" + DATA)], None),
}
# What is no answer to this question at all, by name: it is ignored.
IGNORED = {
    "short": lambda n, asked, good: good[:11],
    "empty": lambda n, asked, good: b"",
    "cut": lambda n, asked, good: good[:14],
    "wrongid": lambda n, asked, good: message(n ^ 1, asked, [address("127.6.6.6")]),
    "wrongname": lambda n, asked, good: message(n, name("evil.test") + asked[-4:], [address("127.6.6.6")]),
    "wrongtype": lambda n, asked, good: message(n, asked[:-4] + b"\0\x10\0\1", [address("127.6.6.6")]),
    "wrongclass": lambda n, asked, good: message(n, asked[:-1] + b"\3", [address("127.6.6.6")]),
    "question": lambda n, asked, good: message(n, asked, [address("127.6.6.6")], 0x0100),
    "opcode": lambda n, asked, good: message(n, asked, [address("127.6.6.6")], RESPONSE | 0x2000),
    "noquestion": lambda n, asked, good: message(n, b"", [address("127.6.6.6")], questions=0),
    "twoquestions": lambda n, asked, good: message(n, asked, [address("127.6.6.6")], questions=2),
    "looping": lambda n, asked, good: message(n, b"\xc0\x0c" + asked[-4:], [address("127.6.6.6")]),
    "oversized": lambda n, asked, good: good + bytes(600 - len(good)),
}
ALIASES = {"www.test": "middle.test", "middle.test": "good.test", "part.test": "good.test",
           "round.test": "trip.test", "trip.test": "round.test", "dangling.test": "no.test"}
LONG = 60  # records of the answer that needs TCP: about 1000 bytes


class Stub:
    """A name server on loopback, UDP and TCP at one port."""

    def __init__(self):
        for _ in range(50):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.udp.bind(("127.0.0.1", 0))
            try:
                self.tcp.bind(self.udp.getsockname())
                break
            except OSError:  # somebody else's: another try
                self.udp.close()
                self.tcp.close()
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind(("127.0.0.1", 0))
        self.tcp.listen(64)
        self.address = "127.0.0.1:%d" % self.udp.getsockname()[1]
        self.asked = {}    # (name, type): how often over UDP
        self.pending = 0
        self.most = 0      # questions that waited at once
        self.lock = threading.Lock()
        threading.Thread(target=self._datagrams, daemon=True).start()
        threading.Thread(target=self._connections, daemon=True).start()

    def _datagrams(self):
        while True:
            data, peer = self.udp.recvfrom(2048)
            number, host, kind, asked = self._parse(data)
            self.asked[host, kind] = self.asked.get((host, kind), 0) + 1
            self._answer(number, host, kind, asked, peer)

    @staticmethod
    def _parse(data):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        return struct.unpack_from(">H", data)[0], ".".join(labels), data[at + 2], data[12:at + 5]

    def _later(self, delay, data, peer):
        def send():
            self.udp.sendto(data, peer)
            with self.lock:
                self.pending -= 1
        with self.lock:
            self.pending += 1
            self.most = max(self.most, self.pending)
        threading.Timer(delay, send).start()

    def _answer(self, number, host, kind, asked, peer):
        first = host.split(".")[0]
        times = self.asked[host, kind]
        good = self._good(number, host, kind, asked)
        if first in IGNORED:
            self.udp.sendto(IGNORED[first](number, asked, good), peer)
        elif first == "noise":  # the right one comes after all the others
            for wrong in IGNORED.values():
                self.udp.sendto(wrong(number, asked, good), peer)
            self.udp.sendto(good, peer)
        elif first == "otherport":
            self.other.sendto(message(number, asked, [address("127.6.6.6")]), peer)
        elif first in MALFORMED:
            records, count = MALFORMED[first]
            self.udp.sendto(message(number, asked, records, count=count), peer)
        elif first == "late":
            if times == 1:
                self._later(SLOW, good, peer)
        elif first == "many":
            self._later(0.05, good, peer)
        elif first == "tcponly" or first.startswith("tcp"):
            self.udp.sendto(message(number, asked, [address("127.6.6.6")], RESPONSE | TRUNCATED), peer)
        elif first != "silent" and not (first == "lost" and times == 1):
            self.udp.sendto(good, peer)

    @staticmethod
    def _good(number, host, kind, asked):
        first = host.split(".")[0]
        flags, records = RESPONSE, []
        if first == "servfail":
            flags |= SERVFAIL
        elif first == "refused":
            flags |= REFUSED
        elif host == "no.test":
            flags |= NXDOMAIN
        elif kind == PTR:
            records = [record(OWNER, PTR, name("good.test"))]
        elif first == "www":  # the whole chain in one answer, its last record first
            end = name("good.test")
            records = [record(end, A, b"\x7f\0\0\1") if kind == A else record(end, AAAA, bytes(15) + b"\1"),
                       record(name("middle.test"), CNAME, end), record(OWNER, CNAME, name("middle.test"))]
        elif host in ALIASES:
            records = [record(OWNER, CNAME, name(ALIASES[host]))]
        elif first.startswith("hop"):
            records = [record(OWNER, CNAME, name("hop%d.test" % (int(first[3:]) + 1)))]
        elif first == "strange":
            records = [record(OWNER, CNAME, b"\4a\x1b.\\\4test\0")] if kind == A else []
        elif first == "only4" and kind == AAAA:
            pass
        elif first == "others":  # records that were not asked for, and the one that was
            records = [record(name("evil.test"), kind, b"\x7f\6\6\6" * (1 if kind == A else 4)),
                       record(OWNER, TXT, b"\2hi"), address("127.0.0.1" if kind == A else "::1")]
        else:
            records = [address("127.0.0.1" if kind == A else "::1")]
        return message(number, asked, records, flags)

    def _connections(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, connection):
        with connection:
            data = connection.recv(2)
            data = connection.recv(struct.unpack(">H", data)[0], socket.MSG_WAITALL)
            number, host, kind, asked = self._parse(data)
            first = host.split(".")[0]
            records = [address("127.0.1.%d" % n if kind == A else "::%x" % n) for n in range(1, LONG + 1)]
            reply = message(number, asked, records)
            if first == "tcphuge":
                # Of a length that only just fits, of records that nobody asked for, and one that is.
                reply = message(number, asked, [record(OWNER, TXT, bytes(253))] * 246 + records[:1])
                reply += bytes(65535 - len(reply))
            elif first == "tcpwrong":
                reply = message(number ^ 1, asked, records)
            elif first == "tcpagain":
                reply = message(number, asked, records, RESPONSE | TRUNCATED)
            reply = struct.pack(">H", len(reply)) + reply
            if first == "tcpcloses":
                return
            if first == "tcpsilent":
                connection.settimeout(5)
                connection.recv(1)  # until the other side has had enough
                return
            if first == "tcphalf":
                reply = reply[:100]
            for at in range(0, len(reply), 500):  # in pieces, as it comes
                connection.sendall(reply[at:at + 500])


def both(host, four, six):
    """The lines of a name's two addresses."""
    return [f"{host} A {four}", f"{host} AAAA {six}"]


def failed(host, reason, *kinds):
    """The lines of questions that failed."""
    return [f"{host} {kind}: {reason}" for kind in kinds or ("A", "AAAA")]


def cases():
    """What is asked, what is to be printed, exit status, options, and what it is."""
    good = both("good.test", "127.0.0.1", "::1")
    yield ["good.test"], good, 0, [], "a name's addresses"
    yield ["GOOD.test."], [line.replace("good", "GOOD") for line in good], 0, [], "case, a dot at the end"
    yield (["127.0.0.1", "::1", "2001:db8::f0"],
           ["1.0.0.127.in-addr.arpa PTR good.test", "1." + 31 * "0." + "ip6.arpa PTR good.test",
            "0.f.0.0." + 20 * "0." + "8.b.d.0.1.0.0.2.ip6.arpa PTR good.test"], 0, [], "addresses' names")
    yield (["www.test"], [line for end in good for line in
                          ("www.test CNAME middle.test", "middle.test CNAME good.test", end)],
           0, [], "aliases in one answer")
    yield (["part.test"], [line for end in good for line in ("part.test CNAME good.test", end)],
           0, [], "an alias whose end is asked for")
    yield (["round.test"], [line for kind in ("A", "AAAA") for line in
                            8 * ["round.test CNAME trip.test", "trip.test CNAME round.test"] +
                            failed("round.test", "too many aliases", kind)], 1, [], "aliases in a circle")
    yield (["hop0.test"], [line for kind in ("A", "AAAA") for line in
                           [f"hop{n}.test CNAME hop{n + 1}.test" for n in range(16)] +
                           failed("hop0.test", "too many aliases", kind)], 1, [], "aliases without end")
    yield (["dangling.test"], [line for kind in ("A", "AAAA") for line in
                               ["dangling.test CNAME no.test"] +
                               failed("dangling.test", "no such name (NXDOMAIN)", kind)],
           1, [], "an alias of nothing")
    yield (["strange.test"], ["strange.test CNAME a\\027\\046\\092.test", "a\\027\\046\\092.test A 127.0.0.1",
                              "strange.test AAAA: none"], 0, [], "a name with bytes for a terminal")
    yield ["only4.test"], ["only4.test A 127.0.0.1", "only4.test AAAA: none"], 0, [], "no record of a type"
    yield ["others.test"], both("others.test", "127.0.0.1", "::1"), 0, [], "records of others"
    yield ["no.test"], failed("no.test", "no such name (NXDOMAIN)"), 1, [], "NXDOMAIN"
    yield ["servfail.test"], failed("servfail.test", "the server failed (SERVFAIL)"), 1, [], "SERVFAIL"
    yield ["refused.test"], failed("refused.test", "refused, code 5"), 1, [], "another code"
    yield ["no.test", "good.test"], failed("no.test", "no such name (NXDOMAIN)") + good, 1, [], "in order"
    short = ["--timeout", str(int(NOBODY * 1000))]
    yield ["lost.test"], both("lost.test", "127.0.0.1", "::1"), 0, short, "the first question is lost"
    yield (["late.test"], both("late.test", "127.0.0.1", "::1"), 0,
           ["--timeout", "200", "--tries", "3"], "the answer is late")
    yield (["silent.test"], failed("silent.test", "no answer, 2 tries, 0 ignored"), 1,
           short + ["--tries", "2"], "no answer")
    yield (["otherport.test"], failed("otherport.test", "no answer, 1 tries, 0 ignored"), 1,
           short + ["--tries", "1"], "an answer from another port")
    yield ["noise.test"], both("noise.test", "127.0.0.1", "::1"), 0, [], "the right one behind the wrong ones"
    for first in IGNORED:
        host = first + ".test"
        yield (["good.test", host], good + failed(host, "no answer, 1 tries, 1 ignored"), 1,
               short + ["--tries", "1"], "ignored: " + first)
    for first in MALFORMED:
        host = first + ".test"
        yield [host], failed(host, "malformed answer"), 1, [], "malformed: " + first
    yield (["tcp.test"], [f"tcp.test A 127.0.1.{n}" for n in range(1, LONG + 1)] +
           [f"tcp.test AAAA {ipaddress.ip_address('::%x' % n)}" for n in range(1, LONG + 1)],
           0, [], "truncated: over TCP")
    yield ["tcphuge.test"], both("tcphuge.test", "127.0.1.1", "::1"), 0, [], "the longest answer"
    for first in ("tcpwrong", "tcpagain", "tcpcloses", "tcphalf"):
        yield [first + ".test"], failed(first + ".test", "malformed answer"), 1, [], "TCP: " + first[3:]
    yield (["tcpsilent.test"], failed("tcpsilent.test", "no answer, 1 tries, 0 ignored"), 1,
           short + ["--tries", "1"], "TCP: silent")


def ask(tap, build, stub, case):
    """One run, compared."""
    hosts, lines, wanted, options, what = case
    status, output, error = program.run(build, "dns", "--server", stub.address, *options, *hosts)
    good = status == wanted and output.decode().splitlines() == lines and not error
    tap.say(good, what, [] if good else [f"status {status}, not {wanted}", "printed:", *output.decode().splitlines(),
                                         "wanted:", *lines, *error.splitlines()])


def ask_many(tap, build, stub):
    """More names than fibers, each answer of which takes its time."""
    hosts = [f"many.{n}.test" for n in range(150)]
    stub.most = 0
    status, output, error = program.run(build, "dns", "--server", stub.address, *hosts)
    wanted = [line for host in hosts for line in both(host, "127.0.0.1", "::1")]
    good = status == 0 and output.decode().splitlines() == wanted
    tap.say(good, "300 questions, in order", [] if good else [f"status {status}", error, output.decode()[:500]])
    tap.say(stub.most >= 32, f"many of them at once: {stub.most}")


def ask_wrongly(tap, build):
    """Arguments that make no sense, and a server that is not there."""
    for arguments in ([], ["--server", "nonsense", "a"], ["--server", "127.0.0.1", "a"],
                      ["--server", "127.0.0.1:65536", "a"], ["--tries", "0", "a"], ["--timeout", "x", "a"],
                      ["--what", "a"], ["a..b"], [".a"], ["a", 64 * "x"], [""], [".".join(50 * ["abcde"])]):
        status, output, error = program.run(build, "dns", *arguments)
        good = status == 2 and not output and error
        tap.say(good, f"refused: {arguments}"[:70], [] if good else [f"status {status}", output.decode(), error])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lone:
        lone.bind(("127.0.0.1", 0))
        port = lone.getsockname()[1]
    begin = time.monotonic()
    status, output, _ = program.run(build, "dns", "--server", f"127.0.0.1:{port}", "--tries", "2", "a.test")
    good = status == 1 and output.decode().splitlines() == failed("a.test", "Connection refused")
    tap.say(good and time.monotonic() - begin < 20, "no server", [] if good else [f"status {status}", output.decode()])


def main(argv):
    tap = program.Tap()
    build = argv[1]
    stub = Stub()
    status, _, error = program.run(build, "dns", "--server", stub.address, "good.test")
    if status == program.CANNOT:
        tap.say(True, "dns", skip=error.strip())
    else:
        for case in cases():
            ask(tap, build, stub, case)
        ask_many(tap, build, stub)
        ask_wrongly(tap, build)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
