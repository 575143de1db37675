# SPDX-License-Identifier: MIT
"""One guest: QEMU's command line, and following what the guest tells."""

import collections
import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time

import debian

Machine = collections.namedtuple("Machine", "qemu package options console results")
# Without cx16: where QEMU 7.2 emulates cmpxchg16b, an interrupt after it now and then finds
# garbage in the flags, and the kernel's allocator uses it all the time. Without erms: kernels would
# clear and copy memory byte by byte, and each is emulated.
VIRTIO_RESULTS = ["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=results"]
MACHINES = {
    "amd64": Machine("qemu-system-x86_64", "qemu-system-x86", ["-cpu", "max,cx16=off,erms=off"], "ttyS0", "ttyS1"),
    "arm64": Machine("qemu-system-aarch64", "qemu-system-arm",
                     ["-machine", "virt", "-cpu", "max,pauth-impdef=on"], "ttyAMA0", "hvc0"),
    "riscv64": Machine("qemu-system-riscv64", "qemu-system-misc",
                       ["-machine", "virt"], "ttyS0", "hvc0"),
}
DRIVE_BYTES = 64 << 20
# Drives, by their serial numbers: one to write to as it is, one with an ext4 file system, and one
# that keeps protection information (T10, type 1) beside each block.
DRIVES = {
    "raw": ["-device", "nvme,serial=raw,drive=raw"],
    "ext4": ["-device", "nvme,serial=ext4,drive=ext4"],
    "pi": ["-device", "nvme,serial=pi,id=pi-controller",
           "-device", "nvme-ns,bus=pi-controller,drive=pi,ms=8,pi=1"],
}
BOOT_LIMIT = 180   # seconds until the guest's init speaks
QUIET_LIMIT = 60   # beyond a program's own limit, without a word from the guest
COMPLAINT = re.compile(r"WARNING: |BUG: |Oops|Kernel panic|blocked for more than|UBSAN: |KASAN: ")


class Hung(Exception):
    """The guest did not finish: why, in one sentence."""


def packages():
    """What the lab needs on the host, by Debian's names."""
    return sorted({"apt", "binutils", "dpkg", "e2fsprogs", "meson", "ninja-build", "opensbi", "pkg-config",
                   "gcc", "libcriterion-dev", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross",
                   "gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross",
                   *(machine.package for machine in MACHINES.values())})


def need(arch):
    """LabError unless the programs that run a guest of this machine are there."""
    machine = MACHINES[arch]
    for name, package in (machine.qemu, machine.package), ("mke2fs", "e2fsprogs"):
        if not find(name):
            raise debian.LabError(f"{name} is not installed (Debian package {package})")


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def make_drives(folder):
    """The files behind the drives, in this folder."""
    for name in DRIVES:
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.truncate(DRIVE_BYTES)
        if name == "ext4":
            debian.run([find("mke2fs"), "-q", "-F", "-t", "ext4", path], "no ext4 file system")


# One processor, whose clock goes on by a nanosecond with each instruction.
COUNTING = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-smp", "1"]
RUNNING = ["-accel", "tcg,thread=multi", "-smp", "2"]


def command(arch, image, initrd, folder, shell=False, counting=False):
    machine = MACHINES[arch]
    words = ["console=" + machine.console, "panic=-1", "loglevel=5", "nvme.poll_queues=1",
             "lab_results=/dev/" + machine.results]
    options = machine.options
    if counting:  # as processors are: without threads cmpxchg16b is right, and time does not matter
        options = [option.replace(",cx16=off,erms=off", "") for option in options]
    else:  # what was translated for one process serves the next one
        words.append("norandmaps")
    line = [machine.qemu, *options, *(COUNTING if counting else RUNNING), "-m", "1G",
            "-display", "none", "-no-reboot", "-nic", "none", "-kernel", image, "-initrd", initrd]
    for name, devices in DRIVES.items():
        line += ["-drive", f"if=none,id={name},file={os.path.join(folder, name)},format=raw,cache=unsafe,"
                 "discard=unmap", *devices]
    if shell:
        words.append("lab_mode=shell")
        line += ["-serial", "mon:stdio"]
    else:
        line += ["-monitor", "none", "-serial", f"file:{os.path.join(folder, 'console')}",
                 "-chardev", "stdio,id=results,signal=off"]
        line += VIRTIO_RESULTS if machine.results == "hvc0" else ["-serial", "chardev:results"]
    return line + ["-append", " ".join(words)]


