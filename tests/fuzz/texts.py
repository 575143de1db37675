#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Feed what parses with text that is nearly right: a traceback is a finding, a complaint is right.

    texts.py [SECONDS [SEED [COUNT]]]

The table's parser and generator, the summary of Meson's logs, what guests of
the lab tell, the matrix they are kept in, the parser of C headers, fio's JSON,
lists of kernels, and the command lines of the tools in C, with sanitizers. Input i
of seed S is the only one of seed S + i.
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, name) for name in ("tools/lab", "tools", "bench/suite")]

import cli  # noqa: E402 (found by the path above)
import debian  # noqa: E402
import fio  # noqa: E402
import guest  # noqa: E402
import matrix  # noqa: E402
import opgen  # noqa: E402
import tap_summary  # noqa: E402

loader = importlib.machinery.SourceFileLoader("uapi_diff", os.path.join(ROOT, "tools/uapi-diff"))
uapi_diff = importlib.util.module_from_spec(importlib.util.spec_from_loader("uapi_diff", loader))
loader.exec_module(uapi_diff)

MOST_FINDINGS = 5
ODD = ["", " ", "\t", "\x00", "-1", "0", "99999999999999999999", "1e999", "0x", "(", ")", "[", "]", "{", "}",
       "\"", "\\", "#", "/*", "*/", "//", "=", "|=", ",", "nul\x00l", "é", "\U0001f300", "\u2028", "NaN", "null"]
VALUES = [None, True, -1, 0, 1.5, 10 ** 30, "", "x", "ok 1 - x", [], {}, [[]], {"a": {}}]
TAP = """1..4
ok 1 - first
not ok 2 - second
# why
ok 3 - third # SKIP no such thing
not ok - fourth (0.10s)
  ---
  assertions: 3
Bail out! nothing left
"""


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def spoil(text, dice):
    """The text with a few lines and words changed."""
    lines = text.split("\n")
    for _ in range(dice.choice([0, 1, 1, 1, 2, 5, 20])):
        at = dice.randrange(len(lines)) if lines else 0
        line = lines[at] if lines else ""
        words = re.split(r"(\W)", line)
        word = dice.randrange(len(words))
        way = dice.randrange(7)
        if way == 0 and lines:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[dice.randrange(len(lines))] if lines else "")
        elif way == 2 and lines:
            lines[at] = line[:dice.randrange(len(line) + 1)]
        elif lines:
            words[word] = dice.choice(ODD + [words[dice.randrange(len(words))], words[word] * 2])
            lines[at] = "".join(words)
    text = "\n".join(lines)
    return text[:dice.randrange(len(text) + 1)] if dice.random() < 0.05 else text


