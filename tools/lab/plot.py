# SPDX-License-Identifier: MIT
"""bench/results/cost.json as a page of plots: cost by release, a panel for each question. Gnuplot draws."""

import re
import shutil
import subprocess

import debian

# A panel: title, lines; a line: label, case, batch, shape.
PLAIN, FAST, CALL = "plain", "fast", "system calls"
PANELS = [
    ("One entry, one system call", [
        ("NOP, no flags", "nop", 1, PLAIN),
        ("NOP, COOP_TASKRUN", "nop", 1, "coop_taskrun"),
        ("NOP, DEFER_TASKRUN", "nop", 1, "defer_taskrun"),
        ("NOP, NO_SQARRAY", "nop", 1, "no_sqarray"),
        ("NOP, registered descriptor", "nop", 1, "registered_fd"),
        ("NOP, oring_init_fast()", "nop", 1, FAST),
        ("enter with nothing", "enter with nothing", 1, PLAIN),
        ("getppid()", "getppid", 1, CALL)]),
    ("NOP in a batch", [
        ("8 a call, no flags", "nop", 8, PLAIN),
        ("8 a call, oring_init_fast()", "nop", 8, FAST),
        ("32 a call, no flags", "nop", 32, PLAIN),
        ("32 a call, oring_init_fast()", "nop", 32, FAST),
        ("32, one completion", "nop, no completion", 32, PLAIN),
        ("32, linked, no flags", "nop, linked", 32, PLAIN),
        ("32, linked, oring_init_fast()", "nop, linked", 32, FAST)]),
    ("Read of 4 KiB, cached", [
        ("pread()", "read", 1, CALL),
        ("one a call", "read", 1, PLAIN),
        ("32 a call", "read", 32, PLAIN),
        ("32, registered file", "read, registered file", 32, PLAIN),
        ("32, registered buffer", "read, registered buffer", 32, PLAIN),
        ("32, both registered", "read, both registered", 32, PLAIN)]),
    ("Message of 64 bytes: calls and ring", [
        ("send(), recv()", "message", 1, CALL),
        ("send(), epoll_wait(), recv()", "message, epoll", 1, CALL),
        ("one a call", "message", 1, FAST),
        ("16 a call", "message", 16, FAST),
        ("receive waits", "message, awaited", 1, FAST),
        ("receive waits, with deadline", "message, awaited with deadline", 1, FAST),
        ("poll, then receive", "message, polled", 1, FAST)]),
    ("Message of 64 bytes: whose buffer", [
        ("the entry's own", "message", 16, PLAIN),
        ("from a buffer ring", "message, buffer ring", 16, PLAIN),
        ("provided by entries", "message, buffers by entries", 16, PLAIN),
        ("multishot receive", "message, multishot", 16, PLAIN),
        ("bundle of 64", "message, bundle", 64, PLAIN)]),
    ("Receive that waits: what flags save", [
        ("no flags", "message, awaited", 1, PLAIN),
        ("COOP_TASKRUN", "message, awaited", 1, "coop_taskrun"),
        ("DEFER_TASKRUN", "message, awaited", 1, "defer_taskrun"),
        ("NO_SQARRAY", "message, awaited", 1, "no_sqarray"),
        ("registered descriptor", "message, awaited", 1, "registered_fd"),
        ("oring_init_fast()", "message, awaited", 1, FAST)]),
    ("Datagram to a device: copy and zero copy (log scale)", [
        ("60,000 B, send()", "datagram 60,000", 1, CALL),
        ("60,000 B, copied", "datagram 60,000", 1, PLAIN),
        ("60,000 B, zero copy", "datagram 60,000, zero copy", 1, PLAIN),
        ("60,000 B, zero copy, registered", "datagram 60,000, zero copy registered", 1, PLAIN),
        ("1,000 B, copied", "datagram 1,000", 1, PLAIN),
        ("1,000 B, zero copy", "datagram 1,000, zero copy", 1, PLAIN),
        ("1,000 B, zero copy, registered", "datagram 1,000, zero copy registered", 1, PLAIN)]),
    ("Timeouts, waits, polls, completions elsewhere", [
        ("timeout set and removed", "timeout set and removed", 1, PLAIN),
        ("the same, 16 a call", "timeout set and removed", 16, PLAIN),
        ("NOP, timed wait, no flags", "nop, timed wait", 1, PLAIN),
        ("NOP, timed wait, oring_init_fast()", "nop, timed wait", 1, FAST),
        ("poll that is ready", "poll, ready", 1, PLAIN),
        ("completion in another ring", "completion in another ring", 1, PLAIN),
        ("the same, DEFER_TASKRUN there", "completion in another ring", 1, "defer_taskrun")]),
]
COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#e08e0b", "#7b4fa3", "#4a4a4a", "#17a2a2", "#a0522d"]
COLUMNS, WIDTH, HEIGHT = 2, 820, 430


def quoted(text):
    return '"' + re.sub(r'[\\"]', "", text).replace("_", r"\\_") + '"'


def values_of(lines, costs):
    """{label: [value or None for each series]} of the lines that have a value anywhere."""
    found = {(row["case"], row["batch"], row["shape"]): row["cost"] for row in costs["rows"]}
    values = {label: [found.get(tuple(key), {}).get(kernel["series"]) for kernel in costs["kernels"]]
              for label, *key in lines}
    return {label: column for label, column in values.items() if set(column) != {None}}


def panel_script(name, title, values, series):
    """One panel: its data, and the command that draws it."""
    lines = [f"${name} << END"]
    for number, one in enumerate(series):
        row = (column[number] for column in values.values())
        lines.append(" ".join([one, *("NaN" if value is None else str(value) for value in row)]))
    lines += ["END", f"set title {quoted(title)} font ',14'",
              "set logscale y; set yrange [*:*]" if "log scale" in title else "unset logscale y; set yrange [0:*]"]
    lines.append("plot " + ", ".join(
        f"${name} using 0:{number + 2}:xtic(1) with linespoints lw 2 pt 7 ps 0.5 "
        f"lc rgb '{COLOURS[number % len(COLOURS)]}' title {quoted(label)}"
        for number, label in enumerate(values)))
    return lines


def script(costs, path):
    """What gnuplot is told."""
    rows = -(-len(PANELS) // COLUMNS)
    lines = [f"set terminal svg size {COLUMNS * WIDTH},{rows * HEIGHT + 70} font 'Helvetica,13' background 'white'",
             f"set output '{path}'", "set border 3 lc '#888888'",
             "set xtics nomirror", "set ytics nomirror", "set format y '%.0f'",
             "set grid ytics lc '#dddddd' lt 1", "set key outside right center Left reverse samplen 1.5 font ',11'",
             "set xrange [-0.3:*]", "set lmargin 9",
             f"set multiplot layout {rows},{COLUMNS} title "
             + quoted("io_uring by kernel release: instructions of user and kernel for one operation")
             + " font ',18'"]
    series = [kernel["series"] for kernel in costs["kernels"]]
    for number, (title, wanted) in enumerate(PANELS):
        values = values_of(wanted, costs)
        lines += panel_script(f"panel{number}", title, values, series) if values else ["set multiplot next"]
    return "\n".join(lines + ["unset multiplot", ""])


def draw(costs, path):
    """Write the page; LabError without gnuplot."""
    if not shutil.which("gnuplot"):
        raise debian.LabError("gnuplot is not installed (Debian package gnuplot-nox)")
    done = subprocess.run(["gnuplot"], input=script(costs, path), text=True, capture_output=True, check=False)
    if done.returncode:
        raise debian.LabError(f"gnuplot: {done.stderr.strip()}")
