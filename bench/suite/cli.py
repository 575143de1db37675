# SPDX-License-Identifier: MIT
"""The command tools/bench."""

import argparse
import contextlib
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

import build
import curves
import fio
import goals
import machine
import report
import run
import table

DESCRIPTION = """\
Measure what this library takes beside what a user would pick instead: a bare
loop, liburing as its examples use it (L0) and tuned alike (L1), epoll, pread,
libaio, fio. Peers that are not there are named and left out.
Progress goes to stderr, results to stdout and to files.
"""
EXITS = """\
exit status: 0; 1 something failed to build or to run; 2 wrong usage.
A goal that is missed is told, and changes nothing.
"""
FORMAT = 1
ROUNDS = 21
TOP = build.TOP
RESULTS = os.path.join(TOP, "bench", "results")


class Failed(Exception):
    """What ends the command, in one sentence."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def cpu_number(text):
    value = int(text)
    if value not in os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"CPU {text} is not one that may be used")
    return value


def parser():
    top = argparse.ArgumentParser(prog="bench", description=DESCRIPTION, epilog=EXITS,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("names", nargs="*", metavar="NAME",
                     help="a benchmark, or a pattern of names (echo-*); none: all")
    top.add_argument("--list", action="store_true", help="say which benchmarks there are")
    top.add_argument("--rounds", type=positive, default=ROUNDS, metavar="N",
                     help="rounds of each benchmark (default: %(default)s)")
    top.add_argument("--json", metavar="FILE", help="write the results there")
    top.add_argument("--report", metavar="DIR",
                     help="write bench.html, bench.md and pictures (SVG) there")
    top.add_argument("--raw", metavar="FILE", help="write what each run took there, a line a run")
    top.add_argument("--liburing", default=build.NEWEST, metavar="WHICH",
                     help="newest (of Debian sid, downloaded, not installed; the default), "
                          "installed, or a folder")
    top.add_argument("--fio", metavar="PATH",
                     help="a source tree of fio with t/io_uring built in it, to run that too")
    top.add_argument("--cpu", type=cpu_number, metavar="C", help="where the work is done")
    top.add_argument("--peer-cpu", type=cpu_number, metavar="C",
                     help="where clients and other threads are")
    top.add_argument("--limit", type=positive, default=run.LIMIT, metavar="S",
                     help="end a benchmark after so many seconds (default: %(default)s)")
    top.add_argument("--timed", metavar="PROGRAM",
                     help="a timed program that was built before; nothing is built")
    top.add_argument("--from", dest="source", metavar="FILE",
                     help="run nothing: take the results of an earlier --json")
    return top


def choose(wanted, benchmarks):
    """Those of these names, in the program's order; ValueError names one that is not there."""
    for name in wanted:
        if not any(fnmatch.fnmatchcase(one["name"], name) for one in benchmarks):
            raise ValueError(f"no benchmark {name} (see --list)")
    return [one for one in benchmarks
            if not wanted or any(fnmatch.fnmatchcase(one["name"], name) for name in wanted)]


def show_list(benchmarks):
    for one in benchmarks:
        sizes = f"; by {one['size_is']}" if "size_is" in one else ""
        print(f"{one['name']:20} {one['what']}{sizes} ({', '.join(one['contenders'])})")


def code_size(liburing):
    """What bench/size.py tells of this build, or (None, why not)."""
    script = os.path.join(TOP, "bench", "size.py")
    if not os.path.exists(script):
        return None, "there is no bench/size.py"
    build.compile_all()
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "size.json")
        command = [sys.executable, script, build.FOLDER, "--json", path]
        if liburing.path:
            command += ["--liburing", liburing.path]
        done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)
        if done.returncode:
            return None, f"bench/size.py: {run.last_of(done.stderr)}"
        with open(path, encoding="utf-8") as file:
            return json.load(file), None


