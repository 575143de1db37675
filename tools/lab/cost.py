# SPDX-License-Identifier: MIT
"""Instructions per operation, by kernel release: running bench/cost in guests, judging, storing."""

import json
import os
import shutil
import tempfile

import guest
import initramfs
import kernels

AGREE = 0.01  # two runs of one kernel may differ by this part
NO_DEVICE = "No such device"


class Broken(Exception):
    """A guest did not finish, or what it says cannot be: why."""


def boot(lab, kernel, program, limit):
    """One guest: what the cost program printed, as objects."""
    parent = os.path.join(lab.cache, "runs")
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(dir=parent, prefix=f"cost-{kernel.series}-{kernel.arch}-")
    try:
        image, _ = kernels.files_of(lab, kernel)
        guest.make_drives(folder)
        initrd = os.path.join(folder, "initrd")
        # Limits within the guest are of its time, which is not ours.
        initramfs.write(lab, initrd, kernel, [program], ["/"], 100000)
        report = guest.Report()
        line = guest.command(kernel.arch, image, initrd, folder, counting=True)
        problem = guest.run(line, report, limit, limit)
        if problem:
            last = guest.last_lines(os.path.join(folder, "console"))
            raise Broken(f"the guest {problem}" + (f" ({last[-1]})" if last else ""))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    outcome = report.outcomes[0]
    if outcome.code != 0:
        raise Broken(f"the program ended with {outcome.code}: {' '.join(outcome.errors)}")
    return [json.loads(line) for line in outcome.lines if line.startswith("{")]


def boot_again(lab, kernel, program, limit, say):
    """The same, up to three times: QEMU 7.2 sometimes emulates cmpxchg16b wrongly, and the kernel dies of that."""
    for _ in range(2):
        try:
            return boot(lab, kernel, program, limit)
        except Broken as problem:
            say(f"{kernel.series} {kernel.arch}: {problem}; once more")
    return boot(lab, kernel, program, limit)


def key_of(row):
    return row["case"], row["batch"], row["shape"]


def version(text):
    return [int(number) for number in text.split(".")]


def merge(series, runs):
    """Rows of several runs of one kernel as one list, with their costs, and the greatest difference.

    A cost is the least of the samples in which nothing else happened; the mean of their middle half is kept
    too, to see that they are alike.

    Broken if one has what the other has not, or lacks what its release is said to have.
    """
    tables = [{key_of(row): row for row in rows} for rows in runs]
    merged, worst = [], (0.0, None)
    for key, row in tables[0].items():
        others = [table[key] for table in tables]
        if len({other.get("absent") for other in others}) > 1:
            raise Broken(f"{key}: not the same in each run: {[other.get('absent') for other in others]}")
        if "absent" in row:
            if row["absent"] != NO_DEVICE and version(series) >= max(map(version, row["since"])):
                raise Broken(f"{key}: {row['absent']}, and it came with {max(row['since'], key=version)}")
            merged.append({**row})
            continue
        costs, middles = ([other[what] / other["operations"] for other in others]
                          for what in ("instructions", "middle"))
        worst = max(worst, ((max(costs) - min(costs)) / min(costs), key), key=lambda pair: pair[0])
        merged.append({**row, "cost": round(min(costs), 1), "middle": round(max(middles), 1)})
    return merged, worst


def measure(lab, kernel, program, boots, limit, say):
    """One kernel's results, as they are kept: {series, release, difference, mitigations, rows}."""
    runs = []
    for number in range(boots):
        say(f"{kernel.series} {kernel.arch}: counting, {number + 1} of {boots}")
        runs.append(boot_again(lab, kernel, program, limit, say))
    mitigations = next(row["mitigations"] for row in runs[0] if "mitigations" in row)
    rows, (difference, where) = merge(kernel.series, [[row for row in rows if "case" in row] for rows in runs])
    if difference > AGREE:
        raise Broken(f"two runs differ by {difference:.1%} in {where}")
    say(f"{kernel.series} {kernel.arch}: {len(rows)} rows; the runs differ by {difference:.2%} at most")
    return {"series": kernel.series, "release": kernel.release, "runs": boots,
            "difference": round(difference, 5), "mitigations": mitigations, "rows": rows}


