#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-tls-echo and fiber-tls-client, with each other and with Python's ssl. Prints TAP.

The authority and the certificates are made here, by the openssl command, for this run.
"""
import asyncio
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

NAME = "echo.test"
MEGABYTE = os.urandom(1 << 20)
TOGETHER = 64   # connections at once
SHORT = "300"   # milliseconds: the limit where somebody is idle
SOON = 10       # seconds, in which what has a short limit must be over


def openssl(folder, *arguments):
    """Run the command; what it says only if it fails."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=program.LIMIT)


def make_certificates(folder):
    """ca.pem, other.pem: authorities; cert.pem, key.pem: of the first one, for NAME and 127.0.0.1."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for ca in ("ca", "other"):
        openssl(folder, "req", "-x509", *ec, "-subj", "/CN=" + ca, "-days", "2", "-keyout", ca + "-key.pem",
                "-out", ca + ".pem", "-addext", "keyUsage=critical,keyCertSign")
    with open(os.path.join(folder, "names"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName=DNS:{NAME},IP:127.0.0.1\n")
    openssl(folder, "req", *ec, "-subj", "/CN=" + NAME, "-keyout", "key.pem", "-out", "request.pem")
    openssl(folder, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem")
    # A moment of difference between clocks must not matter, an old certificate must.
    openssl(folder, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-days", "-1", "-extfile", "names", "-out", "old.pem")


class Case:
    """Where everything is, for all tests of a run."""

    def __init__(self, build, folder, tap):
        self.build, self.folder, self.tap = build, folder, tap
        self.servers = []
        self.context = ssl.create_default_context(cafile=self.file("ca.pem"))

    def file(self, name):
        return os.path.join(self.folder, name)

    def server(self, *options, certificate="cert.pem"):
        """(our server, its port)"""
        server = program.Server(self.build, "tls-echo", *options, self.file(certificate), self.file("key.pem"))
        self.servers.append(server)
        return server, int(server.line("listening on").rsplit(":", 1)[1])

    def client(self, port, sent, *options, ca="ca.pem", name=NAME):
        """Our client's status, output and errors."""
        return program.run(self.build, "tls-client", "--ca", self.file(ca), "--name", name, *options,
                           f"127.0.0.1:{port}", input=sent)

    def connect(self, port, context=None, name=NAME):
        """Python's client, connected."""
        raw = socket.create_connection(("127.0.0.1", port), timeout=program.LIMIT)
        try:
            return (context or self.context).wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)
        except Exception:
            raw.close()
            raise

    def run(self, test):
        """What goes wrong is told, and leaves no server behind."""
        try:
            test(self)
        except Exception as error:  # pylint: disable=broad-except
            self.say(False, test.__name__, repr(error))
        for server in self.servers:
            server.end()
        self.servers.clear()

    def say(self, good, name, *notes):
        self.tap.say(bool(good), name, [] if good else [str(note) for note in notes])


class Peer:
    """A server of Python's, for one connection after another: @handle gets the raw socket."""

    def __init__(self, handle):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.handle = handle
        self.errors = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        raw, _ = self.listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(program.LIMIT)
        with raw:
            try:
                self.handle(raw)
            except (OSError, ssl.SSLError) as error:
                self.errors.append(str(error))

    def end(self):
        self.thread.join(program.LIMIT)
        self.listener.close()


def exchange(stream, data):
    """What came back. By turns: Python's streams are not for two threads."""
    back = bytearray()
    for at in range(0, len(data), 40000):
        piece = data[at:at + 40000]
        stream.sendall(piece)
        left = len(piece)
        while left:
            more = stream.recv(left)
            if not more:
                return bytes(back)
            back += more
            left -= len(more)
    return bytes(back)


