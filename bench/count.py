#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per operation, user space only, exact, by valgrind's callgrind.

Each case of bench/counts runs twice, with more operations the second time, and
the difference is what an operation costs: of steps and whole calls in a longer
loop of the case's function, of batches in more calls of it, with all that belongs
to the function. Of single steps the same loop with nothing in it is taken off.
Beside ours: a bare loop, and liburing where it is installed.
Exit status: 0; 1 if something fails to run or, with --gate, if a row is above
its gate or differs from what was recorded; 77 without valgrind.
"""

import argparse
import collections
import concurrent.futures
import csv
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "results", "gates.tsv")
FIELDS = ["date", "commit", "subject", "compiler", "case", "ours", "gate", "liburing", "bare"]
CALLS = 50
BATCH = 32

# gate: at most, for gcc and for clang. minus: the case that is taken off, of each peer.
# missed: what is let pass for now, where the gate is not reached.
Row = collections.namedtuple("Row", "name what gate clang minus missed",
                             defaults=(None, None, None, (None, None)))
ROWS = [
    Row("nop", "reserve, prepare, direct identity: NOP", 24, 27),
    Row("read", "the same: read", 24, 27),
    Row("recv", "the same: receive", 24, 27),
    Row("send", "the same: send", 24, 27),
    # The buffer's index is stored, and told in the identity; the length is checked.
    Row("read_fixed", "the same: read, registered buffer and file", 24, 27, None, (27, 30)),
    Row("read_buf", "the same, of a slice that was checked once", 24, 27, None, (25, 28)),
    Row("recv_multishot", "the same: multishot receive, provided buffers", 24, 27),
    Row("read_file", "the same: read, of a file of either kind"),
    Row("read_user_data", "the same: read, identity of the caller's"),
    # Four loads and four stores of 16 bytes beside the eight of the place in the queue.
    Row("push", "entry from a template", 14, 17, None, (16, None)),
    Row("push_record", "entry from a record in memory"),
    Row("identity_checked", "handle checked, over a plain pointer", 15, 18, "identity_pointer"),
    Row("identity_record", "record acquired, checked, released, over a pointer", None, None,
        "identity_pointer"),
    Row("reap", "completion, of 32", 11, 14),
    Row("reap_for_each", "completion, of 32, by a walk that takes any ring"),
    Row("reap_batch", "completion, of 32, pointers gathered first"),
    Row("reap_singly", "completion, taken one by one"),
    Row("give_back_in_order", "provided buffer given back, in order", 4, 5),
    Row("give_back", "provided buffer given back, any order", 14, 16),
    Row("call_1", "submit and wait, one NOP", 60, 66),
    Row("call_1_wait_cqe", "submit, then wait, one NOP"),
    Row("call_1_timeout", "submit and wait with a limit, one NOP", 66, 72),
    Row("call_1_timeout_arg", "the same, the limit as an argument"),
    Row("call_32", "submit and wait, 32 NOPs, for each of them", 24, 27),
]


def run(command):
    """Standard output of a command. Ends the program if the command fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"count.py: {' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def instructions(program, peer, case, calls, n):
    """Instructions inside the function of a case, and in what it calls."""
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "callgrind")
        run(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out,
             f"--toggle-collect=case_{peer}_{case}", program, peer, case, str(calls), str(n)])
        with open(out, encoding="utf-8") as file:
            found = re.search(r"^summary: (\d+)$", file.read(), re.MULTILINE)
    if found is None or int(found[1]) == 0:
        sys.exit(f"count.py: callgrind counted nothing in case {peer} {case}")
    return int(found[1])


def count(job):
    program, peer, case, kind = job
    more = (2 * CALLS, BATCH) if kind == "batch" else (CALLS, 2 * BATCH)
    return (instructions(program, peer, case, *more)
            - instructions(program, peer, case, CALLS, BATCH)) / (CALLS * BATCH)


def count_all(program, peers, names):
    """{(peer, case): instructions of one operation}."""
    wanted = {"empty"} | {name for row in ROWS for name in (row.name, row.minus)
                          if row.name in names}
    jobs = [(program, peer, case, kind) for peer, about in peers.items()
            for case, kind in about["cases"].items() if case in wanted]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return {job[1:3]: gross for job, gross in zip(jobs, pool.map(count, jobs))}