def collect(results):
    """All kernels' results as one table, as bench/results/cost.json has it."""
    rows = {}
    for result in results:
        for row in result["rows"]:
            entry = rows.setdefault(key_of(row), {
                "case": row["case"], "batch": row["batch"], "shape": row["shape"],
                "copied": row["copied"], "cost": {}, "middle": {}, "absent": {}})
            if "cost" in row:
                entry["cost"][result["series"]] = row["cost"]
                entry["middle"][result["series"]] = row["middle"]
            else:
                entry["absent"][result["series"]] = row["absent"]
    return {"unit": "instructions of user and kernel for one operation",
            "kernels": [{name: result[name] for name in ("series", "release", "runs", "difference", "mitigations")}
                        for result in results],
            "rows": list(rows.values())}


# ---- as text ----

HEAD = """\
# What it costs on which kernel

Instructions for one operation, of user and kernel together, counted by QEMU in a guest with one processor (`tools/kernel-lab cost`;
not written by hand). [COST.md](../COST.md) says how they are counted, what they do not say, and what the jumps come from. "× 32" is
a batch: so many operations with one system call. "copied": bytes that the kernel copies; each counts as about one instruction here,
and as much less on a processor.
"""
GROUPS = [
    ("The way in and out", ("getppid", "enter", "nop")),
    ("Read of 4 KiB that are cached", ("read",)),
    ("A message of 64 bytes over a socket pair, sent and received", ("message",)),
    ("A datagram to a device", ("datagram",)),
    ("Timeouts", ("timeout",)),
    ("A completion in another ring", ("completion",)),
    ("Poll", ("poll",)),
]


def title(row):
    name = row["case"] + (f" × {row['batch']}" if row["batch"] > 1 else "")
    return f"{name} ({row['shape']})" if row["shape"] == "system calls" else name


def number(value):
    return "–" if value is None else f"{value:,.0f}"


def group_of(row):
    return next(name for name, starts in GROUPS if row["case"].startswith(starts))


def table(head, lines):
    return ["| " + " | ".join(head) + " |", "| --- |" + " --: |" * (len(head) - 1),
            *("| " + " | ".join(line) + " |" for line in lines)]


def by_release(costs, shape):
    """Tables of one shape of ring, beside the system calls."""
    series = [kernel["series"] for kernel in costs["kernels"]]
    lines = []
    for group, _ in GROUPS:
        rows = [row for row in costs["rows"] if group_of(row) == group and row["shape"] in (shape, "system calls")]
        lines += ["", f"### {group}", ""]
        lines += table(["", "copied", *series],
                       [[title(row), number(row["copied"] or None), *(number(row["cost"].get(s)) for s in series)]
                        for row in rows])
    return lines


def by_shape(costs, series):
    """One kernel: what each shape of ring saves."""
    shapes = list(dict.fromkeys(row["shape"] for row in costs["rows"] if row["shape"] != "system calls"))
    rows = {}
    for row in costs["rows"]:
        if row["shape"] in shapes:
            rows.setdefault(title(row), {})[row["shape"]] = row["cost"].get(series)
    return table(["", *shapes], [[name, *(number(found.get(shape)) for shape in shapes)]
                                 for name, found in rows.items()])


def absences(costs):
    """Why there is no number, where the release is not the reason."""
    found = {series for row in costs["rows"] for series, reason in row["absent"].items() if reason == NO_DEVICE}
    order = [kernel["series"] for kernel in costs["kernels"] if kernel["series"] in found]
    return [f"No datagrams on {', '.join(order)}: the kernel there came without the module of the dummy interface.",
            ""] if order else []


def uneven(costs):
    """Rows whose samples are not alike: the least says little there."""
    found = [f"{title(row)}, {row['shape']}, {series}: {number(least)} to {number(row['middle'][series])}"
             for row in costs["rows"] for series, least in row["cost"].items()
             if row["middle"][series] > least * (1 + 2 * AGREE)]
    return ["Where the mean of the middle half is more than 2 % above the least (least to mean):", "",
            *(f"- {line}" for line in found), ""] if found else []


def markdown(costs):
    newest = costs["kernels"][-1]["series"]
    lines = [HEAD, "## Kernels", ""]
    lines += table(["", "release", "two runs differ by at most"],
                   [[kernel["series"], kernel["release"], f"{kernel['difference']:.2%}"] for kernel in costs["kernels"]])
    lines += ["", *absences(costs), *uneven(costs), "## A ring without flags, by release"]
    lines += by_release(costs, "plain")
    lines += ["", "## A ring of `oring_init_fast()`, by release"]
    lines += by_release(costs, "fast")
    lines += ["", f"## Shapes of rings on {newest}", "", *by_shape(costs, newest)]
    return "\n".join(lines).rstrip() + "\n"