def same_side(case):
    """Our client and our server."""
    server, port = case.server()
    for sent, what in ((MEGABYTE, "1 MB"), (b"hello\n", "a line"), (b"", "nothing")):
        status, output, error = case.client(port, sent)
        case.say(status == 0 and output == sent and not error, f"both ours: {what} comes back", status, error)
        line = server.line("connection")
        case.say(f"ended well, {len(sent)} bytes" in line, f"both ours: {what} ended with close_notify", line)
    status, output, error = case.client(port, b"hello", name="127.0.0.1")
    case.say(status == 0 and output == b"hello", "both ours: an address as the name", status, error)
    server.line("ended well")
    for name, ca, wanted in (("wrong.test", "ca.pem", "hostname mismatch"),
                             ("127.0.0.2", "ca.pem", "IP address mismatch"),
                             (NAME, "other.pem", "unable to get local issuer certificate")):
        status, output, error = case.client(port, b"secret", name=name, ca=ca)
        case.say(status == 1 and not output and wanted in error, f"client refuses: {wanted}", status, output, error)
        line = server.line("connection")
        case.say("alert" in line and " 0 bytes" in line, "its server is told so", line)
    case.say(server.end() == 0, "SIGINT: status 0", server.said)
    server, port = case.server(certificate="old.pem")
    status, output, error = case.client(port, b"secret")
    case.say(status == 1 and "expired" in error, "client refuses: an old certificate", status, error)
    case.say(server.end() == 0, "SIGINT again", server.said)


def python_client(case):
    """Python's client and our server."""
    server, port = case.server()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=case.file("ca.pem"))
        context.minimum_version = context.maximum_version = version
        stream = case.connect(port, context)
        back = exchange(stream, MEGABYTE)
        case.say(back == MEGABYTE and stream.version() == version.name.replace("_", "."),
                 f"our server, {version.name}: 1 MB comes back", len(back), stream.version())
        try:
            stream.unwrap().close()
            error = None
        except (OSError, ssl.SSLError) as raised:
            error = raised
        case.say(error is None, f"our server, {version.name}: answers close_notify", error)
        line = server.line("connection")
        case.say(f"ended well, {len(MEGABYTE)} bytes" in line, "our server saw it", line)
    for context, name in ((ssl.create_default_context(cafile=case.file("other.pem")), NAME),
                          (case.context, "wrong.test")):
        try:
            case.connect(port, context, name).close()
            error = "no error"
        except ssl.SSLCertVerificationError as raised:
            error = None
        case.say(error is None, "Python's client refuses our server as it should", error)
        server.line("alert")
    old = ssl.create_default_context(cafile=case.file("ca.pem"))
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is why it is asked for
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        case.connect(port, old).close()
    except (ssl.SSLError, OSError):
        pass
    line = server.line("connection")
    case.say("unsupported protocol" in line, "our server refuses TLS 1.1", line)
    case.say(server.end() == 0, "SIGINT: status 0", server.said)


