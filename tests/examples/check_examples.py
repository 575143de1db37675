#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the example programs and oring-probe for real, and tell in TAP.

usage: check_examples.py BUILD_DIRECTORY

Loopback only. Every wait has a limit; every process is one that was started here.
"""

import contextlib
import errno
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import seccomp  # noqa: E402 (found by the path above)

LIMIT = 60  # seconds for a program to end
SOURCE_ROOT = pathlib.Path(__file__).resolve().parents[2]


class Skip(Exception):
    """This machine cannot show it; the text says why."""


TESTS = []


def test(name):
    def register(function):
        TESTS.append((name, function))
        return function
    return register


class Programs:
    """The build under test, and a directory for its files."""

    def __init__(self, build, scratch):
        self.copy_path = build / "examples/copy"
        self.echo_path = build / "examples/echo"
        self.client_path = build / "examples/echo_client"
        self.handoff_path = build / "examples/handoff"
        self.probe_path = build / "tools/oring-probe"
        self.memory_path = build / "tools/memory-table"
        self.scratch = scratch

    def run(self, *arguments, **options):
        return subprocess.run([str(a) for a in arguments], capture_output=True, text=True,
                              timeout=LIMIT, check=False, **options)

    def copy(self, *arguments):
        return self.run(self.copy_path, *arguments)

    def client(self, port, *arguments):
        return self.run(self.client_path, "-p", port, *arguments)

    def probe(self, *arguments, **options):
        return self.run(self.probe_path, *arguments, **options)

    def file(self, name, data=b""):
        path = self.scratch / name
        path.write_bytes(data)
        return path


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def check_result(result, status, *texts):
    """Exit status, and what stderr has to say; sanitizers would say more."""
    check(result.returncode == status, "exit", result.returncode, result.stdout, result.stderr)
    for text in texts:
        check(text in result.stderr, f"no '{text}' in:", result.stderr)
    check("Sanitizer" not in result.stderr, result.stderr)


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "waited too long:", what)
        time.sleep(0.01)


# ---- copy ----


def copy_and_compare(programs, data, *options):
    source = programs.file("source", data)
    target = programs.scratch / "target"
    target.unlink(missing_ok=True)
    result = programs.copy(*options, source, target)
    check_result(result, 0)
    check(target.read_bytes() == data, "the copy differs")
    return result


@test("copy: an empty file")
def copy_empty(programs):
    copy_and_compare(programs, b"")


@test("copy: one byte")
def copy_one_byte(programs):
    result = copy_and_compare(programs, b"x")
    check(re.match(r"1 bytes in [\d.]+ s: [\d.]+ MB/s\n$", result.stdout), result.stdout)


def register_copies():
    data = os.urandom((10 << 20) + 3)
    for depth in (1, 7, 64):
        for block in (4096, 1 << 20):
            test(f"copy: 10 MiB and 3 bytes, depth {depth}, block {block}")(
                lambda programs, d=depth, b=block: copy_and_compare(
                    programs, data, "-q", "-d", d, "-b", b))


register_copies()


def data_extents(path):
    """[(offset, end)] of a file's data, between its holes."""
    extents = []
    fd = os.open(path, os.O_RDONLY)
    try:
        end = 0
        while True:
            try:
                begin = os.lseek(fd, end, os.SEEK_DATA)
            except OSError as error:
                check(error.errno == errno.ENXIO, error)
                return extents
            end = os.lseek(fd, begin, os.SEEK_HOLE)
            extents.append((begin, end))
    finally:
        os.close(fd)


def compare_extents(source, target):
    """Bytes wherever either has data: elsewhere both are zero."""
    with open(source, "rb") as one, open(target, "rb") as other:
        for begin, end in data_extents(source) + data_extents(target):
            check(end - begin < 64 << 20, "more data than was written")
            one.seek(begin)
            other.seek(begin)
            check(one.read(end - begin) == other.read(end - begin), "differs after byte", begin)


