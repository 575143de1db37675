#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-http2: curl and h2load, and frames that no good client makes. Prints TAP.

usage: check_http2.py BUILD_DIRECTORY
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)
from check_http import Cannot, Client, Served, check  # noqa: E402

BODY_MAX = 65536
HELLO = b"hello, world\n"
TESTS = []
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PROTOCOL, FRAME_SIZE, COMPRESSION = 1, 6, 9  # errors
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OK, NOT_FOUND = b"\x88", b"\x8d"  # statuses, as HPACK has them in its table
GET, POST = b"\x82\x84\x86\x41\x01a", b"\x83\x84\x86\x41\x01a"  # of http://a/


def test(function):
    TESTS.append(function)
    return function


# ---- frames ----


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(**values):
    numbers = {"streams": 3, "window": 4, "frame": 5}
    return frame(SETTINGS, payload=b"".join(numbers[name].to_bytes(2, "big") + value.to_bytes(4, "big")
                                            for name, value in values.items()))


def window(stream, more):
    return frame(WINDOW, stream=stream, payload=more.to_bytes(4, "big"))


def get(stream, block=GET):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block)


BEGIN = PREFACE + settings()


class Peer(Client):
    """A client that makes its frames by hand."""

    def exactly(self, length):
        data = b""
        while len(data) < length:
            piece = self.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def frame(self):
        """(kind, flags, stream, payload) of the next one."""
        head = self.exactly(9)
        check(int.from_bytes(head[:3], "big") <= 16384, "a frame that is too large", head)
        return head[3], head[4], int.from_bytes(head[5:], "big"), self.exactly(int.from_bytes(head[:3], "big"))

    def answers(self, count, replenish=True):
        """{stream: (the first byte of its header block, body)}, until so many have ended."""
        found, ended = {}, 0
        while ended < count:
            kind, flags, stream, payload = self.frame()
            check(kind not in (GOAWAY, RESET), "refused:", kind, stream, payload)
            if kind == HEADERS:
                check(stream not in found, "answered twice", stream)
                found[stream] = (payload[:1], b"")
            elif kind == DATA:
                found[stream] = (found[stream][0], found[stream][1] + payload)
                if replenish and payload:
                    self.sendall(window(0, len(payload)) + window(stream, len(payload)))
            ended += kind in (HEADERS, DATA) and flags & END_STREAM
        return found

    def goodbye(self):
        """The error of GOAWAY; None: the connection ends without one."""
        try:
            while True:
                kind, _, _, payload = self.frame()
                if kind == GOAWAY:
                    return int.from_bytes(payload[4:8], "big")
        except (EOFError, ConnectionResetError):
            return None


def serves(served):
    with Peer(served.port) as peer:
        peer.sendall(BEGIN + get(1))
        check(peer.answers(1) == {1: (OK, HELLO)}, "no answer")


def refuses(served, sent, *errors):
    with Peer(served.port) as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(sent)
        found = peer.goodbye()
        check(found in errors, sent[24:80], "ended with", found, "instead of", errors)


# ---- the tests ----


@test
def answers_curl(served):
    if shutil.which("curl") is None or "HTTP2" not in subprocess.run(
            ["curl", "--version"], capture_output=True, text=True, timeout=10, check=True).stdout:
        return "there is no curl that has HTTP/2"
    url = f"http://127.0.0.1:{served.port}/"

    def curl(*arguments, body=None):
        done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--max-time", "20", *arguments,
                               "-w", "\n%{http_code} %{http_version}"], input=body, capture_output=True,
                              timeout=30, check=True).stdout
        body, _, told = done.rpartition(b"\n")
        return body, told.decode()

    check(curl(url) == (HELLO, "200 2"), curl(url))
    check(curl(url + "none") == (b"not found\n", "404 2"), "another path")
    head, told = curl("-I", url)
    check(told == "200 2" and b"content-length: %d\r\n" % len(HELLO) in head, head, told)
    for length in (0, 1, 16384, BODY_MAX - 1, BODY_MAX):
        sent = os.urandom(length)
        check(curl("--data-binary", "@-", url, body=sent) == (sent, "200 2"), "a body of", length)
    for length in (BODY_MAX + 1, 500000):
        check(curl("--data-binary", "@-", url, body=bytes(length)) == (b"", "413 2"), "a body of", length)
    check(curl("-X", "BREW", url) == (b"", "501 2"), "a method that there is not")
    return None