def hostile_clients(case):
    """Who talks to our server without knowing how."""
    server, port = case.server("--limit", SHORT)
    with case.connect(port) as stream:
        stream.sendall(b"half")
        stream.recv(4)
    case.say("truncated" in server.line("connection"), "our server: no close_notify is told", server.said)
    hello = case_hello()
    pieces = {"garbage": b"GET / HTTP/1.1\r\n\r\n", "zeros": bytes(5000), "noise": os.urandom(5000),
              "a long record": b"\x16\x03\x01\xff\xff" + bytes(65535), "half a hello": hello[:len(hello) // 2],
              "nothing": b"", "a hello cut off": hello[:-1], "a broken hello": hello[:60] + bytes(len(hello) - 60),
              "a hello and garbage": hello + b"garbage"}
    for what, sent in pieces.items():
        with socket.create_connection(("127.0.0.1", port), timeout=SOON) as raw:
            begin = time.monotonic()
            try:
                raw.sendall(sent)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(4096):
                    pass
            except OSError:  # reset already, or not even connected any more; too late is told below
                pass
            gone = time.monotonic() - begin
        line = server.line("connection")
        case.say("ended well" not in line and gone < SOON, f"our server: {what}, then the end", line, gone)
    with case.connect(port) as stream:
        raw = socket.socket(fileno=stream.detach())
    with raw:
        raw.sendall(b"not a record")
        line = server.line("connection")
        case.say("ended well" not in line, "our server: garbage after the handshake", line)
    idle_clients(case, server, port, hello)
    stream = case.connect(port)
    back = exchange(stream, b"still here")
    stream.unwrap().close()
    case.say(back == b"still here" and "ended well" in server.line("connection"), "our server goes on", back)
    case.say(server.end() == 0, "SIGINT: status 0", server.said)


def case_hello():
    """The first bytes of some client."""
    out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=NAME)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def idle_clients(case, server, port, hello):
    """Silent from the beginning, in the midst of a hello, after it; a byte at a time."""
    for what, sent in (("nothing", b""), ("half a hello", hello[:100]), ("a hello", hello)):
        with socket.create_connection(("127.0.0.1", port), timeout=SOON) as raw:
            raw.sendall(sent)
            line = server.line("connection")
        case.say("within the limit" in line, f"our server: {what}, then idle", line)
    with case.connect(port) as stream:
        line = server.line("connection")
        case.say("within the limit" in line, "our server: idle after the handshake", line)
    with socket.create_connection(("127.0.0.1", port), timeout=SOON) as raw:
        begin = time.monotonic()
        for byte in hello:  # each byte within the limit, but not all
            try:
                raw.sendall(bytes([byte]))
            except ConnectionError:
                break
            if time.monotonic() - begin > SOON:
                break
            time.sleep(0.05)
        gone = time.monotonic() - begin
        line = server.line("connection")
        case.say("within the limit" in line and gone < SOON, "our server: a byte at a time", line, gone)
    with case.connect(port) as stream:  # it sends, and never takes anything
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(1)
        try:
            for _ in range(200):
                stream.sendall(MEGABYTE[:65536])
            error = "it took all"
        except (OSError, ssl.SSLError):
            error = None
        line = server.line("connection")
        case.say(error is None and "within the limit" in line, "our server: who never reads", error, line)


async def many_clients(case, port):
    """How many of TOGETHER get back what they sent, all connected before one sends."""
    ready, go = [], asyncio.Event()

    async def one(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=case.context, server_hostname=NAME)
        ready.append(number)
        if len(ready) == TOGETHER:
            go.set()
        await go.wait()
        good = True
        for turn in range(5):
            sent = b"%d %d " % (number, turn) * 500
            writer.write(sent)
            good &= await reader.readexactly(len(sent)) == sent
        writer.close()
        return good

    return sum(await asyncio.wait_for(asyncio.gather(*map(one, range(TOGETHER))), program.LIMIT))


def many(case):
    """Connections at once; and SIGINT while some are there."""
    server, port = case.server()
    good = asyncio.run(many_clients(case, port))
    case.say(good == TOGETHER, f"our server: {TOGETHER} connections at once", good)
    ended = [server.line("connection") for _ in range(TOGETHER)]
    case.say(sorted(int(line.split()[1][:-1]) for line in ended) == list(range(1, TOGETHER + 1)),
             "each has ended", *ended)
    streams = [case.connect(port) for _ in range(10)]
    for stream in streams:
        exchange(stream, b"here")
    silent = socket.create_connection(("127.0.0.1", port))
    time.sleep(0.1)
    begin = time.monotonic()
    status = server.end()
    gone = time.monotonic() - begin
    case.say(status == 0 and gone < SOON / 2, "SIGINT with connections: status 0, soon", status, gone, server.said)
    told = 0
    for stream in streams:
        try:
            told += stream.recv(10) == b""  # a clean end; a cut is an error
        except (OSError, ssl.SSLError):
            pass
        stream.close()
    silent.close()
    case.say(told == 10, "SIGINT: each was told by close_notify", told)