@test("copy: a sparse file of 5 GiB keeps its holes, its bytes and its size")
def copy_sparse(programs):
    source = programs.scratch / "sparse"
    target = programs.scratch / "sparse_target"
    size = (5 << 30) + 7
    with open(source, "wb") as file:
        for offset, length in ((0, 5001), ((1 << 30) + 12345, 300_000), ((9 << 29) + 1, 70_001)):
            file.seek(offset)
            file.write(os.urandom(length))
        file.truncate(size)
    if source.stat().st_blocks * 512 > 16 << 20:
        raise Skip("the file system of the scratch directory keeps no holes")
    try:
        result = programs.copy(source, target)
        check_result(result, 0)
        check(target.stat().st_size == size, "size", target.stat().st_size)
        check(target.stat().st_blocks * 512 < 16 << 20, "blocks", target.stat().st_blocks)
        check("the rest holes" in result.stdout, result.stdout)
        compare_extents(source, target)
    finally:
        source.unlink()
        target.unlink(missing_ok=True)


@test("copy: permission bits, also of a target that was there")
def copy_permissions(programs):
    source = programs.file("source", b"data")
    for mode in (0o640, 0o755, 0o444):
        target = programs.file("target", b"longer than the source")
        target.chmod(0o666)
        source.chmod(mode)
        check_result(programs.copy(source, target), 0)
        check(target.stat().st_mode & 0o7777 == mode, oct(target.stat().st_mode))
        check(target.read_bytes() == b"data", "content")
        target.unlink()
    source.unlink()


@test("copy: a missing source, and no target is made")
def copy_missing_source(programs):
    missing = programs.scratch / "missing"
    target = programs.scratch / "never"
    check_result(programs.copy(missing, target), 1, str(missing), "No such file")
    check(not target.exists(), "a target was made")


@test("copy: a target in a missing directory")
def copy_missing_directory(programs):
    target = programs.scratch / "missing/target"
    check_result(programs.copy(programs.file("source", b"x"), target), 1, str(target),
                 "No such file")


@test("copy: the same file, also by another name, is not emptied")
def copy_same_file(programs):
    source = programs.file("source", b"precious")
    link = programs.scratch / "link"
    link.hardlink_to(source)
    for target in (source, link):
        check_result(programs.copy(source, target), 1, "same file")
        check(source.read_bytes() == b"precious", "emptied")
    link.unlink()


@test("copy: not regular files")
def copy_irregular(programs):
    check_result(programs.copy(programs.scratch, programs.scratch / "x"), 1, "not a regular file")
    check_result(programs.copy("/dev/zero", programs.scratch / "x"), 1, "not a regular file")
    check_result(programs.copy("/proc/self/status", programs.scratch / "x"), 1, "size")


@test("copy: a full device")
def copy_dev_full(programs):
    mode = os.stat("/dev/full").st_mode
    result = programs.copy(programs.file("source", os.urandom(1 << 20)), "/dev/full")
    check_result(result, 1, "/dev/full: write: No space left", "/dev/full is incomplete")
    check(os.stat("/dev/full").st_mode == mode, "the device's permissions were changed")


@test("copy: a file system that fills")
def copy_full_tmpfs(programs):
    mount = programs.scratch / "mount"
    mount.mkdir(exist_ok=True)
    in_tmpfs = ["unshare", "-m", "sh", "-c",
                'mount -t tmpfs -o size=1m none "$0" && exec "$@"', mount]
    try:
        possible = programs.run(*in_tmpfs, "true")
    except OSError as error:
        raise Skip(f"unshare: {error.strerror}") from error
    if possible.returncode != 0:
        raise Skip("no private mount: " + possible.stderr.strip())
    source = programs.file("source", os.urandom(4 << 20))
    for depth in (1, 32):
        result = programs.run(*in_tmpfs, programs.copy_path, "-d", depth, source, mount / "target")
        check_result(result, 1, "write: No space left", "target is incomplete")


