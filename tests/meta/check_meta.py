#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tree keeps its own rules: generated files are fresh, every prep function
has a test on the kernel, every trap of TRAPS.md too, every public function its
doc comment, the README's program runs, tools explain themselves. Prints TAP.

    check_meta.py [BUILD]    the build folder whose static library is linked
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
UNFINISHED = "|".join(["TO" "DO", "FIX" "ME"])
# Prep functions that no kernel in reach can complete, and why: {row: reason}.
UNPROVEN = {}
UNPROVEN_AT_MOST = 3


def path(*names):
    return os.path.join(ROOT, *names)


def read(*names):
    with open(path(*names), encoding="utf-8") as file:
        return file.read()


def run(*command, **options):
    """(exit code, all output)."""
    result = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **options)
    return result.returncode, result.stdout


# ---- the table ----

def opgen_on_copy(*changes):
    """Exit code and output of opgen.py --check where the table was changed so."""
    tests = [os.path.relpath(name, ROOT) for name in glob.glob(path("tests", "test_prep_*.c"))]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("include", "src", "tests/rows.h", "tools/opgen.py", "tools/ops.tbl",
                     "tools/ops.json", "README.md", *tests):
            target = os.path.join(folder, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            (shutil.copytree if os.path.isdir(path(name)) else shutil.copy)(path(name), target)
        table = os.path.join(folder, "tools", "ops.tbl")
        text = read("tools", "ops.tbl")
        for old, new in changes:
            text, count = re.subn(old, new, text, count=1, flags=re.M)
            if not count:
                return None, f"the table has no '{old}'"
        with open(table, "w", encoding="utf-8") as file:
            file.write(text)
        return run(sys.executable, os.path.join(folder, "tools", "opgen.py"), "--check")


def check_opgen(tap):
    code, output = run(sys.executable, path("tools", "opgen.py"), "--check")
    tap.say(code == 0, "generated files are what tools/ops.tbl says", [output])

    first_row = r"^\[nop\] NOP (\d+\.\d+) \(\)\n"
    for what, change in [
        ("another release", (first_row, "[nop] NOP 9.99 ()\n")),
        ("another sentence", (r"^(\[nop\] .*\n(?:.*\n)*?)(  [A-Z])", r"\1  Hear. \2")),
    ]:
        code, output = opgen_on_copy(change)
        tap.say(code == 1 and "prep.h differs" in output, f"opgen.py --check sees {what}",
                [f"exit {code}", output])
    for what, change, message in [
        ("a name that stands twice", (first_row, r"[read] NOP 5.1 ()" "\n"), "stands twice"),
        ("an unknown field", (r"^(\[read\].*\n  )", r"\1bogus=1 "), "no such field: bogus"),
        ("an unknown operation", (first_row, r"[nop] NIL 5.1 ()" "\n"), "no operation NIL"),
        ("a line that is none", (first_row, r"[nop NOP 5.1" "\n"), "cannot read"),
    ]:
        code, output = opgen_on_copy(change)
        tap.say(code == 2 and message in output, f"opgen.py refuses {what}",
                [f"exit {code}", output])


def check_rows(tap):
    rows = {function["name"][len("oring_prep_"):]
            for function in json.loads(read("tools", "ops.json"))["functions"]}
    tests = glob.glob(path("tests", "test_prep_*.c"))
    tested = {name for test in tests
              for name in re.findall(r"^RING_TEST\w*\(prep, (\w+)\)", read(test), flags=re.M)}
    missing = sorted(rows - tested)
    notes = [f"oring_prep_{name}: no RING_TEST(prep, {name}), and not in UNPROVEN"
             for name in missing if name not in UNPROVEN]
    notes += [f"UNPROVEN: {name}: " + ("has a test" if name in rows else "no such row")
              for name in sorted(UNPROVEN) if name not in missing]
    notes += [f"UNPROVEN: {name}: no reason" for name in sorted(UNPROVEN)
              if not UNPROVEN[name].strip()]
    for name in missing:
        print(f"# not proven: {name}: {UNPROVEN.get(name, 'no reason is known')}")
    tap.say(rows and not notes and len(missing) <= UNPROVEN_AT_MOST,
            f"{len(rows) - len(missing)} of {len(rows)} prep functions have a test on the kernel, "
            f"the others ({len(missing)}) a reason", notes)


def tests_there_are():
    """{"suite/name"} of all tests in C, shapes left out, and files of the checks."""
    tests = {f"{suite}/{name}" for unit in glob.glob(path("tests", "test_*.c"))
             for suite, name in re.findall(r"^(?:Test|RING_TEST\w*)\((\w+), (\w+)", read(unit),
                                           flags=re.M)}
    return tests | {os.path.relpath(name, path("tests")) for name in glob.glob(
        path("tests", "*", "*.*"))}


def check_traps(tap):
    traps, expected = read("tests", "TRAPS.md").split("\n# What a user", 1)
    there = tests_there_are()
    for what, text, last in [("traps", traps, 51), ("expectations", expected, None)]:
        rows = re.findall(r"^\| (\d+) \|[^|]+\|([^|]+)\|$", text, flags=re.M)
        numbers = [int(number) for number, _ in rows]
        notes = [] if numbers == list(range(1, (last or len(rows)) + 1)) else [
            f"numbered {numbers}"]
        for number, shown in rows:
            names = re.findall(r"`([^`]+)`", shown)
            notes += [f"{number}: no such test: {name}" for name in names if name not in there]
            notes += [] if names else [f"{number}: shown by nothing"]
        tap.say(rows and not notes, f"{len(rows)} {what} of TRAPS.md are numbered, and the tests "
                "that show them exist", notes)


# ---- comments ----

def check_comments(tap):
    bare, misnamed, seen = [], [], 0
    for header in sorted(glob.glob(path("include", "oring", "*.h"))):
        name = os.path.basename(header)
        lines = read(header).splitlines()
        for number, line in enumerate(lines):
            if not re.match(r"ORING_(API|INLINE)\b", line):
                continue
            declaration = " ".join(lines[number:number + 2])
            function = re.search(r"(oring_\w+)\s*\(", declaration).group(1)
            seen += 1
            if number == 0 or not lines[number - 1].endswith("*/"):
                bare.append(f"{name}:{number + 1}: {function}")
                continue
            start = next(i for i in range(number - 1, -1, -1) if lines[i].startswith("/*"))
            comment = "\n".join(lines[start:number])
            told = re.match(r"/\*\*(?:\n \*)? (\w+) - ", comment)
            if comment.startswith("/**") and (not told or told.group(1) != function):
                misnamed.append(f"{name}:{start + 1}: of {told.group(1) if told else 'what?'}, "
                                f"before {function}")
    tap.say(seen >= 100 and not bare, f"each of {seen} public functions has a comment before it",
            bare)
    tap.say(not misnamed, "doc comments begin with the name of their function", misnamed)


def check_since(tap):
    wrong = []
    for header in sorted(glob.glob(path("include", "oring", "*.h"))):
        for number, line in enumerate(read(header).splitlines(), 1):
            if "Since:" in line and not re.search(r"Since: \d+\.\d+\b", line):
                wrong.append(f"{os.path.basename(header)}:{number}: {line.strip()}")
    tap.say(not wrong, "every Since: names a release of the kernel", wrong)


def check_unfinished(tap):
    name = "no tracked file says that it is unfinished"
    code, output = run("git", "-C", ROOT, "ls-files", "-z")
    if code:
        tap.say(True, name, skip="no git repository")
        return
    found = []
    for tracked in filter(None, output.split("\0")):
        try:
            lines = read(tracked).splitlines()
        except (UnicodeDecodeError, OSError):  # no text, or deleted
            continue
        found += [f"{tracked}:{number}: {line.strip()}" for number, line in enumerate(lines, 1)
                  if re.search(rf"\b({UNFINISHED})\b", line)]
    tap.say(not found, name, found)


# ---- what people meet first ----

def check_readme(tap, build):
    name = "the README's first program compiles and runs"
    program = re.search(r"^```c\n(.*?)^```", read("README.md"), flags=re.M | re.S)
    library = os.path.join(build or "", "liboring.a")
    if not program:
        tap.say(True, name, skip="the README has no program")
        return
    if not os.path.exists(library):
        tap.say(True, name, skip="no build folder with liboring.a was given")
        return
    told = os.path.join(build, "meson-info", "intro-buildoptions.json")
    options = {option["name"]: option["value"] for option in json.loads(read(told))}
    sanitize = options["b_sanitize"]
    with tempfile.TemporaryDirectory() as folder:
        unit, binary = os.path.join(folder, "readme.c"), os.path.join(folder, "readme")
        with open(unit, "w", encoding="utf-8") as file:
            file.write(program.group(1))
        code, output = run(os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror",
                           *([f"-fsanitize={sanitize}"] if sanitize != "none" else []),
                           f"-I{path('include')}", unit, library, "-o", binary)
        if code == 0:
            code, output = run(binary, cwd=folder, timeout=60)
        tap.say(code == 0, name, [f"exit {code}", output])


def check_memory(tap):
    """The numbers depend on the machine, the form does not."""
    section = re.search(r"<!-- memory: begin -->\n(.*?)<!-- memory: end -->", read("README.md"), flags=re.S)
    lines = section.group(1).splitlines() if section else []
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
            if line.startswith("|")]
    wrong = [] if lines and re.match(r"Linux \d+\.\d+\S*, \w+, pages of \d+ bytes", lines[0]) else [
        "the first line does not say what was measured"]
    if len(rows) < 2 or [row[0] for row in rows[2:]] != ["8", "64", "256", "1024", "4096", "32768"]:
        wrong.append("its rows are not those of tools/memory-table.c")
    for shape in re.findall(r'^\t\{ "([^"]+)", ', read("tools", "memory-table.c"), flags=re.M):
        if not rows or shape not in rows[0]:
            wrong.append(f"no column: {shape}")
    for row in rows[2:]:
        wrong += [f"{row[0]} entries: {cell}" for cell in row[1:]
                  if not re.fullmatch(r"\d+ / \d+ / (\d+|-)", cell)]
        if len(row) != len(rows[0]):
            wrong.append(f"{row[0]} entries: {len(row)} columns")
    tap.say(not wrong, "the README's table of memory is what tools/memory-table prints", wrong)


def check_help(tap):
    tools = [name for name in sorted(os.listdir(path("tools")))
             if os.path.isfile(path("tools", name)) and os.access(path("tools", name), os.X_OK)]
    wrong = []
    for name in tools:
        try:
            code, output = run(path("tools", name), "--help", timeout=20)
        except subprocess.TimeoutExpired:
            code, output = "none: it ran for 20 s", ""
        if code != 0 or len(output.strip()) < 20:
            wrong.append(f"tools/{name}: exit {code}: {output.strip()[:200]}")
    tap.say(tools and not wrong, f"each of {len(tools)} tools answers --help", wrong)


def main():
    tap = Tap()
    build = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
    check_opgen(tap)
    check_rows(tap)
    check_traps(tap)
    check_comments(tap)
    check_since(tap)
    check_unfinished(tap)
    check_readme(tap, build)
    check_memory(tap)
    check_help(tap)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
