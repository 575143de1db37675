#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call of the library into the kernel fails with every errno: check_faults.py FAULT.

Runs the program of fault.c, passes its TAP on, and holds the call sites that it
drove against those that the sources have: each errno once; enters, and registrations
on a ring, twice in sequence; what can come to less than was asked for, to less. Prints TAP.
"""

import glob
import os
import re
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CALLS = "setup|enter|register|mmap|munmap|madvise|write|close"


def sites_of(path):
    """(first line, last line, call, its arguments) of each call in a source file."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), file.read(),
                      flags=re.S)
    for match in re.finditer(rf"\bsys_({CALLS})\(", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text.count("\n", 0, match.start()) + 1, text.count("\n", 0, end) + 1, match[1], \
            [argument.strip() for argument in text[match.end():end - 1].split(",")]


def must(call, arguments):
    """Which of the special faults a call has to be driven through: (sequences, short)."""
    if call == "enter":
        return True, arguments[1] != "0"  # it submits
    if call == "register":
        # What one call alone is made for returns no count, and what ends a ring is not tried again.
        return not arguments[1].startswith("ORING_UNREGISTER"), \
            arguments[1].startswith("opcode") and arguments[0] != "-1"
    return False, call == "setup"


def main():
    done = subprocess.run([sys.argv[1], "--sites"], stdout=subprocess.PIPE, text=True, check=False)
    driven = {}
    results = []
    for line in done.stdout.splitlines():
        match = re.match(r"site (\S+):(\d+) (\S+) (.*)", line)
        if match:
            driven[os.path.basename(match[1]), int(match[2])] = match[3], match[4].split()
        elif re.match(r"(not )?ok ", line):
            results.append(line)
        elif not line.startswith("1.."):
            print(line)
    wanted = [(os.path.basename(path), *site)
              for path in sorted(glob.glob(os.path.join(TOP, "src", "*.c")))
              for site in sites_of(path)]
    print(f"1..{len(results) + 2}")
    for number, line in enumerate(results, 1):
        print(re.sub(r"(ok) \d+", rf"\1 {number}", line, count=1))
    missing, less = [], 0
    for name, first, last, call, arguments in wanted:
        sequences, short = must(call, arguments)
        less += short
        found = [errors for (file, line), (kind, errors) in driven.items()
                 if file == name and first <= line <= last and kind == call]
        left = [error[1:] for error in found[0] if error.startswith("-")
                and (sequences or "+" not in error)
                and (short or error != "-short")] if found else ["all"]
        if left:
            missing.append(f"# {name}:{first}: {call}: not driven: {' '.join(left)}")
    print("not ok" if missing else "ok",
          f"{len(results) + 1} - each of {len(wanted)} calls in src/ failed with every errno, "
          f"and {less} came to less")
    print("\n".join(missing))
    print("ok" if done.returncode in (0, 1) else "not ok",
          f"{len(results) + 2} - the program ended by itself ({done.returncode})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