@test("copy: a source that is cut off meanwhile")
def copy_shrinking(programs):
    size = 32 << 20
    source = programs.file("source", os.urandom(size))
    target = programs.scratch / "target"
    target.unlink(missing_ok=True)
    with subprocess.Popen([programs.copy_path, "-q", "-d", "1", "-b", "512", source, target],
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or
                       (target.exists() and target.stat().st_size > 0), 10, "the first block")
            process.send_signal(signal.SIGSTOP)
            if process.poll() is not None or target.stat().st_size > size // 2:
                raise Skip("this machine copies faster than can be interfered with")
            os.truncate(source, target.stat().st_size // 2)
            process.send_signal(signal.SIGCONT)
            _, text = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    check(process.returncode == 1, "exit", process.returncode)
    check(f"{source}: read: short read" in text and "target is incomplete" in text, text)


@test("copy: progress on a terminal, and nowhere else")
def copy_progress(programs):
    source = programs.file("source", os.urandom(1 << 20))
    target = programs.scratch / "target"
    for options, expected in (([], True), (["-q"], False)):
        main, terminal = pty.openpty()
        try:
            result = subprocess.run([programs.copy_path, *options, source, target],
                                    stdout=subprocess.PIPE, stderr=terminal, timeout=LIMIT,
                                    check=True)
            shown = select.select([main], [], [], 0.2)[0] and b"%" in os.read(main, 4096)
        finally:
            os.close(main)
            os.close(terminal)
        check(bool(shown) == expected, "progress", options)
        check(bool(result.stdout) == expected, "figures", options)
    check(programs.copy(source, target).stderr == "", "progress without a terminal")


@test("copy: wrong usage ends with 2")
def copy_usage(programs):
    for arguments in ([], ["a"], ["a", "b", "c"], ["-d", "0", "a", "b"], ["-b", "x", "a", "b"],
                      ["-z", "a", "b"], ["-d", "1024", "-b", "16777216", "a", "b"]):
        check_result(programs.copy(*arguments), 2)


# ---- echo ----


class Server:
    """An echo server. Leaving it sends SIGINT and checks that it ends well and soon."""

    def __init__(self, programs, *arguments, end=signal.SIGINT, **options):
        self.end = end
        self.process = subprocess.Popen([programs.echo_path, *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        **options)
        ready = select.select([self.process.stdout], [], [], 10)[0]
        line = self.process.stdout.readline() if ready else ""
        found = re.match(r"listening on 127\.0\.0\.1:(\d+)\n$", line)
        if not found:
            self.process.kill()
            _, text = self.process.communicate(timeout=10)
            raise AssertionError(f"the server did not start: {line} {text}")
        self.port = int(found[1])
        self.output = self.errors = ""

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        connection.settimeout(5)
        return connection

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.send_signal(self.end)
        try:
            self.output, self.errors = self.process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.output, self.errors = self.process.communicate(timeout=10)
            if kind is None:
                raise AssertionError("the server did not end in 2 s") from None
        if kind is None:
            check(self.process.returncode == 0, "exit", self.process.returncode, self.errors)
            check("connections served" in self.output, self.output)
            check("Sanitizer" not in self.errors, self.errors)


def echoes(connection, data):
    """Whether all of it comes back."""
    connection.sendall(data)
    answer = b""
    while len(answer) < len(data):
        piece = connection.recv(len(data) - len(answer))
        if not piece:
            return False
        answer += piece
    return answer == data


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@test("echo: 16 connections, 200 messages on each")
def echo_many_messages(programs):
    with Server(programs) as server:
        result = programs.client(server.port, "-c", 16, "-n", 200)
        check_result(result, 0)
        check(re.match(r"16 connections x 200 messages of 64 bytes verified: \d+ messages/s\n$",
                       result.stdout), result.stdout)
    check("16 connections served, " in server.output, server.output)
    check(f"and {16 * 200 * 64} bytes" in server.output, server.output)


@test("echo: 64 connections")
def echo_many_connections(programs):
    with Server(programs) as server:
        check_result(programs.client(server.port, "-c", 64, "-n", 50), 0)


@test("echo: 600 connections, more than the queue holds")
def echo_very_many_connections(programs):
    with Server(programs) as server:
        check_result(programs.client(server.port, "-c", 600, "-n", 5), 0)


@test("echo: messages of one byte, and of more than the sockets hold")
def echo_sizes(programs):
    with Server(programs) as server:
        check_result(programs.client(server.port, "-s", 1, "-n", 50), 0)
        check_result(programs.client(server.port, "-c", 3, "-s", 1 << 20, "-n", 3), 0)


@test("echo: clients that reset do not disturb others")
def echo_reset(programs):
    with Server(programs) as server:
        results = []
        client = threading.Thread(target=lambda: results.append(
            programs.client(server.port, "-c", 8, "-n", 2000)))
        client.start()
        resets = 0
        while client.is_alive() and resets < 1000:
            connection = server.connect()
            connection.sendall(b"half a mess")
            reset(connection)
            resets += 1
        client.join(LIMIT)
        check(results, "the client did not end")
        check_result(results[0], 0)
        check(resets >= 3, "resets", resets)
        with server.connect() as connection:
            check(echoes(connection, b"still here"), "no echo after resets")


@test("echo: above the maximum a connection waits until another ends")
def echo_maximum(programs):
    with Server(programs, "-c", 2) as server, contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(server.connect()) for _ in range(3))
        check(echoes(first, b"first") and echoes(second, b"second"), "no echo")
        third.sendall(b"third")
        check(not select.select([third], [], [], 0.2)[0], "a third was served")
        first.close()
        check(third.recv(5) == b"third", "the third was not served")
        check_result(programs.client(server.port, "-c", 1, "-n", 1, "-t", 1), 1)
    check_maximum_clients(programs)


def check_maximum_clients(programs):
    with Server(programs, "-c", 4) as server:
        check_result(programs.client(server.port, "-c", 16, "-n", 20), 0)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@test("echo: out of descriptors it waits without spinning, and goes on")
def echo_no_descriptors(programs):
    limit = 16
    with Server(programs, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (limit, limit))) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(limit + 4)]
        check(echoes(connections[0], b"one of the first"), "no echo")
        before = cpu_seconds(server.process.pid)
        time.sleep(0.5)
        used = cpu_seconds(server.process.pid) - before
        check(used < 0.2, "CPU seconds in half a second:", used)
        for connection in connections[:limit]:
            connection.close()
        check(echoes(connections[-1], b"the last"), "no echo")
    check("Too many open files" in server.errors, server.errors)