def value_of(row, peer, about, counted):
    """What a row says of a peer; None if it has no such case."""
    if (peer, row.name) not in counted or (row.minus and (peer, row.minus) not in counted):
        return None
    if row.minus:
        value = counted[peer, row.name] - counted[peer, row.minus]
    else:
        value = counted[peer, row.name]
        if about["cases"][row.name] == "step":
            value -= counted[peer, "empty"]
    return round(value, 2)


def measure(program, listing, names):
    peers = listing["peers"]
    clang = listing["compiler"].startswith("clang")
    counted = count_all(program, peers, names)
    rows = []
    for row in ROWS:
        if row.name in names:
            values = {peer: value_of(row, peer, about, counted) for peer, about in peers.items()}
            rows.append({"case": row.name, "what": row.what,
                         "gate": row.clang if clang else row.gate,
                         "let_pass": row.missed[clang], **values})
    return rows


def is_above(row):
    """Whether a row is above its gate, but for the look at the kernel's head each 256 entries."""
    return (row["gate"] is not None and row["ours"] is not None
            and row["ours"] > (row["let_pass"] or row["gate"]) + 0.05)


def mark(row):
    if is_above(row):
        return "  above"
    return "  missed" if row["gate"] and row["ours"] and row["ours"] > row["gate"] + 0.05 else ""


def show(rows, listing):
    def cell(value):
        return "-" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")

    version = listing["peers"]["liburing"]["version"]
    print(f"Instructions per operation, {listing['compiler']}, "
          f"{'liburing ' + version if version else 'no liburing'}\n")
    print(f"{'case':<20}{'ours':>8}{'gate':>6}{'liburing':>10}{'bare':>8}")
    for row in rows:
        print(f"{row['case']:<20}{cell(row['ours']):>8}{cell(row['gate']):>6}"
              f"{cell(row['liburing']):>10}{cell(row['bare']):>8}"
              f"{mark(row):<10}{row['what']}")


def recorded(compiler):
    """{case: its newest line} of what was counted with this compiler."""
    if not os.path.exists(RECORD):
        return {}
    with open(RECORD, encoding="utf-8", newline="") as file:
        return {line["case"]: line for line in csv.DictReader(file, delimiter="\t")
                if line["compiler"] == compiler}


def differences(rows, compiler):
    """The rows of ours that are not as they were recorded."""
    known = recorded(compiler)
    return [row for row in rows if row["ours"] is not None and
            (row["case"] not in known or float(known[row["case"]]["ours"]) != row["ours"])]


def record(rows, compiler, subject):
    """A line for each row that changed."""
    commit = run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"]).strip()
    new = not os.path.exists(RECORD)
    with open(RECORD, "a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        for row in differences(rows, compiler):
            line = {"date": datetime.date.today().isoformat(), "commit": commit,
                    "subject": subject, "compiler": compiler,
                    **{key: row[key] for key in ("case", "ours", "gate", "liburing", "bare")}}
            writer.writerow({key: "" if value is None else value for key, value in line.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD_DIR", help="made with -Dbenchmarks=true, "
                        "-Dbuildtype=release")
    parser.add_argument("cases", metavar="CASE", nargs="*", help=" ".join(r.name for r in ROWS))
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--gate", action="store_true",
                        help="fail if a row is above its gate, or not as it was recorded")
    parser.add_argument("--record", metavar="WHY",
                        help="add what changed to bench/results/gates.tsv")
    options = parser.parse_intermixed_args()

    names = options.cases or [row.name for row in ROWS]
    for name in names:
        if name not in [row.name for row in ROWS]:
            parser.error(f"no case {name}")
    program = os.path.join(options.build, "bench", "counts", "counts")
    if shutil.which("valgrind") is None:
        print("count.py: instructions are counted by valgrind, which is not installed",
              file=sys.stderr)
        return 77
    if not os.path.exists(program):
        sys.exit(f"count.py: no {program}: set the build up with -Dbenchmarks=true, compile it")

    listing = json.loads(run([program, "--list"]))
    rows = measure(program, listing, names)
    show(rows, listing)
    changed = differences(rows, listing["compiler"])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"compiler": listing["compiler"], "rows": rows,
                       "liburing": listing["peers"]["liburing"]["version"]}, file, indent=2)
            file.write("\n")
    if options.record:
        record(rows, listing["compiler"], options.record)
    elif options.gate and recorded(listing["compiler"]):
        for row in changed:
            print(f"{row['case']} is not as recorded: count.py --record WHY tells of it")
        return 1 if changed or any(map(is_above, rows)) else 0
    return 1 if options.gate and any(map(is_above, rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
