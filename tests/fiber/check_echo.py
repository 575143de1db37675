#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-echo: clients of every kind get their bytes back; SIGINT ends it with all of them connected. Prints TAP."""
import os
import random
import re
import signal
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

LIMIT = 20          # seconds, of every socket here
CONNECTIONS = 64    # that the server has fibers for
SLOTS = 48
RANDOM = random.Random(7)


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def take(client, length):
    got = b""
    while len(got) < length:
        piece = client.recv(length - len(got))
        if not piece:
            break
        got += piece
    return got


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def talk(port, rounds):
    """Messages of 64 bytes to and fro."""
    with connect(port) as client:
        for number in range(rounds):
            data = struct.pack("I", number) * 16
            client.sendall(data)
            if take(client, 64) != data:
                return False
    return True


def many(port, clients, rounds):
    """@clients at once: more than there are fibers for."""
    results = []

    def one():
        try:
            results.append(talk(port, rounds))
        except OSError as error:
            results.append(error)
    threads = [threading.Thread(target=one, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    return [result for result in results if result is not True] + ["no answer"] * (clients - len(results))


def large(port, length):
    data = RANDOM.randbytes(length)
    with connect(port) as client:
        thread = threading.Thread(target=client.sendall, args=(data,), daemon=True)
        thread.start()
        got = take(client, length)
        thread.join(LIMIT)
    return got == data


def half_closed(port):
    """What was sent before the half-close comes back, and then the other half is closed."""
    data = RANDOM.randbytes(100000)
    with connect(port) as client:
        def send():
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        threading.Thread(target=send, daemon=True).start()
        return take(client, len(data) + 1) == data


def resets(port, times):
    for number in range(times):
        client = connect(port)
        if number % 3:
            client.sendall(b"x" * (number * 1000))
        reset(client)
    return talk(port, 3)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def settled(server, wanted):
    """Whether the server's descriptors come to @wanted."""
    end = time.monotonic() + LIMIT
    while descriptors(server) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    return descriptors(server) == wanted


def start(build, servers, *arguments):
    server = program.Server(build, "echo", *arguments)
    servers.append(server)
    return server, int(server.line("listening on 127.0.0.1:").rsplit(":", 1)[1])


def last_words(server, number=signal.SIGINT):
    """Exit status, and the figures that it ends with."""
    status = server.end(number)
    if status != 0:
        return status, [], server.said
    first = server.line(" connections, ")
    second = server.line(" datagrams, ")
    return status, [int(n) for n in re.findall(r"\d+", first + " " + second)], [first, second]


def tcp(tap, build, servers):
    server, port = start(build, servers, "tcp")
    at_first = descriptors(server)
    tap.say(talk(port, 100), "echo: a client, 100 messages")
    bad = many(port, CONNECTIONS + 36, 20)
    tap.say(bad == [], "echo: 100 clients at once", [str(one) for one in bad])
    tap.say(large(port, 65536), "echo: a message of 64 KiB")
    tap.say(large(port, 3000000), "echo: 3 MB, both ways at once")
    tap.say(half_closed(port), "echo: a half-closed client gets all that it sent")
    tap.say(resets(port, 30), "echo: after 30 resets it serves on")
    tap.say(settled(server, at_first), "echo: no descriptor is left",
            [f"{at_first} at first, {descriptors(server)} now"])
    clients = [connect(port) for _ in range(CONNECTIONS)]
    for client in clients:
        client.sendall(b"here")
    good = all(take(client, 4) == b"here" for client in clients)
    without = descriptors(server) - at_first
    tap.say(good and without == CONNECTIONS - SLOTS, f"echo: {SLOTS} of {CONNECTIONS} connections are in slots",
            [f"{without} are not"])
    status, seen, words = last_words(server)
    # Those above, without or with the ones that were reset before they were accepted.
    good = status == 0 and len(seen) == 6 and 169 <= seen[0] <= 199 and seen[1] >= SLOTS and seen[2] == 0
    tap.say(good, f"echo: SIGINT ends it, with {CONNECTIONS} clients connected", [f"status {status}", *words])
    good = all(client.recv(1) == b"" for client in clients)
    tap.say(good, "echo: their connections are closed")
    for client in clients:
        client.close()


def silent(tap, build, servers):
    """One that says nothing, and one that does not read what it gets: closed when nothing moves."""
    server, port = start(build, servers, "tcp", "200")
    with connect(port) as client, connect(port) as deaf:
        begin = time.monotonic()
        good = client.recv(1) == b""
        seconds = time.monotonic() - begin
        tap.say(good and 0.15 < seconds < LIMIT, "echo: who is silent is closed", [f"{seconds:.3f} s"])
        deaf.settimeout(LIMIT)
        closed = False
        try:
            for _ in range(4096):
                deaf.sendall(bytes(65536))
        except (ConnectionError, BrokenPipeError):
            closed = True
        except TimeoutError:
            pass
        tap.say(closed, "echo: who does not read is closed")
    status, seen, words = last_words(server, signal.SIGTERM)
    tap.say(status == 0 and len(seen) == 6 and seen[2] == 2, "echo: both were idle; SIGTERM ends it, too",
            [f"status {status}", *words])


def udp(tap, build, servers):
    server, port = start(build, servers, "udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT)
        client.connect(("127.0.0.1", port))
        sizes = [0, 1, 64, 1472, 64000, 65507, 0]
        for size in sizes:
            data = RANDOM.randbytes(size)
            client.send(data)
            tap.say(client.recv(1 << 17) == data, f"echo: a datagram of {size} bytes")
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    for number, client in enumerate(clients):
        client.settimeout(LIMIT)
        client.sendto(b"client %d" % number, ("127.0.0.1", port))
    got = [client.recvfrom(100) for client in clients]
    good = got == [(b"client %d" % number, ("127.0.0.1", port)) for number in range(50)]
    tap.say(good, "echo: 50 clients by UDP, each its own")
    for client in clients:
        client.sendto(b"nobody waits for it", ("127.0.0.1", port))
        client.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT)
        client.sendto(b"still there", ("127.0.0.1", port))
        tap.say(client.recv(100) == b"still there", "echo: it serves on when clients are gone")
    status, seen, words = last_words(server)
    good = status == 0 and len(seen) == 6 and seen[4] >= len(sizes) + 51
    tap.say(good, "echo: SIGINT ends it by UDP, too", [] if good else [f"status {status}", *words])


def main(argv):
    tap = program.Tap()
    for arguments in ([], ["sctp"], ["tcp", "0"], ["tcp", "x"], ["udp", "1", "2"]):
        status, output, error = program.run(argv[1], "echo", *arguments)
        good = status == 2 and output == b"" and error != ""
        tap.say(good, f"echo: refuses {arguments}", [] if good else [f"status {status}", error])
    probe = program.Server(argv[1], "echo", "udp")
    try:
        probe.line("listening on ")
    except RuntimeError as error:
        if probe.end() != program.CANNOT:
            raise
        tap.say(True, "echo", skip=str(error).replace("\n", " "))
        print(f"1..{tap.count}")
        return int(tap.failed)
    tap.say(probe.end() == 0, "echo: SIGINT before any client")
    servers = []
    for part in (tcp, silent, udp):
        try:
            part(tap, argv[1], servers)
        except (OSError, RuntimeError) as error:
            tap.say(False, f"echo: {part.__name__}", [repr(error)])
        finally:
            servers[-1].process.kill()  # if it has not ended
            servers[-1].process.wait()
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