class Outcome:
    """One program's: what it wrote, and how it ended."""

    def __init__(self, name):
        self.name, self.lines, self.errors = name, [], []
        self.code, self.seconds = None, None  # code: a number, or None if it was ended

    def entry(self, label):
        """As in Meson's log of tests."""
        return {"name": f"{label}/{self.name}", "result": "TAP" if self.code is not None else "TIMEOUT",
                "returncode": self.code or 0, "stdout": "\n".join(self.lines) + "\n",
                "stderr": "\n".join(self.errors)}


class Report:
    """What a guest tells, line by line: TAP, and "@lab WORD ..." from its init."""

    def __init__(self, begun=lambda outcome: None, ended=lambda outcome: None):
        self.release, self.notes, self.outcomes, self.done = None, [], [], False
        self.current = None
        self.begun, self.ended = begun, ended

    def take(self, line):
        word, _, rest = line[5:].partition(" ") if line.startswith("@lab ") else ("", "", "")
        if word == "boot":
            self.release = rest
        elif word == "begin":
            self.current = Outcome(rest)
            self.begun(self.current)
        elif word == "stderr" and self.current:
            self.current.errors.append(rest)
        elif word == "end" and self.current:
            how = re.fullmatch(r".* (\w+) ([0-9]+)", rest)
            if how:  # else half a line came: as one that was ended
                self.current.code = int(how[1]) if re.fullmatch("[0-9]+", how[1]) else None
                self.current.seconds = int(how[2])
            self.finish()
        elif word == "done":
            self.done = True
        elif word:
            self.notes.append(f"{word} {rest}")
        elif self.current and line:
            self.current.lines.append(line)

    def finish(self):
        """The current program has ended, or the guest with it."""
        if self.current:
            self.outcomes.append(self.current)
            self.ended(self.current)
            self.current = None


def follow(process, report, limit, program_limit):
    """Feed the report with the guest's lines until it is done; Hung if it is not in time."""
    begin = heard = time.monotonic()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not report.done:
            quiet = BOOT_LIMIT if report.release is None else program_limit + QUIET_LIMIT
            now = time.monotonic()
            if now - begin > limit:
                raise Hung(f"not finished after {limit} s")
            if now - heard > min(quiet, limit):
                raise Hung(f"did not boot within {quiet} s" if report.release is None
                           else f"silent for {quiet} s")
            if not selector.select(timeout=1):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)  # so that its complaint is written
                raise Hung("ended before its tests did" if report.release else "did not boot")
            heard = time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                report.take(line.decode("utf-8", "replace").strip("\r"))


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the leader of a group of its own
    process.wait()
    process.stdout.close()


def run(line, report, limit, program_limit, done=lambda: None):
    """Start QEMU and follow it until the report is done; call @done, and end it.

    Returns None, or why it did not finish.
    """
    problem = None
    with tempfile.TemporaryFile("w+") as errors:
        try:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=errors, start_new_session=True)
        except OSError as error:
            raise debian.LabError(f"{line[0]} cannot be started ({error.strerror})")
        try:
            follow(process, report, limit, program_limit)
            done()
        except Hung as hung:
            problem = str(hung)
        finally:
            stop(process)
        report.finish()
        errors.seek(0)
        said = errors.read().strip()
    if problem and said:
        problem += f" (QEMU: {said.splitlines()[-1]})"
    return problem


def console_lines(console):
    try:
        with open(console, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file]
    except OSError:
        return []


def complaints(console):
    """Lines of the console in which the kernel complains."""
    return [line for line in console_lines(console) if COMPLAINT.search(line)]


def last_lines(console):
    """What the guest said before it went silent."""
    return [line for line in console_lines(console)[-20:] if line]
