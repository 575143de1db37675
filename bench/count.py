#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per operation, user space only, exact, by valgrind's callgrind.

Each case of bench/counts.c runs twice, with N and with 2N operations; the
difference by N is what one operation costs, counted from entry to the case's
function until it returns. Of steps of one entry the empty function is taken
off; the others are told with all that belongs to the function.
Exit status: 0; 1 if something fails to run or, with --gate, if a row is above
what is good; 77 without valgrind.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

# case: operations, net of the empty function, good, liburing 2.15 as it was
# measured with gcc 12, in a loop that is part of the number (about 2)
CASES = {
    "empty": (32000, False, None, None),
    "prep-nop": (32000, True, 24, "30 to 33"),
    "prep-read": (32000, True, 24, "30 to 33"),
    "prep-read-file": (32000, True, None, "30 to 33"),
    "prep-read-userdata": (32000, True, 24, "30 to 33"),
    "prep-read-handle": (32000, True, None, None),
    "prep-read_fixed": (32000, True, 24, "30 to 33"),
    "prep-recv": (32000, True, 24, "30 to 33"),
    "prep-recv_select": (32000, True, 24, "30 to 33"),
    "prep-send": (32000, True, 24, "30 to 33"),
    "push": (32000, True, 14, None),
    "reap": (32000, False, 11, "14 to 40"),
    "reap-handle": (32000, False, None, None),
    "call-1": (3200, False, 60, "164"),
    "call-32": (3200, False, 24, "48"),
    "call-1-timeout": (3200, False, 66, "303"),
}


def run(command):
    """Standard output of a command. Ends the program if the command fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"count.py: {' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def instructions(program, case, operations):
    """Instructions inside the function of a case, and in what it calls."""
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "callgrind")
        run(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out,
             "--toggle-collect=case_" + case.replace("-", "_"), program, case, str(operations)])
        with open(out, encoding="utf-8") as file:
            found = re.search(r"^summary: (\d+)$", file.read(), re.MULTILINE)
    if found is None or int(found[1]) == 0:
        sys.exit(f"count.py: callgrind counted nothing in case {case}")
    return int(found[1])


def per_operation(program, case):
    n = CASES[case][0]
    return (instructions(program, case, 2 * n) - instructions(program, case, n)) / n


def measure(program, case, empty):
    _, net, good, liburing = CASES[case]
    gross = per_operation(program, case)
    ours = gross - empty if net else gross
    return {"case": case, "ours": round(ours, 2), "gross": round(gross, 2), "good": good,
            "liburing": liburing}


def show(row):
    def cell(value):
        return "-" if value is None else value

    above = row["good"] is not None and row["ours"] > row["good"]
    print(f"{row['case']:<20}{row['ours']:>8.2f}{cell(row['good']):>6}"
          f"{cell(row['liburing']):>16}{'  above' if above else ''}", flush=True)
    return above


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD_DIR", help="made with -Dbenchmarks=true, "
                        "-Dbuildtype=release")
    parser.add_argument("cases", metavar="CASE", nargs="*", help=" ".join(CASES))
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--gate", action="store_true", help="fail if a row is above what is good")
    options = parser.parse_intermixed_args()

    for case in options.cases:
        if case not in CASES:
            parser.error(f"no case {case}")
    program = os.path.join(options.build, "bench", "counts")
    if shutil.which("valgrind") is None:
        print("count.py: instructions are counted by valgrind, which is not installed",
              file=sys.stderr)
        return 77
    if not os.path.exists(program):
        sys.exit(f"count.py: no {program}: set the build up with -Dbenchmarks=true, compile it")

    compiler = run([program, "--compiler"]).strip()
    print(f"Instructions per operation, {compiler}\n")
    print(f"{'case':<20}{'ours':>8}{'good':>6}{'liburing known':>16}")
    empty = per_operation(program, "empty")
    rows = [measure(program, case, empty) for case in options.cases or CASES]
    above = [show(row) for row in rows]
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"compiler": compiler, "rows": rows}, file, indent=2)
            file.write("\n")
    return 1 if options.gate and any(above) else 0


if __name__ == "__main__":
    sys.exit(main())