class Session:
    """One run: from the program to the result."""

    def __init__(self, options):
        self.options = options
        self.problems = []  # what failed
        self.absent = []    # what is not there as a whole
        self.compiler = self.liburing = self.found = None

    def program(self):
        """The timed program and its catalogue."""
        if self.options.timed:
            program, found = os.path.abspath(self.options.timed), None
        elif self.options.list:
            program, found = build.for_list(say), None
        else:
            found = build.find_liburing(self.options.liburing, say)
            program = build.build(found, say)
            self.compiler = build.compiler()
        self.found = found
        version, benchmarks = run.catalogue(program)
        if version:
            self.liburing = version + (f" ({found.told})" if found else "")
        else:
            self.absent.append({"what": "liburing", "why": "the program was built without it"})
        if found and found.problem:
            self.absent.append({"what": "liburing, newest", "why": found.problem})
        return program, benchmarks

    def run(self, program, chosen, raw):
        cpu, peer = run.cpus(self.options.cpu, self.options.peer_cpu)
        if cpu == peer:
            say(f"there is only CPU {cpu}: both ends of what talks share it")
        method = run.Method(program, self.options.rounds, cpu, peer, self.options.limit)
        progress = run.Progress(sys.stderr, len(chosen))
        about = machine.describe(self.compiler, self.liburing)
        made = []
        for benchmark in chosen:
            result = run.one(benchmark, method, progress, raw)
            if "failed" in result:
                self.problems.append(f"{result['name']}: {result['failed']}")
            elif result["name"] in fio.DEPTHS:
                self.problems += fio.add(result, method, self.options.fio, progress)
            made.append(result)
        return {"format": FORMAT, "machine": about,
                "method": {"rounds": self.options.rounds, "cpu": cpu, "peer_cpu": peer,
                           "limit_s": self.options.limit},
                "partial": bool(self.options.names),
                "benchmarks": made, "absent": self.absent}


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        raise Failed(f"{path} cannot be read ({error})")
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise Failed(f"{path} holds no results of this command")
    return result


def measure(session, top):
    """The result of a new run."""
    options = session.options
    program, benchmarks = session.program()
    try:
        chosen = choose(options.names, benchmarks)
    except ValueError as error:
        top.error(str(error))
    if not chosen:
        raise Failed("the program has no benchmarks")
    with contextlib.ExitStack() as stack:
        raw = None
        if options.raw:
            raw = stack.enter_context(open(options.raw, "w", encoding="utf-8"))
        result = session.run(program, chosen, raw)
    if session.found and not options.names:
        size, why = code_size(session.found)
        if size is not None:
            result["size"] = size
        else:
            session.absent.append({"what": "code size", "why": why})
    return result


def print_results(result):
    for benchmark in result["benchmarks"]:
        print("\n".join(table.results_as_text(benchmark)))
    lines = table.goals_as_text(result["goals"])
    if lines:
        print("", *lines, sep="\n")
        print(f"\ngoals: {report.counted(result['goals'], True)}")
    for what, why, where in report.absences(result):
        print(f"absent: {what}: {why}" + (f" (in {where})" if where else ""))
    sys.stdout.flush()


def write(result, options):
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    if options.report:
        costs = None
        with contextlib.suppress(OSError, ValueError), \
                open(os.path.join(RESULTS, "cost.json"), encoding="utf-8") as file:
            costs = json.load(file)
        gate_rows = curves.read_gates(os.path.join(RESULTS, "gates.tsv"))
        names = report.write(result, options.report, gate_rows, costs, table.markdown(result))
        say(f"{options.report}: {', '.join(names)}")


def check_usage(top, options):
    if options.source and (options.names or options.raw or options.timed or options.list):
        top.error("--from runs nothing: it takes no names, --raw, --timed or --list")
    if options.liburing not in (build.NEWEST, build.INSTALLED) \
            and not build.holds_liburing(options.liburing):
        top.error(f"--liburing: no liburing.h and liburing.a below {options.liburing}")
    if options.fio and not os.path.isdir(options.fio):
        top.error(f"--fio: {options.fio} is no folder")


def main():
    top = parser()
    options = top.parse_intermixed_args()
    check_usage(top, options)
    session = Session(options)
    try:
        if options.list:
            show_list(session.program()[1])
            return 0
        result = load(options.source) if options.source else measure(session, top)
        result["goals"] = goals.collect(result["benchmarks"], not result["partial"])
        print_results(result)
        write(result, options)
    except (Failed, build.BuildError, run.RunError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("ended")
        return 1
    for problem in session.problems:
        say(f"failed: {problem}")
    return 1 if session.problems else 0
