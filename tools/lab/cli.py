# SPDX-License-Identifier: MIT
"""The commands of tools/kernel-lab."""

import argparse
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cost
import debian
import guest
import initramfs
import kernels
import matrix
import plot
import programs
import tap_summary
import where

DESCRIPTION = """\
Boot real Debian kernels under QEMU, and run this project's tests inside.

Kernels and all else come from the Debian mirror that apt is configured with,
into a cache folder ($ORING_LAB_CACHE, else ~/.cache/oring-lab); nothing is
installed. Progress goes to stderr.
"""
EXITS = """\
exit status: 0 all passed; 1 a test failed; 2 wrong usage; 3 it cannot run here
(what is missing is said); 4 a guest did not boot or finish (its console is kept)
"""
TESTS = """\
TEST: a program (test_ring), or a pattern of single tests (ring/nop*); none: all

"""
RESULTS = os.path.join(programs.TOP, "bench", "results")
FILTERED_OUT = "# SKIP test was skipped"  # in Criterion's words
PASSED, FAILED, USAGE, MISSING, UNFINISHED = range(5)
SEVERITY = [PASSED, MISSING, FAILED, UNFINISHED]


def say(text):
    print(f"kernel-lab: {text}", file=sys.stderr, flush=True)


def parse_series(text, arch):
    """The series in a list with commas; ValueError names one that is not there."""
    wanted = [series for series in text.split(",") if series]
    if text == "all":
        wanted = [series for series in kernels.ARCHES[arch] if series != "newest" or arch != "amd64"]
    for series in wanted:
        if series not in kernels.ARCHES[arch]:
            raise ValueError(f"no series {series} for {arch} "
                             f"(there are {', '.join(kernels.ARCHES[arch])})")
    if not wanted:
        raise ValueError("no series given")
    return wanted


def command_list(lab, options):
    status = PASSED
    for arch in options.arch.split(",") if options.arch else kernels.ARCHES:
        for series in kernels.ARCHES[arch]:
            try:
                kernel = kernels.resolve(lab, series, arch, say)
                state = "cached" if kernels.is_cached(lab, kernel) else "available"
                notes = "" if has_modules(kernel) else "  (without modules)"
                print(f"{series:7} {arch:8} {kernel.release:32} {state:9} {kernel.package.suite}{notes}", flush=True)
            except debian.LabError as error:
                status = MISSING
                print(f"{series:7} {arch:8} missing: {error}", flush=True)
    return status


def has_modules(kernel):
    return bool(kernel.extra) or kernel.package.name.startswith("linux-image")


def command_fetch(lab, options):
    status = PASSED
    for series in options.series:
        begin = time.monotonic()
        try:
            kernel = kernels.resolve(lab, series, options.arch, say)
            image, _ = kernels.files_of(lab, kernel)
            initramfs.busybox(lab, options.arch)
            say(f"{series}: {kernel.release} is there ({time.monotonic() - begin:.1f} s)")
            print(series, options.arch, kernel.release, image, flush=True)
        except debian.LabError as error:
            status = MISSING
            say(f"missing: {series} {options.arch}: {error}")
    return status


