# SPDX-License-Identifier: MIT
"""Where the instructions of an operation go: a guest's trace, by function of the kernel."""

import bisect
import collections
import os
import re
import shutil
import socket
import tempfile
import threading
import time

import cost
import debian
import guest
import initramfs
import kernels

TRACE_BYTES = 60 << 20  # some 800,000 instructions
TRACE_LIMIT = 60        # seconds
PC = re.compile(rb"\[[0-9a-f]+/([0-9a-f]+)/")
USER = "(user space)"


class Looping(guest.Report):
    """Done as soon as the program says that it loops."""

    def take(self, line):
        super().take(line)
        if line == "looping":
            self.done = True


class Monitor:
    """QEMU's, by a socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        # What it says is not wanted, but has to be read.
        threading.Thread(target=self.drop, daemon=True).start()

    def drop(self):
        while self.socket.recv(65536):
            pass

    def say(self, *commands):
        for command in commands:
            self.socket.sendall(command.encode() + b"\n")
            time.sleep(0.3)


def record(monitor, trace):
    """A stretch of the guest's life, instruction by instruction."""
    monitor.say("stop", "singlestep on", "log exec,nochain", "cont")
    end = time.monotonic() + TRACE_LIMIT
    while time.monotonic() < end and not (os.path.exists(trace) and os.path.getsize(trace) > TRACE_BYTES):
        time.sleep(0.2)
    monitor.say("stop", "log none")


def addresses(trace):
    with open(trace, "rb") as file:
        return [int(found.group(1), 16) for found in map(PC.search, file) if found]


def functions(text):
    """(addresses, names), sorted, from /proc/kallsyms."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] in "tTwW":
            found.append((int(words[0], 16), words[2]))
    found.sort()
    return [address for address, _ in found], [name for _, name in found]


def is_user(pc):
    return pc < 1 << 47


def loop_of(program):
    """(begin, end) of the function that loops, in a program that is linked at fixed addresses."""
    symbols = debian.run(["readelf", "-W", "--syms", program], "binutils are needed")
    found = re.search(r"([0-9a-f]{16}) +(\d+) FUNC .* loop(?:\.\S+)?$", symbols, re.M)
    if not found:
        raise cost.Broken("the program has no function loop")
    return int(found.group(1), 16), int(found.group(1), 16) + int(found.group(2))


def rounds(pcs, loop):
    """(begin, end) of each round: from one execution of the loop's own code to the next.

    Rounds with something else in between are left out.
    """
    counts = collections.Counter(pc for pc in pcs if loop[0] <= pc < loop[1])
    if not counts:
        return []
    mark = counts.most_common(1)[0][0]
    marks = [at for at, pc in enumerate(pcs) if pc == mark]
    found = list(zip(marks, marks[1:]))
    usual = sorted(end - begin for begin, end in found)[len(found) // 2] if found else 0
    return [(begin, end) for begin, end in found if abs(end - begin - usual) <= usual / 50]


def by_function(pcs, loop, symbols, batch):
    """[(instructions of an operation, function)], and in how many rounds."""
    starts, names = symbols
    good = rounds(pcs, loop)
    counts = collections.Counter()
    for begin, end in good:
        for pc in pcs[begin:end]:
            at = bisect.bisect_right(starts, pc) - 1
            counts[USER if is_user(pc) else names[at] if at >= 0 else hex(pc)] += 1
    return [(count / len(good) / batch, name) for name, count in counts.most_common()], len(good)


def command_line(kernel, image, initrd, folder):
    line = guest.command(kernel.arch, image, initrd, folder, counting=True)
    line[line.index("-monitor") + 1] = f"unix:{folder}/monitor,server,nowait"
    line[line.index("-append") + 1] += " nokaslr"
    return line + ["-D", f"{folder}/trace"]


def trace(lab, kernel, program, case, batch, shape):
    """[(instructions of an operation, function)], and in how many rounds."""
    parent = os.path.join(lab.cache, "runs")
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(dir=parent, prefix=f"where-{kernel.series}-")
    try:
        image, _ = kernels.files_of(lab, kernel)
        guest.make_drives(folder)
        initrd = os.path.join(folder, "initrd")
        program = program._replace(args=["--loop", case, str(batch), shape])
        initramfs.write(lab, initrd, kernel, [program], ["/"], 100000, 'cat /proc/kallsyms >"$LAB_NVME"; sync\n')
        report = Looping()
        problem = guest.run(command_line(kernel, image, initrd, folder), report, 300, 300,
                            lambda: record(Monitor(f"{folder}/monitor"), f"{folder}/trace"))
        if problem:
            raise cost.Broken(f"the guest {problem}: {' '.join(sum((o.errors for o in report.outcomes), []))}")
        with open(os.path.join(folder, "raw"), "rb") as file:
            symbols = functions(file.read().split(b"\0")[0].decode())
        lines, count = by_function(addresses(f"{folder}/trace"), loop_of(program.path), symbols, batch)
        if not count:
            raise cost.Broken("no round was recorded")
        return lines, count
    finally:
        shutil.rmtree(folder, ignore_errors=True)