def python_server(case):
    """Our client and Python's server, which behaves in several ways."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(case.file("cert.pem"), case.file("key.pem"))
    ended = []

    def echo(raw):
        with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as stream:
            while True:
                data = stream.recv(10000)
                if not data:
                    break
                stream.sendall(data)
            ended.append("close_notify")  # else recv() had raised an error
            stream.unwrap()

    def cut(raw):  # it takes one piece, and is gone
        stream = context.wrap_socket(raw, server_side=True)
        stream.sendall(stream.recv(100000))
        stream.recv(1)
        os.close(stream.detach())

    def early(raw):  # a clean end, but too early
        stream = context.wrap_socket(raw, server_side=True)
        stream.recv(10)
        stream.unwrap()

    def garbage(raw):
        raw.recv(100)
        raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        raw.recv(1000)

    def garbage_later(raw):
        stream = context.wrap_socket(raw, server_side=True)
        stream.recv(10)
        socket.socket(fileno=os.dup(stream.fileno())).sendall(os.urandom(1000))
        stream.recv(10)

    def idle(raw):
        while raw.recv(1000):
            pass

    def idle_later(raw):
        idle(context.wrap_socket(raw, server_side=True))

    def never_ends(raw):  # data for ever, where only an end is waited for
        stream = context.wrap_socket(raw, server_side=True)
        stream.sendall(stream.recv(100))
        while True:
            stream.sendall(bytes(1000))

    def closes(raw):
        raw.recv(10)

    def refuses(raw):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    for sent in (MEGABYTE, b""):
        peer = Peer(echo)
        status, output, error = case.client(peer.port, sent)
        peer.end()
        case.say(status == 0 and output == sent and not error and not peer.errors and ended.pop() == "close_notify",
                 f"our client: {len(sent)} bytes come back, both end", status, error, peer.errors)
    for handle, sent, wanted in ((cut, b"piece", "truncated"), (early, b"piece", "Broken pipe"),
                                 (garbage, b"x", "wrong version number"), (garbage_later, b"x", "tls-client: "),
                                 (idle, b"x", "within the limit"), (idle_later, b"x", "within the limit"),
                                 (never_ends, b"x", "within the limit"), (closes, b"x", "tls-client: "),
                                 (refuses, b"x", "tls-client: ")):
        peer = Peer(handle)
        begin = time.monotonic()
        status, _, error = case.client(peer.port, sent, "--limit", SHORT)
        gone = time.monotonic() - begin
        peer.end()
        case.say(status == 1 and wanted in error and gone < SOON, f"our client: {handle.__name__}: {wanted}",
                 status, error, gone)


def arguments(case):
    """Arguments that make no sense, files that are not there."""
    ca, cert = case.file("ca.pem"), case.file("cert.pem")
    for name, status, given in (
            ("tls-echo", 2, []), ("tls-echo", 2, [cert]), ("tls-echo", 2, ["--what", cert, cert]),
            ("tls-echo", 2, ["--limit", "0", cert, cert]), ("tls-echo", 1, [cert, cert]),
            ("tls-echo", 1, [cert, case.file("other-key.pem")]), ("tls-echo", 1, ["/nowhere", "/nowhere"]),
            ("tls-client", 2, []), ("tls-client", 2, ["--ca", ca, "127.0.0.1:1"]),
            ("tls-client", 2, ["--ca", ca, "--name", "", "127.0.0.1:1"]),
            ("tls-client", 2, ["--ca", ca, "--name", NAME, "127.0.0.1"]),
            ("tls-client", 1, ["--ca", "/nowhere", "--name", NAME, "127.0.0.1:1"]),
            ("tls-client", 1, ["--ca", ca, "--name", NAME, "127.0.0.1:1"])):
        found, output, error = program.run(case.build, name, *given, input=b"")
        case.say(found == status and not output and error, f"{name} {len(given)} arguments: status {status}",
                 given, found, output, error)


def reason_to_skip(build):
    """Why nothing can be tested here, or None."""
    if shutil.which("openssl") is None:
        return "the openssl command is not installed"
    for name in ("tls-echo", "tls-client"):
        if program.path_of(build, name) is None:
            return "not built: OpenSSL's headers are not installed (libssl-dev)"
    return None


def main(argv):
    tap = program.Tap()
    reason = reason_to_skip(argv[1])
    with tempfile.TemporaryDirectory() as folder:
        if reason is None:
            make_certificates(folder)
            case = Case(argv[1], folder, tap)
            status, _, error = case.client(1, b"")
            reason = error.strip() if status == program.CANNOT else None
        if reason is not None:
            tap.say(True, "tls", skip=reason)
        else:
            for test in (same_side, python_client, hostile_clients, many, python_server, arguments):
                case.run(test)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
