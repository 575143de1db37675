#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Verify the models of the protocol with SPIN: the right ones have no errors, those with one step
broken have one. And the lines of C that the models name are still there. Prints TAP.

    check_model.py [MODEL]    all, or this one
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.abspath(os.path.join(HERE, "..", "..", "include", "oring"))
SRC = os.path.abspath(os.path.join(HERE, "..", "..", "src"))
QUOTE = re.compile(r'C_OF_OURS\(([^,()]+), (\w+), "([^"]+)"\)')
MEGABYTES, SECONDS = 2000, 60

# What the judge says when nothing moves any more and something is not done: it was lost.
LOST = r"stopped|seen=="
# What whoever reads an entry says: it is not the next one, or it is torn.
WRONG = r"(first|mark|data)=="
# model: (switches, what is violated: None if it is right)
MODELS = {
    "submission": [
        ("", None), ("WEAK", None), ("WRAP=8", None), ("WRAP=8 WEAK", None),
        ("TAIL_FIRST", WRONG), ("RELAXED_TAIL WEAK", WRONG), ("ENTRY_BEFORE_TAIL", WRONG), ("HEAD_FIRST", WRONG),
        ("ONE_TOO_MANY", WRONG), ("COMPARED_BY_SIZE", LOST),
    ],
    "completion": [
        ("", None), ("WEAK", None), ("WRAP=8", None), ("WRAP=8 WEAK", None),
        ("TAIL_FIRST", WRONG), ("RELAXED_TAIL WEAK", WRONG), ("SLOT_BEFORE_TAIL", WRONG),
        ("RELEASED_FIRST", WRONG), ("HEAD_IGNORED", WRONG),
    ],
    "wakeup": [
        ("", None), ("WEAK", None), ("WRAP=8", None), ("WRAP=8 WEAK", None),
        ("NO_FENCE", LOST), ("NO_FENCE WEAK", LOST), ("FLAG_BEFORE_TAIL", LOST),
        ("NO_FENCE_OF_THE_KERNEL", LOST), ("NO_LAST_LOOK", LOST),
    ],
    "shared": [
        ("", None), ("WEAK", None),
        ("NO_FENCE", LOST), ("NO_FENCE WEAK", LOST + "|" + WRONG), ("RELAXED_COMMIT WEAK", WRONG),
        ("COMMIT_FIRST", WRONG), ("ANY_COMMITTED", WRONG), ("STORED_TAIL", LOST + "|" + WRONG + "|tail>"),
    ],
    "wake": [
        ("", None), ("WEAK", None),
        ("NOBODY_WAKES", LOST), ("SLEEPS_WITH_POSTS", LOST), ("SLEEP_IN_TWO_STEPS", LOST + "|" + WRONG),
        ("TAKEN_IN_TWO_STEPS", LOST + "|" + WRONG), ("RELAXED_POST WEAK", WRONG),
    ],
}


# ---- the lines of C ----

def function_text(path, name):
    """The text of a function or macro, with single blanks and without comments; None if it is not there."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    match = re.search(rf"^(?:#define {name}\(.*\\\n(?:.*\\\n)*.*\n|[\w_][^;\n]*\b{name}\([^;{{]*\)\n\{{\n(?:(?!\}}).*\n)*)",
                      text, flags=re.M)
    return match and plain(re.sub(r"/\*.*?\*/", " ", match.group(0).replace("\\\n", "\n"), flags=re.S))


def plain(text):
    return re.sub(r"\s+", " ", text)


def check_quotes(tap, name):
    with open(os.path.join(HERE, name + ".pml"), encoding="utf-8") as file:
        text = file.read()
    quotes = QUOTE.findall(text)
    wrong = [] if quotes and len(quotes) == len(re.findall(r"C_OF_OURS\(", text)) else ["a line of C cannot be read"]
    for path, function, quote in quotes:
        body = function_text(os.path.join(SRC if path.endswith(".c") else INCLUDE, path), function)
        if body is None:
            wrong.append(f"there is no {function}() in {path}")
        elif plain(quote) not in body:
            wrong.append(f"{function}() in {path} has no \"{quote}\"")
    tap.say(not wrong, f"{name}: the C has the {len(quotes)} lines that the steps stand for", wrong)


# ---- the verifier ----

def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)


def verify(name, switches):
    """(errors, states, the report); errors is None if the verifier did not come to its end."""
    defines = ["-D" + switch for switch in switches.split()]
    with tempfile.TemporaryDirectory() as folder:
        for file in (name, "memory"):
            shutil.copy(os.path.join(HERE, file + ".pml"), folder)
        # Reduction by independent steps is off: the judge looks at all sides at once.
        for command in (["spin", "-a", *defines, name + ".pml"],
                        ["gcc", "-O2", "-w", "-DSAFETY", "-DNOREDUCE", f"-DMEMLIM={MEGABYTES}",
                         "-o", "pan", "pan.c"]):
            done = run(command, folder)
            if done.returncode:
                return None, 0, done.stdout + done.stderr
        # -E: the judge says what an end must be like. -n: no list of lines not reached.
        try:
            done = run(["./pan", "-E", "-n", "-m1000000", "-w22"], folder)
        except subprocess.TimeoutExpired:
            return None, 0, f"no end after {SECONDS} s"
    report = done.stdout + done.stderr
    errors = re.search(r"errors: (\d+)", report)
    states = re.search(r"(\d+) states, stored", report)
    unfinished = "max search depth too small" in report or "out of memory" in report or "-DMEMLIM" in report
    if done.returncode or not errors or not states or unfinished:
        return None, 0, report
    return int(errors.group(1)), int(states.group(1)), report


def check_model(tap, name, switches, violated):
    title = " ".join([name] + ["-D" + switch for switch in switches.split()])
    errors, states, report = verify(name, switches)
    if errors is None:
        tap.say(False, title, [report])
    elif violated is None:
        # The search goes on to its end only if it finds nothing.
        tap.say(errors == 0, f"{title}: nothing is lost or torn ({states} states)", [report] if errors else [])
    else:
        found = re.search(r"assertion violated (.*) \(at depth", report)
        right = errors > 0 and found and re.search(violated, found.group(1))
        tap.say(bool(right), f"{title}: the error is found ({states} states)", [] if right else [report])


def main(argv):
    tap = Tap()
    for name, variants in MODELS.items():
        if len(argv) > 1 and name != argv[1]:
            continue
        check_quotes(tap, name)
        for tool in ("spin", "gcc"):
            if shutil.which(tool) is None:
                tap.say(True, name, skip=f"{tool} is not installed")
                break
        else:
            for switches, violated in variants:
                check_model(tap, name, switches, violated)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
