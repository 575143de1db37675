#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-cat: the same bytes come out, from files, pipes and a socket, into each of them. Prints TAP."""
import hashlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

BIG = 5 * 1000 * 1000


def digest(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def into_file(build, path, mode, *arguments, **more):
    """The file's contents after a run with it as standard output."""
    with open(path, mode) as file:
        done = subprocess.run([program.path_of(build, "cat"), *arguments], stdout=file, stderr=subprocess.PIPE,
                              timeout=program.LIMIT, **more)
    with open(path, "rb") as file:
        return done.returncode, file.read(), done.stderr.decode()


def through_sockets(build, data):
    """Standard input and standard output are stream sockets."""
    near_in, far_in = socket.socketpair()
    near_out, far_out = socket.socketpair()
    process = subprocess.Popen([program.path_of(build, "cat")], stdin=far_in, stdout=far_out,
                               stderr=subprocess.PIPE)
    far_in.close()
    far_out.close()

    def feed():
        near_in.sendall(data)
        near_in.close()
    threading.Thread(target=feed, daemon=True).start()
    near_out.settimeout(program.LIMIT)
    got = b""
    while piece := near_out.recv(1 << 16):
        got += piece
    near_out.close()
    _, error = process.communicate(timeout=program.LIMIT)
    return process.returncode, got, error.decode()


def without_blocking(build, data):
    """Standard input is a pipe that does not block, and is empty at first."""
    out, into = os.pipe()
    os.set_blocking(out, False)
    process = subprocess.Popen([program.path_of(build, "cat")], stdin=out, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    os.close(out)

    def feed():
        with open(into, "wb") as file:
            file.write(data)
    timer = threading.Timer(0.2, feed)
    timer.start()
    got, error = process.communicate(timeout=program.LIMIT)
    return process.returncode, got, error.decode()


def same(tap, name, result, data, status=0, complaints=()):
    good = result[0] == status and digest(result[1]) == digest(data) and \
        len(result[2].splitlines()) == len(complaints) and all(c in result[2] for c in complaints)
    tap.say(good, "cat: " + name,
            [] if good else [f"status {result[0]}, {len(result[1])} bytes of {len(data)}", result[2]])


def check(tap, build, folder):
    def at(name):
        return os.path.join(folder, name)

    data = random.Random(5).randbytes(BIG)
    for name, contents in (("big", data), ("small", b"hello\n"), ("empty", b"")):
        with open(at(name), "wb") as file:
            file.write(contents)
    same(tap, "5 MB, file to pipe", program.run(build, "cat", at("big")), data)
    same(tap, "5 MB, file to file", into_file(build, at("out"), "wb", at("big")), data)
    same(tap, "5 MB, pipe to pipe", program.run(build, "cat", input=data), data)
    same(tap, "5 MB, pipe to file", into_file(build, at("out"), "wb", input=data), data)
    same(tap, "5 MB, socket to socket", through_sockets(build, data), data)
    same(tap, "5 MB, a pipe that does not block", without_blocking(build, data), data)
    with open(at("big"), "rb") as file:
        file.seek(1000)
        same(tap, "standard input from where it stands", into_file(build, at("out"), "wb", stdin=file), data[1000:])
    same(tap, "several, and standard input among them",
         program.run(build, "cat", at("small"), "-", at("empty"), at("big"), input=b"between"),
         b"hello\nbetween" + data)
    same(tap, "what is appended to", into_file(build, at("out"), "ab", at("small")), data[1000:] + b"hello\n")
    same(tap, "nothing", program.run(build, "cat", input=b""), b"")
    same(tap, "a missing file and a folder: told, and it goes on",
         program.run(build, "cat", at("none"), folder, at("small")), b"hello\n", 1,
         [f"cat: {at('none')}: No such file", f"cat: {folder}: Is a directory"])
    same(tap, "its own output is no input", into_file(build, at("small"), "ab", at("small")), b"hello\n", 1,
         ["it is standard output"])


def check_closed(tap, build, folder):
    """Nobody reads any more: an error, not a signal, and no waiting."""
    process = subprocess.Popen([program.path_of(build, "cat"), os.path.join(folder, "big")], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    status = process.wait(timeout=program.LIMIT)
    good = status == 1 and "standard output: Broken pipe" in error
    tap.say(good, "cat: whoever read is gone", [] if good else [f"status {status}", error])
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program.path_of(build, "cat"), os.path.join(folder, "big")], stdout=full,
                              stderr=subprocess.PIPE, timeout=program.LIMIT)
    good = done.returncode == 1 and b"standard output: No space left" in done.stderr
    tap.say(good, "cat: no space left", [] if good else [f"status {done.returncode}", done.stderr.decode()])


def main(argv):
    tap = program.Tap()
    status, _, error = program.run(argv[1], "cat", input=b"")
    if status == program.CANNOT:
        tap.say(True, "cat", skip=error.strip())
    else:
        with tempfile.TemporaryDirectory() as folder:
            check(tap, argv[1], folder)
            check_closed(tap, argv[1], folder)
        status, output, error = program.run(argv[1], "cat", "--help")
        good = status == 0 and output.startswith(b"usage: ") and error == ""
        tap.say(good, "cat: --help", [] if good else [f"status {status}", error])
        status, output, error = program.run(argv[1], "cat", "--what")
        good = status == 2 and output == b"" and error.startswith("usage: ")
        tap.say(good, "cat: an unknown option", [] if good else [f"status {status}", error])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