def check_ends(programs, number):
    with contextlib.ExitStack() as stack:
        with Server(programs, end=number) as server:
            connections = [stack.enter_context(server.connect()) for _ in range(50)]
            check(all(echoes(connection, b"hello") for connection in connections), "no echo")


@test("echo: SIGINT ends it while connections are open")
def echo_interrupt(programs):
    check_ends(programs, signal.SIGINT)


@test("echo: SIGTERM ends it while connections are open")
def echo_terminate(programs):
    check_ends(programs, signal.SIGTERM)


@test("echo: SIGINT ends it while a peer does not read")
def echo_interrupt_stuck(programs):
    with contextlib.ExitStack() as stack:
        with Server(programs) as server:
            for _ in range(3):
                connection = stack.enter_context(server.connect())
                connection.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    for _ in range(1000):
                        connection.sendall(bytes(1 << 16))


@test("echo: SIGINT ends it under load")
def echo_interrupt_busy(programs):
    with Server(programs) as server:
        client = subprocess.Popen([programs.client_path, "-p", str(server.port), "-c", "64",
                                   "-n", "1000000", "-t", "30"], stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
    try:
        _, text = client.communicate(timeout=5)
    finally:
        client.kill()
    check(client.returncode == 1, "the client did not notice:", client.returncode)
    check("ended the connection" in text or "reset" in text or "pipe" in text, text)


@test("echo: a port that is taken")
def echo_port_taken(programs):
    with Server(programs) as server:
        check_result(programs.run(programs.echo_path, "-p", server.port), 1, "in use")


@test("echo: wrong usage ends with 2")
def echo_usage(programs):
    for arguments in (["x"], ["-p", "65536"], ["-c", "0"], ["-z"]):
        check_result(programs.run(programs.echo_path, *arguments), 2)
    for arguments in ([], ["-p", "0"], ["-p", "1", "-n", "0"], ["-p", "1", "x"]):
        check_result(programs.run(programs.client_path, *arguments), 2)


def client_against(programs, serve, *arguments):
    """The client's result when one connection is served by @serve(connection)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def accept():
            connection, _ = listener.accept()
            connection.settimeout(5)
            with connection, contextlib.suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        result = programs.client(listener.getsockname()[1], "-c", 1, "-n", 2, *arguments)
        thread.join(LIMIT)
        return result


@test("echo_client: finds one wrong bit")
def client_wrong_bit(programs):
    def serve(connection):
        data = bytearray(connection.recv(64, socket.MSG_WAITALL))
        data[63] ^= 1
        connection.sendall(data)
        connection.recv(1)
    check_result(client_against(programs, serve), 1, "connection 0, message 1 of 2", "differs")


@test("echo_client: finds the answer to another message")
def client_stale_answer(programs):
    def serve(connection):
        data = connection.recv(64, socket.MSG_WAITALL)
        connection.sendall(data + data)
        connection.recv(1)
    check_result(client_against(programs, serve), 1, "message 2 of 2", "differs")


@test("echo_client: finds a byte too many")
def client_extra_byte(programs):
    def serve(connection):
        for _ in range(2):
            connection.sendall(connection.recv(64, socket.MSG_WAITALL))
        connection.sendall(b"x")
        connection.recv(1)
    check_result(client_against(programs, serve), 1, "more came than was sent")


@test("echo_client: finds a lost message")
def client_lost_message(programs):
    check_result(client_against(programs, lambda connection: connection.recv(64)), 1,
                 "ended the connection")


@test("echo_client: a silent server costs the time limit, no more")
def client_time_limit(programs):
    begun = time.monotonic()
    result = client_against(programs, lambda connection: [connection.recv(64) for _ in range(2)],
                            "-t", 1)
    check_result(result, 1, "0 of 1 connections done after 1 s")
    check(0.9 < time.monotonic() - begun < 5, "took", time.monotonic() - begun)


@test("echo_client: nobody listens")
def client_refused(programs):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    check_result(programs.client(port, "-c", 2), 1, "Connection refused")


# ---- oring-probe ----

ROW = re.compile(r"^ +(\d+) +(\w+) +([\d.]+|\?) +(yes|no)$", re.MULTILINE)


@test("oring-probe: the table has every operation of op.h")
def probe_table(programs):
    result = programs.probe()
    check_result(result, 0)
    header = (SOURCE_ROOT / "include/oring/op.h").read_text()
    known = re.findall(r"ORING_OP_(\w+) = (\d+), /\* ([\d.]+) \*/", header)
    rows = {(name, number, since) for number, name, since, _ in ROW.findall(result.stdout)}
    check(len(known) > 60, "operations in op.h:", len(known))
    missing = set(known) - rows
    check(not missing, "missing:", missing)


@test("oring-probe: --json says the same as the table")
def probe_json(programs):
    result = programs.probe("--json")
    check_result(result, 0)
    found = json.loads(result.stdout)
    text = programs.probe().stdout
    rows = [(str(op["number"]), op["name"], op["since"], "yes" if op["supported"] else "no")
            for op in found["operations"]]
    check(rows == ROW.findall(text), "operations differ")
    for flag in found["setup_flags"]:
        word = {True: "yes", False: "no", None: "undecided"}[flag["supported"]]
        check(re.search(rf"^  {flag['name']} +{word}\b", text, re.MULTILINE), flag)
    listed = text.split("\nfeatures:\n")[1].split("\n\n")[0].split()
    check(found["features"] == listed, found["features"], listed)


@test("oring-probe: --brief has four lines that agree with --json")
def probe_brief(programs):
    result = programs.probe("--brief")
    check_result(result, 0)
    found = json.loads(programs.probe("--json").stdout)
    lines = result.stdout.splitlines()
    check(len(lines) == 4, result.stdout)
    supported = [op for op in found["operations"] if op["supported"]]
    check(f"{len(supported)} of {len(found['operations'])}, "
          f"the newest {supported[-1]['name']}" in lines[1], lines[1])
    check(found["kernel"] in lines[0], lines[0])


@test("oring-probe: --help, and wrong usage")
def probe_usage(programs):
    result = programs.probe("--help")
    check_result(result, 0)
    check("usage:" in result.stdout, result.stdout)
    check_result(programs.probe("--nonsense"), 2, "usage:")
    check_result(programs.probe("extra"), 2, "usage:")
    check_result(programs.probe("--try", "--brief"), 2, "usage:")


def trials_of(programs):
    """(all that --try --json says, its trials by group and name)."""
    result = programs.probe("--try", "--json")
    check_result(result, 0)
    found = json.loads(result.stdout)
    return found, {(trial["group"], trial["name"]): trial for trial in found["trials"]}


@test("oring-probe --try: every setup flag, enter flag and register operation of the headers")
def try_complete(programs):
    found, trials = trials_of(programs)
    abi = (SOURCE_ROOT / "include/oring/abi.h").read_text()
    registers = (SOURCE_ROOT / "include/oring/abi_reg.h").read_text()
    for group, text, pattern, number in (
            ("setup flag", abi, r"define ORING_SETUP_(\w+)\s+\(1U << (\d+)\)", lambda n: 1 << n),
            ("enter flag", abi, r"define ORING_ENTER_(\w+)\s+\(1U << (\d+)\)", lambda n: 1 << n),
            ("register operation", registers, r"\tORING_((?:UN)?REGISTER_\w+) = (\d+)", int)):
        known = {(name, number(int(n))) for name, n in re.findall(pattern, text)}
        tried = {(t["name"], t["number"]) for t in found["trials"] if t["group"] == group}
        check(len(known) >= 8 and known == tried, group, known ^ tried)
    check(len(trials) == len(found["trials"]), "a trial stands twice")
    for trial in found["trials"]:
        check(trial["reason"] is None or "no trial" not in trial["reason"], trial)
        check(trial["taken"] is not True or trial["error"] is None, trial)
        check(trial["taken"] is not False or trial["error"] is not None, trial)
        check((trial["taken"] is None) == (trial["reason"] is not None), trial)
    check(trials["setup flag", "CQSIZE"]["taken"] is True, "CQSIZE")
    check(trials["register operation", "REGISTER_BUFFERS"]["taken"] is True, "REGISTER_BUFFERS")


# Refused with EINVAL where they are known too: the kernel was built without them.
MAY_BE_LEFT_OUT = {"REGISTER_BPF_FILTER"}


@test("oring-probe --try: the kernel's own answers to queries agree")
def try_query(programs):
    found, _ = trials_of(programs)
    said = found["query"]
    if said is None:
        raise Skip("this kernel answers no queries")
    for trial in found["trials"]:
        if trial["group"] == "register operation":
            known = trial["number"] < said["register_operations"]
        elif trial["group"] in ("setup flag", "enter flag"):
            known = bool(said[trial["group"].replace(" ", "_") + "s"] & trial["number"])
        else:
            continue
        if not known:
            check(trial["taken"] is not True, "taken, but not in the query:", trial)
        elif trial["name"] not in MAY_BE_LEFT_OUT:
            check(trial["error"] != "EINVAL", "refused, but in the query:", trial)


@test("oring-probe --try: the table says the same as --json, and as the setup flags without --try")
def try_table(programs):
    found, trials = trials_of(programs)
    text = programs.probe("--try").stdout
    for trial in found["trials"]:
        word = {True: "yes", False: f"no: {trial['error']}", None: "not tried: "}[trial["taken"]]
        check(re.search(rf"^ .*\b{trial['name']} +{word}", text, re.MULTILINE), trial)
    for flag in json.loads(programs.probe("--json").stdout)["setup_flags"]:
        check(trials["setup flag", flag["name"]]["taken"] == flag["supported"], flag)


# ---- memory-table ----


@test("memory-table: the form that the README has, and what is locked is no less than what is resident")
def memory_table(programs):
    if os.geteuid() != 0:
        raise Skip("only root can measure")
    result = programs.run(programs.memory_path)
    check_result(result, 0)
    lines = (SOURCE_ROOT / "README.md").read_text().split("<!-- memory: begin -->\n")[1]
    lines = lines.split("<!-- memory: end -->")[0].splitlines()
    found = result.stdout.splitlines()
    check(len(found) == len(lines) and found[2:4] == lines[2:4], result.stdout)
    for mine, readme in zip(found[4:], lines[4:]):
        mine, readme = ([cell.strip() for cell in line.strip("|").split("|")]
                        for line in (mine, readme))
        check(mine[0] == readme[0] and len(mine) == len(readme), mine)
        for cell in mine[1:]:
            locked, resident, held = (int(n) if n != "-" else None for n in cell.split(" / "))
            check(locked in (None, 0) or resident is None or locked >= resident > 0, mine)
            check(held is None or resident is None or held >= resident, mine)
    check_result(programs.run(programs.memory_path, "--help"), 0)
    check_result(programs.run(programs.memory_path, "--nonsense"), 2, "usage:")


# ---- machines without io_uring ----


def run_denied(programs, number, *command):
    try:
        return programs.run(*command, preexec_fn=seccomp.deny_setup(number))
    except subprocess.SubprocessError as error:
        raise Skip("no seccomp filters here") from error


def check_denied(programs, number, *texts):
    commands = {"oring-probe": [programs.probe_path],
                "copy": [programs.copy_path, programs.file("source", b"x"),
                         programs.scratch / "denied"],
                "echo": [programs.echo_path],
                "echo_client": [programs.client_path, "-p", 1]}
    for name, command in commands.items():
        result = run_denied(programs, number, *command)
        check_result(result, 1, f"{name}: ", *texts)
        check(result.stdout == "" and result.stderr.count("\n") == 1, result)
    check(not (programs.scratch / "denied").exists(), "a target was made")


@test("without io_uring: ENOSYS is explained")
def denied_enosys(programs):
    check_denied(programs, errno.ENOSYS, "no io_uring here", "seccomp")


@test("without io_uring: EPERM is explained by a filter")
def denied_eperm(programs):
    setting = pathlib.Path("/proc/sys/kernel/io_uring_disabled")
    if setting.exists() and setting.read_text().strip() != "0":
        raise Skip("kernel.io_uring_disabled is set on this machine")
    check_denied(programs, errno.EPERM, "seccomp filter", "io_uring_setup")


@test("without io_uring: EPERM is explained by the sysctl")
def denied_sysctl(programs):
    setting = "/proc/sys/kernel/io_uring_disabled"
    for value, text in ((1, "CAP_SYS_ADMIN"), (2, "nobody")):
        fake = programs.file("disabled", b"%d\n" % value)
        command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"',
                   fake, setting]
        try:
            possible = programs.run(*command, "true")
        except OSError as error:
            raise Skip(f"unshare: {error.strerror}") from error
        if possible.returncode != 0:
            raise Skip("no private mount: " + possible.stderr.strip())
        check_result(run_denied(programs, errno.EPERM, *command, programs.probe_path), 1,
                     f"kernel.io_uring_disabled is {value}", text)


@test("without io_uring: ENOMEM and EMFILE name the limit")
def denied_limits(programs):
    check_denied(programs, errno.ENOMEM, "RLIMIT_MEMLOCK is ", "ulimit -l")
    check_denied(programs, errno.EMFILE, "RLIMIT_NOFILE is ", "ulimit -n")


def probe_unprivileged(programs, memlock, *arguments):
    """oring-probe, run by nobody under a small RLIMIT_MEMLOCK."""
    nobody = 61442  # no account, and no other test: what the kernel charges is this test's alone
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")

    def limit():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, memlock))
        os.setgroups([])
        os.setgid(nobody)
        os.setuid(nobody)
    try:
        return programs.probe(*arguments, preexec_fn=limit, cwd="/")
    except OSError as error:
        raise Skip(f"nobody cannot run it: {error.strerror}") from error


@test("RLIMIT_MEMLOCK 0, unprivileged: ENOMEM is explained")
def real_enomem(programs):
    result = probe_unprivileged(programs, 0, "--brief")
    if result.returncode == 0:
        raise Skip("this kernel does not count rings against RLIMIT_MEMLOCK")
    check_result(result, 1, "RLIMIT_MEMLOCK is 0 KiB")


@test("RLIMIT_MEMLOCK 64 KiB, unprivileged: --try is told the same, but for what needs privileges")
def try_unprivileged(programs):
    result = probe_unprivileged(programs, 64 << 10, "--try", "--json")
    check_result(result, 0)
    _, mine = trials_of(programs)
    for trial in json.loads(result.stdout)["trials"]:
        same = trial == mine[trial["group"], trial["name"]]
        check(same or trial["error"] in ("EPERM", "EACCES"), trial)


@test("RLIMIT_MEMLOCK 16 KiB, unprivileged: oring-probe decides the same as root's")
def small_memlock(programs):
    result = probe_unprivileged(programs, 16 << 10, "--brief")
    check_result(result, 0)
    check(result.stdout == programs.probe("--brief").stdout, result.stdout)


# ---- TAP ----


def run_test(function, programs):
    """'' if it passed, ' # SKIP ...' if it was skipped; else raises."""
    try:
        function(programs)
    except Skip as reason:
        return f" # SKIP {reason}"
    return ""


# ---- handoff ----

@test("handoff: the ring reads the one file, and reaches nothing else")
def handoff(programs):
    path = programs.file("handed", b"first line\nsecond line\n")
    done = programs.run(programs.handoff_path, path, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, done.returncode, done.stderr)
    check(done.stdout.splitlines() == [
        "open another file: Permission denied",
        "read a descriptor: Permission denied",
        "write to the file: Permission denied",
        "register a file: Permission denied",
        "read the file: done",
        "it begins: first line",
    ], done.stdout)
    check(path.read_bytes() == b"first line\nsecond line\n", "the file has changed")


@test("handoff: a file that is not there, and no file")
def handoff_mistakes(programs):
    done = programs.run(programs.handoff_path, programs.scratch / "missing")
    check(done.returncode == 1 and "No such file" in done.stderr, done.stderr)
    check(programs.run(programs.handoff_path).returncode == 2)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_examples.py BUILD_DIRECTORY")
    failed = 0
    print(f"1..{len(TESTS)}")
    with tempfile.TemporaryDirectory(prefix="oring-examples-") as scratch:
        programs = Programs(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(scratch))
        for number, (name, function) in enumerate(TESTS, 1):
            try:
                print(f"ok {number} - {name}{run_test(function, programs)}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {number} - {name}")
                for line in f"{type(error).__name__}: {error}".splitlines():
                    print(f"# {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
