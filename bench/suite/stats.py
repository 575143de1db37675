# SPDX-License-Identifier: MIT
"""From the lines of the timed program to medians, quartiles and ratios.

A ratio is peer / ours of one round, so larger is better for ours; a benchmark's
ratio is the median of those of all rounds.

Ours may have variants, as ours-spin. A peer with the same ending (L1-spin) is held
against that one, all others against plain ours; other pairs are "extra": for goals.
"""

import collections
import statistics

OURS = "ours"
MEASURES = ("wall", "cpu")


def spread(values):
    """Median and quartiles; None of nothing."""
    values = sorted(values)
    if not values:
        return None
    low = high = values[0]
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": significant(statistics.median(values)),
            "q1": significant(low), "q3": significant(high)}


def significant(value):
    """Six digits are enough, and keep the file readable."""
    return float(f"{value:.6g}")


def inverse(one):
    """The spread of 1 / x: the quartiles change places."""
    return {"median": significant(1 / one["median"]),
            "q1": significant(1 / one["q3"]), "q3": significant(1 / one["q1"])}


class Runs:
    """What one contender took at one size: {round: nanoseconds per operation}."""

    def __init__(self):
        self.operations = 0
        self.wall, self.cpu = {}, {}
        self.notes = collections.defaultdict(list)
        self.memory = {}

    def add(self, line):
        count = line["operations"]
        self.operations = count
        self.wall[line["round"]] = line["wall_ns"] / count
        self.cpu[line["round"]] = line["cpu_ns"] / count
        for name, value in line.get("notes", {}).items():
            self.notes[name].append(value)

    def result(self, contender, size):
        row = {"contender": contender}
        if size is not None:
            row["size"] = size
        row["rounds"] = len(self.wall)
        row["operations"] = self.operations
        for measure in MEASURES:
            row[f"{measure}_ns"] = spread(getattr(self, measure).values())
        if self.notes:
            row["notes"] = {name: significant(statistics.fmean(values))
                            for name, values in self.notes.items()}
        row.update(self.memory)
        return row


def ratios_of(peer, ours):
    """[peer / ours] of the rounds that both have."""
    return [peer[number] / ours[number] for number in sorted(peer)
            if ours.get(number, 0) > 0 and peer[number] > 0]


def collect(lines):
    """The lines of one benchmark: {"results": ..., "ratios": ..., "growth": ..., "absent": ...}."""
    runs, absent = {}, []
    for line in lines:
        key = line["contender"], line.get("size")
        if "absent" in line:
            absent.append({name: line[name] for name in ("contender", "size", "absent")
                           if name in line})
            continue
        one = runs.setdefault(key, Runs())
        if "round" in line:
            one.add(line)
        for name in line:
            if name.endswith("_bytes"):
                one.memory[name] = line[name]
    ran = {key: one for key, one in runs.items() if one.wall}
    made = {"results": [one.result(*key) for key, one in ran.items()],
            "ratios": all_ratios(ran), "absent": absent}
    growth = growth_of(ran)
    if growth:
        made["growth"] = growth
    return made


def is_ours(contender):
    return contender == OURS or contender.startswith(OURS + "-")


def ours_for(peer, contenders):
    """Which of ours a peer is held against."""
    _, dash, ending = peer.partition("-")
    variant = OURS + dash + ending
    return variant if dash and not is_ours(peer) and variant in contenders else OURS


def all_ratios(ran):
    rows = []
    for (peer, size), theirs in ran.items():
        there = [contender for contender, other in ran if other == size]
        for name in there:
            usual = ours_for(peer, there) == name and peer != name
            if usual or (is_ours(name) and not is_ours(peer)):
                row = ratio_row((peer, name, size), theirs, ran[name, size])
                if not usual:
                    row["extra"] = True
                if row["rounds"]:
                    rows.append(row)
    return rows


def ratio_row(key, theirs, ours):
    peer, name, size = key
    row = {"peer": peer}
    if name != OURS:
        row["ours"] = name
    if size is not None:
        row["size"] = size
    row["rounds"] = len(ratios_of(theirs.wall, ours.wall))
    for measure in MEASURES:
        one = spread(ratios_of(getattr(theirs, measure), getattr(ours, measure)))
        if one is not None:
            row[measure] = one
    return row


def growth_of(ran):
    """For each measure: ours at its dearest size over its cheapest one, of the same rounds."""
    ours = {size: one for (contender, size), one in ran.items()
            if contender == OURS and size is not None}
    if len(ours) < 2:
        return None
    made = {}
    for measure in MEASURES:
        costs = {size: getattr(one, measure) for size, one in ours.items()}
        order = sorted(costs, key=lambda size: statistics.median(costs[size].values()))
        ratios = spread(ratios_of(costs[order[-1]], costs[order[0]]))
        if ratios is not None:
            made[measure] = {"cheapest": order[0], "dearest": order[-1], **ratios}
    return made


def usual(benchmark):
    """The ratios of the pairs that are shown."""
    return [row for row in benchmark["ratios"] if not row.get("extra")]


def memory_kinds(benchmark):
    """What is told of memory: ["resident_bytes", ...]."""
    return list(dict.fromkeys(key for row in benchmark["results"] for key in row
                              if key.endswith("_bytes")))


def find(benchmark, contender, size=None):
    """A contender's result, or None."""
    for row in benchmark["results"]:
        if row["contender"] == contender and row.get("size") == size:
            return row
    return None


def sizes_of(benchmark):
    """The sizes that were run, ascending; empty if it has none."""
    return sorted({row["size"] for row in benchmark["results"] if "size" in row})


def contenders_of(benchmark):
    """Those that ran, in the order in which the benchmark lists them, others after them."""
    ran = {row["contender"]: None for row in benchmark["results"]}
    listed = [name for name in benchmark.get("contenders", {}) if name in ran]
    return listed + [name for name in ran if name not in listed]