class Run:
    """One series: from its packages to its results."""

    def __init__(self, lab, series, options, filtered=False):
        self.lab, self.series, self.options, self.filtered = lab, series, options, filtered
        self.label = f"{series} {options.arch}"
        self.release = ""

    def prepare(self, folder, chosen, roots):
        """QEMU's command line."""
        kernel = kernels.resolve(self.lab, self.series, self.options.arch, say)
        image, _ = kernels.files_of(self.lab, kernel)
        self.release = kernel.release
        guest.make_drives(folder)
        initrd = os.path.join(folder, "initrd")
        initramfs.write(self.lab, initrd, kernel, chosen, roots, self.options.program_timeout)
        return guest.command(self.options.arch, image, initrd, folder, self.options.command == "shell")

    def folder(self):
        parent = os.path.join(self.lab.cache, "runs")
        os.makedirs(parent, exist_ok=True)
        return tempfile.mkdtemp(dir=parent, prefix=f"{self.series}-{self.options.arch}-")

    def begun(self, outcome):
        say(f"{self.label}: {outcome.name} begins")

    def ended(self, outcome):
        """A program's TAP, as it is; with a filter, what it left."""
        if self.filtered:
            outcome.lines = [line for line in outcome.lines if not line.endswith(FILTERED_OUT)]
            left = [line for line in outcome.lines if line.startswith(("ok ", "not ok "))]
            outcome.lines = [f"1..{len(left)}" if line.startswith("1..") else line
                             for line in outcome.lines]
            if not left and outcome.code == 0:
                return
        print(f"# {self.label} {outcome.name}")
        print("\n".join(outcome.lines), flush=True)
        how = "did not end" if outcome.code is None else f"{outcome.seconds} s"
        say(f"{self.label}: {outcome.name}: {how}")

    def tests(self, chosen, roots):
        """Boot, run, report. Returns the exit status and entries for a log."""
        folder = self.folder()
        keep = self.options.keep
        try:
            line = self.prepare(folder, chosen, roots)
            report = guest.Report(self.begun, self.ended)
            say(f"{self.label}: booting {self.release}")
            begin = time.monotonic()
            problem = guest.run(line, report, self.options.timeout, self.options.program_timeout)
            seconds = time.monotonic() - begin
            status = self.judge(report, problem, seconds)
            console = os.path.join(folder, "console")
            for complaint in guest.complaints(console):
                print(f"# kernel: {complaint}")
            if status == UNFINISHED:
                keep = True
                say(f"{self.label}: the guest {problem}; its console is {console}")
                for text in guest.last_lines(console):
                    say(f"{self.label}: console: {text}")
        finally:
            if keep:
                say(f"{self.label}: kept {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        entries = [outcome.entry(f"linux-{self.series}") for outcome in report.outcomes]
        if status == UNFINISHED:
            entries.append(entry(self.series, "FAIL", 1, f"the guest {problem}"))
        return status, entries

    def judge(self, report, problem, seconds):
        """Print the summary; the exit status."""
        judged = [tap_summary.Program(outcome.entry(f"linux-{self.series}"))
                  for outcome in report.outcomes]
        if self.filtered:  # programs without a test of that name do not matter
            judged = [program for program in judged if program.plan != 0 or program.code]
        passed = sum(len(program.passed) for program in judged)
        failed = sum(len(program.failed) for program in judged)
        reasons = collections.Counter(reason for program in judged for _, reason in program.skipped)
        if not problem and not passed + failed + len(reasons):
            failed += 1
            print("failed:\n  no test of that name")
        for program in judged:
            if program.failed:
                print("failed:")
                program.show()
        if reasons:
            print("skipped:")
            for reason, count in sorted(reasons.items()):
                print(f"  {count:4} {reason}")
        for note in report.notes:
            print(f"# the guest is {note}")
        if problem:
            print(f"# the guest {problem}")
        print(f"{self.series} {self.options.arch} {report.release or self.release}: {passed} passed, "
              f"{failed} failed, {sum(reasons.values())} skipped ({seconds:.0f} s)", flush=True)
        return UNFINISHED if problem else FAILED if failed else PASSED


def entry(name, result, code, text):
    """As in Meson's log of tests: what is no program in a guest."""
    return {"name": f"linux-{name}", "result": result, "returncode": code, "stdout": f"{text}\n"}


def missing_entry(series, arch, error):
    say(f"missing: {series} {arch}: {error}")
    return entry(series, "SKIP", 77, error)


def once_more(run, chosen, roots, entries):
    """
    The programs in which a test failed, in a guest that runs nothing else: emulation beside other
    work is slow, and a race that a test cannot exclude may have happened. Returns the exit status
    and the entries; where a program passes now, its entry tells what failed at first.
    """
    failed = {}
    for entry in entries:
        names = [name for name, _ in tap_summary.Program(entry).failed]
        if names:
            failed[entry["name"]] = names
    say(f"{run.label}: once more: {', '.join(failed)}")
    some = [program for program in chosen if f"linux-{run.series}/{program.name}" in failed]
    status, second = run.tests(some, roots)
    passed = {entry["name"]: {**entry, "failed_at_first": failed[entry["name"]]}
              for entry in second if entry["name"] in failed and not tap_summary.Program(entry).failed}
    return PASSED if status == PASSED else FAILED, [passed.get(entry["name"], entry) for entry in entries]


def run_series(lab, series, options, chosen, roots, filtered):
    """
    One series, again if the guest did not finish, or what failed in it. Returns the exit status,
    entries for a log, the release.
    """
    run = Run(lab, series, options, filtered)
    status, entries = run.tests(chosen, roots)
    for _ in range(options.tries - 1):
        if status == UNFINISHED:
            say(f"{run.label}: once more")
            status, entries = run.tests(chosen, roots)
        elif status == FAILED:
            status, entries = once_more(run, chosen, roots, entries)
    return status, entries, run.release


def run_all(lab, options, ended=lambda series, status, entries, release: None):
    """Every series that was asked for; @ended is told of each."""
    try:
        guest.need(options.arch)
        begin = time.monotonic()
        built, roots = programs.programs_for(lab, options.arch, say)
    except programs.BuildError as error:
        say(str(error))
        return FAILED, [entry("build", "FAIL", 1, error)]
    except debian.LabError as error:
        return MISSING, [missing_entry(series, options.arch, error) for series in options.series]
    chosen, filtered = programs.choose(built, options.test)
    say(f"the tests are built ({time.monotonic() - begin:.1f} s)")
    worst, entries = PASSED, []
    for series in options.series:
        try:
            status, more, release = run_series(lab, series, options, chosen, roots, filtered)
        except debian.LabError as error:
            status, more, release = MISSING, [missing_entry(series, options.arch, error)], ""
        ended(series, status, more, release)
        worst = max(worst, status, key=SEVERITY.index)
        entries += more
    return worst, entries


def command_run(lab, options):
    status, entries = run_all(lab, options)
    if options.log:
        with open(options.log, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return status


def command_matrix(lab, options):
    """Results of series and programs that were run before are kept, so that some may be run again alone."""
    folder = os.path.join(lab.cache, "matrix", options.arch)

    def log_of(series):
        return os.path.join(folder, series + ".json")

    def keep(series, status, entries, release):
        if status in (PASSED, FAILED):
            matrix.save(log_of(series), release, entries, keep_others=bool(options.test))

    wanted = options.series
    if not options.fresh and not options.test:
        options.series = [series for series in wanted if not os.path.exists(log_of(series))]
    status, _ = run_all(lab, options, keep) if options.series else (PASSED, [])
    logs = {series: log_of(series) for series in wanted if os.path.exists(log_of(series))}
    if not logs:
        return status
    made = matrix.collect(logs)
    matrix.write(made, options.out)
    if options.out == RESULTS:
        matrix.write_readme(made, os.path.join(programs.TOP, "README.md"))
    say(f"{options.out}/matrix.md and matrix.json are written, of {', '.join(logs)}")
    return status


def command_cost(lab, options):
    """As with the matrix: series that were counted before are kept."""
    folder = os.path.join(lab.cache, "cost", options.arch)
    os.makedirs(folder, exist_ok=True)
    guest.need(options.arch)
    program = programs.cost_program(options.arch)
    status, results = PASSED, []
    for series in options.series:
        path = os.path.join(folder, series + ".json")
        if options.fresh or not os.path.exists(path):
            try:
                kernel = kernels.resolve(lab, series, options.arch, say)
                result = cost.measure(lab, kernel, program, options.runs, options.timeout, say)
            except cost.Broken as problem:
                say(f"{series}: {problem}")
                status = FAILED
                continue
            with open(path, "w", encoding="utf-8") as file:
                json.dump(result, file)
        with open(path, encoding="utf-8") as file:
            results.append(json.load(file))
    if results:
        write_costs(cost.collect(results), options.out)
    return status


def write_costs(costs, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cost.json"), "w", encoding="utf-8") as file:
        json.dump(costs, file, indent=1)
        file.write("\n")
    with open(os.path.join(folder, "cost.md"), "w", encoding="utf-8") as file:
        file.write(cost.markdown(costs))
    plot.draw(costs, os.path.join(folder, "cost.svg"))
    say(f"{folder}/cost.json, cost.md and cost.svg are written, of "
        + ", ".join(kernel["series"] for kernel in costs["kernels"]))


def command_where(lab, options):
    guest.need("amd64")
    series = options.series[0]
    try:
        lines, rounds = where.trace(lab, kernels.resolve(lab, series, "amd64", say), programs.cost_program("amd64"),
                                    options.case, options.batch, options.shape)
    except cost.Broken as problem:
        say(f"{series}: {problem}")
        return FAILED
    total = sum(count for count, _ in lines)
    print(f"{options.case} × {options.batch} ({options.shape}) on {series}: {total:.1f} instructions for one, "
          f"in {rounds} rounds")
    for count, name in lines[:options.top]:
        print(f"{count:10.1f}  {name}")
    return PASSED


def command_shell(lab, options):
    guest.need(options.arch)
    built, roots = programs.programs_for(lab, options.arch, say)
    run = Run(lab, options.series[0], options)
    folder = run.folder()
    try:
        line = run.prepare(folder, built, roots)
        say(f"booting {run.release}; Ctrl-A X ends the guest at once")
        subprocess.run(line, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return PASSED


def command_packages(_lab, _options):
    print(" ".join(guest.packages()))
    return PASSED


def command_fuzz(lab, options):
    """Random programs of tests/fuzz in a guest; what the kernel complains of is told."""
    guest.need(options.arch)
    seconds = int(options.minutes * 60)
    options.program_timeout = options.timeout = seconds + 600
    chosen, worst = [programs.random_programs(options.arch, seconds)], PASSED
    for series in options.series:
        status, _, _ = run_series(lab, series, options, chosen, ["/"], False)
        worst = max(worst, status, key=SEVERITY.index)
    return worst


def parser():
    top = argparse.ArgumentParser(prog="kernel-lab", description=DESCRIPTION, epilog=EXITS,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, function, text, arch="amd64"):
        one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".",
                                  epilog=EXITS, formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(function=function)
        if arch is not None:
            one.add_argument("--arch", default=arch or None,
                             help=f"{', '.join(kernels.ARCHES)} (default: {arch or 'all'})")
        return one

    add("list", command_list, "say which kernels there are, and which are in the cache", arch="")
    add("packages", command_packages, "name the Debian packages that the host needs", arch=None)
    fetch = add("fetch", command_fetch, "download kernels")
    fetch.add_argument("series", nargs="?", default="all", metavar="SERIES,...",
                       help="as 6.1,newest (default: all)")
    run = add("run", command_run, "boot kernels and run the tests in them")
    run.usage = "kernel-lab run [OPTION...] SERIES,... [-- TEST...]"
    run.epilog = TESTS + EXITS
    run.add_argument("series", metavar="SERIES,...", help="as 6.1,newest; or all")
    run.add_argument("--log", metavar="FILE", help="write results as Meson's testlog.json")
    table = add("matrix", command_matrix, "run all tests on each series, and write what works where")
    table.usage = "kernel-lab matrix [OPTION...] [SERIES,...] [-- PROGRAM...]"
    table.epilog = "PROGRAM: run these again (test_ring), and keep the others' results\n\n" + EXITS
    prices = add("cost", command_cost, "count instructions per operation on each series, and write what it costs where")
    prices.add_argument("--runs", type=int, default=2, metavar="N",
                        help="boots of each kernel, which must agree within 1 %% (default: %(default)s)")
    for one in table, prices:
        one.add_argument("series", nargs="?", default="all", metavar="SERIES,...",
                         help="as 6.1,7.3 (default: all)")
        one.add_argument("--fresh", action="store_true", help="run series again that were run before")
        one.add_argument("--out", default=RESULTS, metavar="FOLDER",
                         help="where the results go (default: bench/results)")
    fuzz = add("fuzz", command_fuzz, "boot kernels and run random programs in them")
    fuzz.add_argument("series", metavar="SERIES,...", help="as 6.12,newest; or all")
    fuzz.add_argument("--minutes", type=float, default=5, metavar="N", help="in each guest (default: %(default)s)")
    for one in run, table, fuzz:
        one.add_argument("--keep", action="store_true", help="keep initramfs, drives and console")
    for one in run, table, prices:
        one.add_argument("--timeout", type=int, default=3600, metavar="S",
                         help="limit of a whole guest in seconds (default: %(default)s)")
    for one in run, table, fuzz:
        one.add_argument("--tries", type=int, default=1, metavar="N",
                         help="boot up to N times if a guest does not finish, or for what failed in it "
                              "(default: %(default)s)")
    place = add("where", command_where, "say in which functions of the kernel an operation's instructions are",
                arch=None)
    place.add_argument("series", metavar="SERIES")
    place.add_argument("case", metavar="CASE", help="as in bench/results/cost.md: nop, \"message, multishot\" ...")
    place.add_argument("--batch", type=int, default=1, metavar="N", help="as there (default: %(default)s)")
    place.add_argument("--shape", default="plain", metavar="SHAPE",
                       help="as there, or \"system calls\" (default: %(default)s)")
    place.add_argument("--top", type=int, default=30, metavar="N", help="functions (default: %(default)s)")
    shell = add("shell", command_shell, "boot one kernel into a shell on this terminal")
    shell.add_argument("series", metavar="SERIES")
    for one in run, table, shell:
        one.add_argument("--program-timeout", type=int, default=programs.LIMIT, metavar="S",
                         help="limit of one program in seconds (default: %(default)s)")
    return top


def main():
    top = parser()
    words, tests = sys.argv[1:], []
    if "--" in words:  # argparse would not let options stand before it
        words, tests = words[:words.index("--")], words[words.index("--") + 1:]
    options = top.parse_args(words)
    if tests and options.command not in ("run", "matrix"):
        top.error("only run and matrix take tests")
    if options.command == "matrix" and not all(re.fullmatch(r"test_\w+|rows_runner", test) for test in tests):
        top.error("matrix takes whole programs")
    options.test = tests
    for arch in (getattr(options, "arch", None) or "amd64").split(","):
        if arch not in kernels.ARCHES:
            top.error(f"no architecture {arch} (there are {', '.join(kernels.ARCHES)})")
    if hasattr(options, "series"):
        try:
            options.series = parse_series(options.series, getattr(options, "arch", "amd64"))
        except ValueError as error:
            top.error(str(error))
    begin = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that QEMU ends too
    try:
        status = options.function(debian.Debian(say=say), options)
    except debian.LabError as error:
        say(f"missing: {error}")
        status = MISSING
    except KeyboardInterrupt:
        say("interrupted")
        status = 130
    if options.command in ("run", "matrix", "cost", "fetch"):
        say(f"{time.monotonic() - begin:.0f} s in all")
    return status
