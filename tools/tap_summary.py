#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count the single tests in Meson's logs (meson-logs/testlog.json).

Lists what was skipped, with the reason, and what failed, with its message.
The last line is `N passed, N failed, N skipped`. A program that crashed, hung,
said fewer or more than it planned, or nothing at all, counts as a failure, and
so does a sanitizer's report that no test answers for. Exit status: 1 if
something failed, or if there was no test.
"""

import argparse
import json
import re
import sys

TEST = re.compile(r"(ok|not ok)\b\s*\d*\s*-?\s*(.*)")
PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$", re.I)
SKIP = re.compile(r"\s*#\s*skip\S*\s*(.*)$", re.I)
# Names and sizes of what sanitizers print before they end a process, or do not.
REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error: |WARNING: \w+Sanitizer")
# The frame of Criterion's messages in TAP.
FRAME = re.compile(r"\s+(---|\.\.\.|assertions: \d+|failures:)$")
# What Criterion and Meson say a second time on stderr.
ECHO = re.compile(r"\[(----|====|FAIL|SKIP|PASS|RUN )\]|\(test program exited")
ERROR_LINES = 60


def is_entry(entry):
    """Is this what a line of the log should be?"""
    return (isinstance(entry, dict) and isinstance(entry.get("name"), str)
            and isinstance(entry.get("result"), str) and isinstance(entry.get("returncode"), int)
            and all(isinstance(entry.get(part) or "", str) for part in ("stdout", "stderr"))
            and isinstance(entry.get("failed_at_first") or [], list))


class Program:
    """What one entry of the log says."""

    def __init__(self, entry):
        if not is_entry(entry):
            raise ValueError("a line that is no test's")
        self.name = entry["name"].replace("oring:", "", 1)
        self.result, self.code = entry["result"], entry["returncode"]
        self.stdout, self.stderr = entry.get("stdout") or "", entry.get("stderr") or ""
        self.failed_at_first = entry.get("failed_at_first") or []
        self.passed, self.failed, self.skipped = [], [], []
        self.plan = None
        self.read()
        self.judge()

    def read(self):
        notes = None  # of the test that failed last
        for line in self.stdout.splitlines():
            test, plan = TEST.match(line), PLAN.match(line)
            if test:
                notes = self.take(test.group(1) == "ok", test.group(2))
            elif plan:
                notes, self.plan = None, int(plan.group(1))
                if self.plan == 0 and plan.group(2) is not None:
                    self.skipped.append(("all", plan.group(2)))
            elif line.startswith("Bail out!"):
                self.failed.append(("gave up", [line]))
            elif notes is not None and re.match(r"#|\s", line) and not FRAME.match(line):
                notes.append(line)

    def take(self, ok, text):
        """Count one test; where its notes go, if it failed."""
        skip = SKIP.search(text)
        name = re.sub(r"\s*\([\d.]+s\)$", "", SKIP.sub("", text)).strip() or "(no name)"
        if not ok:
            self.failed.append((name, []))
            return self.failed[-1][1]
        if skip:
            self.skipped.append((name, skip.group(1) or "no reason given"))
        else:
            self.passed.append(name)
        return None

    def judge(self):
        """What the program as a whole did wrong."""
        count = len(self.passed) + len(self.failed) + len(self.skipped)
        if self.plan is None and count == 0 and self.result in ("OK", "SKIP") \
                and self.code == (0 if self.result == "OK" else 77):
            # A program without TAP: its exit status is the test. (With TAP and
            # nothing said, Meson says SKIP and the status is 0.)
            if self.code:
                self.skipped.append(("all", (self.stdout + self.stderr).strip() or "exit 77"))
            else:
                self.passed.append("all")
        elif self.result in ("TIMEOUT", "INTERRUPT"):
            self.failed.append((f"ended by {self.result.lower()} after {count} tests", []))
        elif self.plan is None:
            said = [] if count else self.stdout.splitlines()[-ERROR_LINES:]
            self.failed.append((f"no plan, {count} results, exit {self.code}", said))
        elif self.plan != count and not (self.plan == 0 and self.skipped):
            self.failed.append((f"planned {self.plan} tests, told of {count}", []))
        elif self.code and not self.failed:
            self.failed.append((f"exit {self.code}, though no test failed", []))
        elif count == 0:
            self.failed.append(("no test", []))
        reports = REPORT.findall(self.stderr + self.stdout)
        if reports and not self.failed:
            self.failed.append((f"a sanitizer complains: {reports[0]}", []))

    def show(self):
        """Print what failed."""
        for name, notes in self.failed:
            print(f"  {self.name}: {name}")
            for line in notes:
                print(f"      {line}")
        errors = [line for line in self.stderr.splitlines() if line and not ECHO.match(line)]
        if self.failed and errors:
            print(f"    {self.name} wrote to stderr:")
            for line in errors[:ERROR_LINES]:
                print(f"      {line}")
            if len(errors) > ERROR_LINES:
                print(f"      ... {len(errors) - ERROR_LINES} lines more, in Meson's log")


def read_logs(paths):
    programs, problems = [], []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                programs += [Program(json.loads(line)) for line in file]
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {error}")
    return programs, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", action="append", default=[], metavar="TEXT",
                        help="something else that failed")
    parser.add_argument("--status", type=int, default=0,
                        help="what `meson test` returned: not 0 needs a failure that explains it")
    parser.add_argument("log", nargs="*")
    options = parser.parse_args()

    programs, problems = read_logs(options.log)
    problems += options.problem
    passed = sum(len(program.passed) for program in programs)
    failed = sum(len(program.failed) for program in programs) + len(problems)
    skipped = sum(len(program.skipped) for program in programs)
    if options.status and not failed:
        problems.append(f"meson test returned {options.status}, and no test failed")
    elif not passed + failed + skipped:
        problems.append("there was no test")
    failed = sum(len(program.failed) for program in programs) + len(problems)

    if skipped:
        print("skipped:")
        for program in programs:
            for name, reason in program.skipped:
                print(f"  {program.name}: {name}: {reason}")
    first = [f"  {program.name}: {name}" for program in programs for name in program.failed_at_first]
    if first:
        print("failed at first, passed when run once more:", *first, sep="\n")
    if failed:
        print("failed:")
        for program in programs:
            program.show()
        for problem in problems:
            print(f"  {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