def spoil_json(value, dice):
    """The value with one thing in it changed."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(sorted(value))
        changed = dict(value)
        if dice.random() < 0.2:
            del changed[key]
        else:
            changed[key] = spoil_json(value[key], dice)
        return changed
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        return value[:at] + [spoil_json(value[at], dice)] + value[at + 1:]
    if isinstance(value, str) and dice.random() < 0.7:
        return spoil(value, dice)
    return dice.choice(VALUES)


def written(folder, text):
    path = os.path.join(folder, "input")
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
    return path


def one_log(dice):
    entry = {"name": "oring:kernel / test_x", "result": dice.choice(["OK", "FAIL", "SKIP", "TIMEOUT"]),
             "returncode": dice.choice([0, 1, 77, -11]), "stdout": spoil(TAP, dice), "stderr": spoil(TAP, dice)}
    return spoil_json(entry, dice) if dice.random() < 0.5 else entry


# ---- what is fed: each says which exceptions are complaints ----

def table(dice, folder):
    ops, rows = opgen.read_table(written(folder, spoil(TABLE, dice)))
    for name, make in opgen.OUTPUTS.items():
        if name != "README.md":  # and those that read other files too
            make(ops, rows)


def log(dice, folder):
    text = "\n".join(json.dumps(one_log(dice)) for _ in range(dice.randrange(4)))
    path = written(folder, spoil(text, dice) if dice.random() < 0.3 else text)
    programs, problems = tap_summary.read_logs([path])
    for program in programs:
        program.show()
    assert all(isinstance(problem, str) for problem in problems)


def told(dice, _):
    report = guest.Report()
    text = f"@lab boot 6.1\n@lab begin test_x\n{TAP}@lab stderr oh\n@lab end test_x 0 12\n@lab done\n"
    for line in spoil(text, dice).split("\n"):
        report.take(line)
    report.finish()
    for outcome in report.outcomes:
        tap_summary.Program(outcome.entry("linux-6.1"))


def stored(dice, folder):
    lines = [{"release": "6.1"}] + [one_log(dice) for _ in range(dice.randrange(3))]
    text = "\n".join(json.dumps(spoil_json(line, dice) if dice.random() < 0.3 else line) for line in lines)
    matrix.collect({"6.1": written(folder, text)})


def header(dice, folder):
    parser = uapi_diff.Parser(strict=True)
    parser.read(written(folder, spoil(HEADER, dice)))


def peer(dice, _):
    text = json.dumps(spoil_json({"jobs": [{"read": {"iops": 5.0}, "usr_cpu": 1.0, "sys_cpu": 2}]}, dice))
    fio.parse_fio(spoil("warning\n" + text, dice))


def series(dice, _):
    cli.parse_series(spoil("6.1,6.12,newest,all", dice), "amd64")


def command_line(dice, folder):
    """Of the tools in C: they end, by themselves, with 0, 1 or 2, and no sanitizer says a word."""
    program = dice.choice(PROGRAMS)
    words = ["--brief", "--json", "--try", "--help", "--", "-", "-b", "--bri", "--json=1", "x" * 5000, *ODD]
    line = [word.replace("\x00", "") for word in dice.choices(words, k=dice.randrange(1, 4))]
    if "--try" in line:  # which takes long
        line.append("--wrong")
    done = subprocess.run([program, *line], capture_output=True, timeout=30, cwd=folder,
                          stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1, 2) and said, f"{line}: {done.returncode}: {said[-2000:]}"
    assert b"Sanitizer" not in said and b"runtime error" not in said, said[-2000:]


FEEDS = [(table, (opgen.TableError,)), (log, ()), (told, ()), (stored, (debian.LabError,)),
         (header, (uapi_diff.Unusable,)), (peer, (fio.run.RunError,)), (series, (ValueError,))]
TABLE = read("tools", "ops.tbl")
HEADER = read("include", "oring", "abi.h")
PROGRAMS = []


def build(folder):
    compiler = shutil.which("clang") or shutil.which("cc")
    flags = ["-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined", "-I" + os.path.join(ROOT, "include"),
             "-I" + os.path.join(ROOT, "src"), "-I" + ROOT, "-I" + os.path.join(ROOT, "examples")]
    library = [os.path.join(ROOT, "src", name) for name in sorted(os.listdir(os.path.join(ROOT, "src")))
               if name.endswith(".c")]
    for name, parts in {"oring-probe": ["oring-probe.c", "trials.c", "trials_report.c", "trial_flags.c",
                                        "trial_register.c"],
                        "memory-table": ["memory-table.c"]}.items():
        sources = [os.path.join(ROOT, "tools", part) for part in parts]
        subprocess.run([compiler, *flags, "-o", os.path.join(folder, name), *sources, *library], check=True)
        PROGRAMS.append(os.path.join(folder, name))
    FEEDS.append((command_line, ()))


def feed(seed, folder):
    """What one input came to: None, or why it is a finding."""
    dice = random.Random(seed)
    function, complaints = FEEDS[seed % len(FEEDS)]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            function(dice, folder)
    except complaints:
        pass
    except Exception:  # pylint: disable=broad-except
        return f"{function.__name__}: {traceback.format_exc()}"
    return None


def main(argv):
    seconds = float(argv[1]) if len(argv) > 1 else 5
    seed = int(argv[2]) if len(argv) > 2 else int(time.time()) * 100000
    count = int(argv[3]) if len(argv) > 3 else sys.maxsize
    findings = fed = 0
    print("1..1")
    with tempfile.TemporaryDirectory() as folder:
        build(folder)
        begin = time.monotonic()
        while fed < count and time.monotonic() - begin < seconds and findings < MOST_FINDINGS:
            reason = feed(seed + fed, folder)
            if reason:
                findings += 1
                print(f"# finding: seed {seed + fed}: " + reason.strip().replace("\n", "\n# "))
            fed += 1
    print(f"# seed {seed}: {fed} texts")
    print(f"{'not ' if findings else ''}ok 1 - texts")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
