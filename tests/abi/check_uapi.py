#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our definitions against the kernel headers of several releases, and
tools/uapi-diff against headers that were spoilt on purpose. Prints TAP."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DIFF = os.path.join(ROOT, "tools", "uapi-diff")
HEADERS = os.path.join(ROOT, "tools", "lab", "headers.py")
INCLUDE = os.path.join(ROOT, "include")
INSTALLED = "/usr/include/linux/io_uring.h"
CC = os.environ.get("CC", "cc")
SERIES = ["6.1", "6.12", "newest"]

# What Debian's 6.1 header holds, somewhat rounded down.
FEWEST = {"constants": 160, "structs": 18, "fields": 120}


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = False

    def say(self, ok, name, notes="", skip=None):
        """skip: why the test was not made. notes are shown with a failure."""
        self.count += 1
        self.failed |= not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}"
              + (f" # SKIP {skip}" if skip else ""))
        if not ok:
            for line in notes.splitlines():
                print(f"# {line}")
        sys.stdout.flush()


def bail_out(why):
    print("Bail out! " + " ".join(why.split()))
    sys.exit(1)


def diff(header, *options):
    """(exit code, all output) of uapi-diff."""
    result = subprocess.run([sys.executable, DIFF, header, *options], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, result.stdout


def asserts_compile(header, folder):
    """(whether the assert form compiles, what the compiler said)."""
    unit = os.path.join(folder, "asserts.c")
    code, output = diff(header, "--asserts", unit)
    if code:
        return None, output
    include = os.path.dirname(os.path.dirname(header))
    result = subprocess.run([*shlex.split(CC), "-std=gnu11", "-Wall", "-Wextra", "-Werror",
                             "-fsyntax-only", f"-isystem{include}", f"-I{INCLUDE}", unit],
                            capture_output=True, text=True)
    return result.returncode == 0, result.stderr


def fetch():
    """{series: header}, {series: why it is not there}."""
    result = subprocess.run([sys.executable, HEADERS, "--series", ",".join(SERIES)],
                            capture_output=True, text=True)
    paths = {}
    for line in result.stdout.splitlines():
        series, _, path = line.split(" ", 2)
        paths[series] = path
    reasons = {}
    for series in SERIES:
        if series not in paths:
            told = re.search(rf"missing: (headers of {re.escape(series)}: .*)", result.stderr)
            if not told:
                bail_out(f"headers.py says nothing of {series}: {result.stderr}")
            reasons[series] = told.group(1)
    return paths, reasons


def spoil(header, folder, old, new):
    """A copy of the header and its siblings in which a pattern is replaced once."""
    target = os.path.join(folder, "linux")
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target)
    siblings = os.path.join(os.path.dirname(header), "io_uring")
    if os.path.isdir(siblings):
        shutil.copytree(siblings, os.path.join(target, "io_uring"))
    with open(header, encoding="utf-8") as file:
        text, count = re.subn(old, new, file.read(), flags=re.M)
    if count != 1:
        bail_out(f"{header} has '{old}' {count} times")
    copy = os.path.join(target, "io_uring.h")
    with open(copy, "w", encoding="utf-8") as file:
        file.write(text)
    return copy


def check_release(tap, series, header, reason, folder):
    strict = ["--strict"] if series == "newest" else []
    names = [f"{series}: nothing differs" + (" or is missing" if strict else ""),
             f"{series}: the static asserts hold"]
    if series == "6.1":
        names.append("6.1: enough is compared")
    if not header:
        for name in names:
            tap.say(True, name, skip=reason)
        return
    code, output = diff(header, *strict)
    tap.say(code == 0, names[0], output)
    ok, output_asserts = asserts_compile(header, folder)
    tap.say(ok is True, names[1], output_asserts)
    if series == "6.1":
        found = {word: int(count) for count, word in
                 re.findall(r"(\d+) (constants|structs|fields)", output)}
        tap.say(all(found.get(word, 0) >= least for word, least in FEWEST.items()),
                names[2], output)


def check_spoilt(tap, header, folder):
    a_flag = r"^#define IORING_SETUP_SQ_AFF\b.*$"

    copy = spoil(header, folder, a_flag, "#define IORING_SETUP_SQ_AFF (1U << 27)")
    code, output = diff(copy)
    tap.say(code == 1 and "differs: IORING_SETUP_SQ_AFF is 134217728 there, 4 here" in output,
            "a changed value is named", output)
    ok, output = asserts_compile(copy, folder)
    tap.say(ok is False and "IORING_SETUP_SQ_AFF: value" in output,
            "a changed value does not compile", output)

    moved = r"^(\s*__u32 sq_thread_cpu;)\n(\s*__u32 sq_thread_idle;)$"
    code, output = diff(spoil(header, folder, moved, r"\2\n\1"))
    tap.say(code == 1 and "differs: offset of io_uring_params.sq_thread_cpu is 16 there, 12 here"
            in output, "a moved field is named", output)

    grown = r"^(\s*)__u32 (sq_thread_cpu;)"
    code, output = diff(spoil(header, folder, grown, r"\1__u64 \2"))
    tap.say(code == 1 and "differs: size of io_uring_params is" in output,
            "a changed size is named", output)

    new = "\\g<0>\n#define IORING_SETUP_BRAND_NEW (1U << 30)\nstruct io_uring_new { __u32 a; };"
    copy = spoil(header, folder, a_flag, new)
    code, output = diff(copy)
    listed = all(f"missing here: {what}" in output for what in
                 ("constant IORING_SETUP_BRAND_NEW", "struct io_uring_new"))
    tap.say(code == 0 and listed, "what is new is listed", output)
    code, output = diff(copy, "--strict")
    tap.say(code == 1 and "IORING_SETUP_BRAND_NEW" in output, "what is new fails with --strict",
            output)

    carved = r"^(\s*)__u32 resv\[3\];(\s*struct io_sqring_offsets)"
    code, output = diff(spoil(header, folder, carved, r"\1__u32 fresh; __u32 resv[2];\2"))
    tap.say(code == 0 and "missing here: field io_uring_params.fresh" in output,
            "a field made of reserved room is listed", output)

    for what, old, text in [
        ("half a header", r"^struct io_uring_params \{(?s:.*)", ""),
        ("next to nothing", r"\A(?s:.*)\Z", "#define IORING_SETUP_IOPOLL (1U << 0)\n"),
        ("an unknown construct", r"^struct io_uring_params \{", r"\g<0> __u32 bits : 3;"),
        ("no valid C", a_flag, "#define IORING_SETUP_SQ_AFF (1U <<)"),
    ]:
        code, output = diff(spoil(header, folder, old, text))
        tap.say(code == 2 and output.startswith("uapi-diff: "), f"{what} is not believed", output)
    code, output = diff(os.path.join(folder, "none", "linux", "io_uring.h"))
    tap.say(code == 2 and "cannot be read" in output, "a header that is not there is told", output)


def main():
    tap = Tap()
    paths, reasons = fetch()
    with tempfile.TemporaryDirectory() as folder:
        for series in SERIES:
            check_release(tap, series, paths.get(series), reasons.get(series), folder)
        header = paths.get("newest", INSTALLED)
        if os.path.exists(header):
            check_spoilt(tap, header, folder)
        else:
            tap.say(True, "spoilt headers", skip="no kernel header to spoil")
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
