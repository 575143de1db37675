# SPDX-License-Identifier: MIT
"""Runs the timed program, a process for each benchmark, and reads what it prints."""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time

import stats
import words

LIMIT = 900  # seconds for one benchmark
PR_SET_PDEATHSIG = 1


class RunError(Exception):
    """What did not run, in one sentence."""


def parse(line):
    """An object of a line; RunError if it is none."""
    try:
        made = json.loads(line)
    except ValueError:
        made = None
    if not isinstance(made, dict):
        raise RunError(f"it printed what is no result: {line.strip()[:80]!r}")
    return made


def catalogue(program):
    """(version of liburing or "", [benchmark]) as the program lists them."""
    try:
        done = subprocess.run([program, "--list"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"{program} cannot be started ({error})")
    if done.returncode:
        raise RunError(f"{program} --list: exit status {done.returncode}: {last_of(done.stderr)}")
    lines = [parse(line) for line in done.stdout.splitlines()]
    version = next((line["liburing"] for line in lines if "bench" not in line), "")
    benchmarks = []
    for line in lines:
        if "bench" in line:
            line["name"] = line.pop("bench")
            benchmarks.append(line)
    return version, benchmarks


def last_of(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


class Progress:
    """On a terminal a line that changes; else a line for each benchmark that has ended."""

    def __init__(self, stream, total):
        self.stream, self.total, self.number = stream, total, 0
        self.terminal = stream.isatty()
        self.shown = 0.0

    def begin(self, name):
        self.number += 1
        self.name = name
        self.round("opening")

    def round(self, text):
        """At most ten times a second."""
        if self.terminal and time.monotonic() - self.shown > 0.1:
            self.shown = time.monotonic()
            self.stream.write(f"\r\033[K[{self.number}/{self.total}] {self.name}: {text}")
            self.stream.flush()

    def say(self, text):
        if self.terminal:
            self.stream.write("\r\033[K")
        self.stream.write(f"bench: {text}\n")
        self.stream.flush()

    def end(self, text):
        self.say(f"[{self.number}/{self.total}] {self.name}: {text}")


def lines_of(process, limit):
    """Lines of its output as they come; RunError when the time is up."""
    end, rest = time.monotonic() + limit, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise RunError(f"it did not end in {limit:g} s")
            if not selector.select(left):
                continue
            got = os.read(process.stdout.fileno(), 1 << 16)
            if not got:
                break
            *whole, rest = (rest + got).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")
    if rest:
        raise RunError("its last line is not whole")


def end(process):
    """Unless it has ended: it has a group of its own, so what it started ends with it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def die_with_parent():
    """Of a new child, before its program begins: it ends when this process does, however."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def measure(command, limit, told):
    """The lines that a run prints, each also given to @told; RunError if it fails."""
    lines = []
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=errors, start_new_session=True,
                                       preexec_fn=die_with_parent)
        except OSError as error:
            raise RunError(f"{command[0]} cannot be started ({error.strerror})")
        try:
            for text in lines_of(process, limit):
                line = parse(text)
                lines.append(line)
                told(line)
            status = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            raise RunError("it closed its output and did not end")
        finally:
            end(process)
            process.stdout.close()
        if status:
            errors.seek(0)
            said = last_of(errors.read().decode("utf-8", "replace"))
            raise RunError(f"exit status {status}: {said}")
    return lines


class Method:
    """How: rounds, CPUs, the limit of a benchmark."""

    def __init__(self, program, rounds, cpu, peer_cpu, limit=LIMIT):
        self.program, self.rounds, self.limit = program, rounds, limit
        self.cpu, self.peer_cpu = cpu, peer_cpu

    def command(self, name, rounds=None):
        return [self.program, "--rounds", str(rounds or self.rounds), "--cpu", str(self.cpu),
                "--peer-cpu", str(self.peer_cpu), name]


def cpus(cpu=None, peer=None):
    """Two that this process may use: the first ones, unless they are given."""
    allowed = sorted(os.sched_getaffinity(0))
    first = allowed[0] if cpu is None else cpu
    others = [one for one in allowed if one != first] or [first]
    return first, others[0] if peer is None else peer


def one(benchmark, method, progress, raw=None):
    """Run one benchmark: its description with what was measured, or with "failed"."""
    progress.begin(benchmark["name"])
    begin = time.monotonic()

    def told(line):
        if raw is not None:
            raw.write(json.dumps(line) + "\n")
        if "round" in line:
            size = f", {line['size']:,} {benchmark.get('size_is', '')}" if "size" in line else ""
            progress.round(f"round {line['round'] + 1} of {method.rounds}: "
                           f"{line['contender']}{size}")
        elif "contender" in line:
            progress.round(f"opening {line['contender']}")

    made = dict(benchmark)
    try:
        lines = measure(method.command(benchmark["name"]), method.limit, told)
        made.update(stats.collect(lines))
        if not made["results"] and not made["absent"]:
            raise RunError("it measured nothing")
    except (RunError, KeyError, TypeError, ZeroDivisionError) as problem:
        if not isinstance(problem, RunError):
            problem = f"it printed a result that lacks something ({problem!r})"
        made.update({"results": [], "ratios": [], "absent": [], "failed": str(problem)})
    made["seconds"] = round(time.monotonic() - begin, 1)
    progress.end(in_short(made))
    return made


def in_short(benchmark):
    """A benchmark's result on one line."""
    took = f" ({benchmark['seconds']:.0f} s)"
    if "failed" in benchmark:
        return f"failed: {benchmark['failed']}{took}"
    measure_of = benchmark["measure"]
    ours = stats.find(benchmark, stats.OURS)
    sizes = stats.sizes_of(benchmark)
    absent = list(dict.fromkeys(row["contender"] for row in benchmark["absent"]))
    missing = f"; absent: {', '.join(absent)}" if absent else ""
    if sizes:
        return f"{len(sizes)} sizes, {sizes[0]:,} to {sizes[-1]:,}{missing}{took}"
    if ours is None:
        return f"ours is absent{missing}{took}"
    ratios = [f"{row['peer']} {words.ratio(row[measure_of]['median'])}"
              for row in stats.usual(benchmark) if measure_of in row]
    return (f"{words.duration(ours[measure_of + '_ns']['median'])} per {benchmark['operation']}; "
            f"peer / ours: {', '.join(ratios) or 'no peer'}{missing}{took}")