@test
def reads_byte_by_byte(served):
    with Peer(served.port) as peer:
        for byte in BEGIN + get(1) + get(3, b"\x82\x44\x02/x\x86\x41\x01a"):
            peer.sendall(bytes([byte]))
        check(peer.answers(2) == {1: (OK, HELLO), 3: (NOT_FOUND, b"not found\n")}, "wrong answers")


@test
def serves_many_streams_at_once(served):
    """Bodies come in turns, piece by piece; each stream gets its own."""
    bodies = {2 * i + 1: os.urandom(i * 83) for i in range(100)}
    with Peer(served.port) as peer:
        peer.sendall(BEGIN + b"".join(frame(HEADERS, END_HEADERS, stream, POST) for stream in bodies))
        for at in range(0, 9000, 1000):
            peer.sendall(b"".join(frame(DATA, 0, stream, body[at:at + 1000]) for stream, body in bodies.items()))
        peer.sendall(b"".join(frame(DATA, END_STREAM, stream) for stream in bodies))
        check(peer.answers(100) == {stream: (OK, body) for stream, body in bodies.items()}, "wrong bodies")


@test
def sends_no_more_than_is_wanted(served):
    body = os.urandom(1000)
    with Peer(served.port) as peer:
        peer.sendall(PREFACE + settings(window=10) + frame(HEADERS, END_HEADERS, 1, POST)
                     + frame(DATA, END_STREAM, 1, body) + frame(PING, payload=b"12345678"))
        found, pong = b"", False
        while len(found) < 10 or not pong:
            kind, flags, _, payload = peer.frame()
            found += payload if kind == DATA else b""
            pong |= kind == PING and flags == ACK and payload == b"12345678"
        check(found == body[:10], "more than the window:", len(found))
        peer.sendall(window(1, 5))
        check(peer.frame() == (DATA, 0, 1, body[10:15]), "the window was opened a little")
        peer.sendall(window(1, 5000))
        check(peer.frame() == (DATA, END_STREAM, 1, body[15:]), "the window was opened")


@test
def refuses_what_is_malformed(served):
    for sent in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + b"x" * 500, PREFACE[:-1] + b"x" * 99):
        refuses(served, sent, None, 0, PROTOCOL)
    refuses(served, PREFACE + get(1), PROTOCOL)  # no settings
    refuses(served, BEGIN + get(0), PROTOCOL)
    refuses(served, BEGIN + get(2), PROTOCOL)
    refuses(served, BEGIN + frame(DATA, 0, 7, b"x"), PROTOCOL)
    refuses(served, BEGIN + frame(CONTINUATION, END_HEADERS, 1, GET), PROTOCOL)
    refuses(served, BEGIN + frame(HEADERS, END_STREAM, 1, GET) + frame(PING, payload=bytes(8)), PROTOCOL)
    refuses(served, BEGIN + get(1, b"\xff\xff\xff\xff\xff\xff"), COMPRESSION)
    refuses(served, BEGIN + get(1, b"\xbf"), COMPRESSION)
    refuses(served, BEGIN + frame(DATA, 0, 1, bytes(20000)), FRAME_SIZE)
    refuses(served, BEGIN + frame(SETTINGS, payload=b"12345"), FRAME_SIZE)
    refuses(served, BEGIN + frame(PING, payload=b"1"), FRAME_SIZE)
    refuses(served, BEGIN + window(0, 0), PROTOCOL)
    serves(served)


@test
def refuses_a_bad_request_alone(served):
    """Its stream is reset; the others go on."""
    with Peer(served.port) as peer:
        peer.sendall(BEGIN + get(1, b"\x82\x86") + get(3, b"\x82\x84\x86\x40\x01A\x01b") + get(5))
        reset = set()
        while len(reset) < 2:
            kind, _, stream, _ = peer.frame()
            check(kind != GOAWAY, "all were ended")
            if kind == RESET:
                reset.add(stream)
            check(kind != HEADERS or stream == 5, "answered", stream)
        check(reset == {1, 3}, reset)


@test
def survives_floods(served):
    """Much is sent that costs the client nothing, and nothing is read."""
    for flood in (frame(PING, payload=bytes(8)), settings(window=1), frame(0xee, payload=b"x" * 100),
                  frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, b"") * 9):
        with Peer(served.port) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            peer.settimeout(0.5)
            peer.sendall(BEGIN + flood * 20000)
            peer.reset()
    with Peer(served.port) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        peer.settimeout(0.5)
        peer.sendall(BEGIN + b"".join(get(i) + frame(RESET, 0, i, bytes(4)) for i in range(1, 20000, 2)))
        peer.reset()
    with Peer(served.port) as peer:
        peer.sendall(BEGIN + b"".join(frame(HEADERS, END_HEADERS, i, POST) for i in range(1, 300, 2)))
        refused = 0
        while refused < 50:
            kind, _, _, _ = peer.frame()
            check(kind != HEADERS, "answered")
            refused += kind == RESET
    serves(served)


@test
def survives_who_breaks_off(served):
    for sent in (b"", PREFACE[:5], PREFACE, BEGIN + get(1)[:-2], BEGIN + frame(HEADERS, END_HEADERS, 1, POST),
                 BEGIN + frame(HEADERS, END_HEADERS, 1, POST) + frame(DATA, 0, 1, bytes(9000))):
        for _ in range(5):
            peer = Peer(served.port)
            peer.sendall(sent)
            peer.reset()
    serves(served)


@test
def serves_many_connections_at_once(served):
    peers = [Peer(served.port) for _ in range(80)]
    for i, peer in enumerate(peers):
        peer.sendall(BEGIN + frame(HEADERS, END_HEADERS, 1, POST))
    for i, peer in enumerate(peers):
        peer.sendall(frame(DATA, END_STREAM, 1, b"%d" % i * 3000))
    for i, peer in enumerate(peers):
        check(peer.answers(1) == {1: (OK, b"%d" % i * 3000)}, "wrong answer", i)
        peer.close()


@test
def ends_who_is_silent(served):
    with served.another("-t", "400") as late:
        begin = time.monotonic()
        peers = [Peer(late.port) for _ in range(3)]
        for peer, sent in zip(peers, (b"", BEGIN, BEGIN + frame(HEADERS, END_HEADERS, 1, POST))):
            peer.sendall(sent)
        for peer in peers:
            check(peer.goodbye() == 0, "no goodbye")
            peer.close()
        check(0.3 < time.monotonic() - begin < 10, "took", time.monotonic() - begin)
        serves(late)


@test
def ends_in_order(served):
    with served.another() as other:
        peers = [Peer(other.port) for _ in range(4)]
        for peer, sent in zip(peers, (b"", BEGIN, BEGIN + get(1), BEGIN + frame(HEADERS, END_HEADERS, 1, POST))):
            peer.sendall(sent)
        check(peers[2].answers(1) == {1: (OK, HELLO)}, "no answer")
        requests, entered = other.finish()
        check(requests == 1 and entered > 0, requests, entered)
        for peer in peers:
            check(peer.goodbye() in (0, None), "no goodbye")
            peer.close()


@test
def refuses_wrong_arguments(served):
    for arguments in (["-p", "70000"], ["-c", "0"], ["-t", "1"], ["-r", "/"], ["-z"], ["more"]):
        status, output, error = program.run(served.build, served.name, *arguments)
        check(status == 2 and error and not output, arguments, status, output, error)


@test
def stands_h2load(served):
    """64 connections with 16 streams each."""
    if shutil.which("h2load") is None:
        return "h2load is not installed"
    with served.another() as other, tempfile.NamedTemporaryFile() as body:
        body.write(b"x" * 1000)
        body.flush()
        for count, arguments in ((30000, []), (5000, ["-d", body.name])):
            done = subprocess.run(["h2load", f"-n{count}", "-c64", "-m16", *arguments,
                                   f"http://127.0.0.1:{other.port}/"],
                                  capture_output=True, text=True, timeout=60, check=True).stdout
            check(f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in done, done)
            check(f"status codes: {count} 2xx" in done, done)
            if arguments:
                check(re.search(r"\((%d)\) data" % (count * 1000), done), done)
        requests, entered = other.finish()
        check(requests == 35000, requests, "requests")
        print(f"# {entered / requests:.3f} enters per request")
    return None


def main(argv):
    tap = program.Tap()
    if program.path_of(argv[1], "http2") is None:
        tap.say(True, "http2", skip="not built: libnghttp2 is not installed")
        print("1..1")
        return 0
    try:
        with Served(argv[1], "http2", None) as served:
            for function in TESTS:
                title = "http2: " + function.__name__.replace("_", " ")
                try:
                    tap.say(True, title, skip=function(served))
                except (AssertionError, RuntimeError, OSError, EOFError, subprocess.SubprocessError) as error:
                    tap.say(False, title, [f"{type(error).__name__}: {error}", *served.process.said])
        tap.say(True, "http2: ends with status 0 after all")
    except Cannot as error:
        tap.say(True, "http2", skip=str(error))
    except (AssertionError, RuntimeError) as error:
        tap.say(False, "http2: begins and ends", [str(error)])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
