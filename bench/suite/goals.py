# SPDX-License-Identifier: MIT
"""What the timed benchmarks are held against. A goal that is missed is told; it fails nothing.

"At least" is about peer / ours, "at most" about ours / peer. A goal that is held is one
that the project has set itself; the others are aims, told apart.
"""

import collections

import stats

AT_LEAST, AT_MOST = "at least", "at most"
MET, WITHIN, MISSED = "met", "met within the spread", "missed"
ABSENT, NOT_RUN = "peer absent", "not run"
STATES = (MET, WITHIN, MISSED, ABSENT, NOT_RUN)  # from good to bad, then what was not judged

GUARD = 0.98  # of liburing with our features, wherever nothing else is said
FLAT = 1.05   # the dearest size over the cheapest one
FLAT_NAMES = ("growth-ring", "growth-in-flight", "growth-groups", "growth-files",
              "echo-connections")

# peer: one, or several of which the best one at each size counts. ours: None is the variant
# that a peer is held against anyway. measure: None is the benchmark's own.
Goal = collections.namedtuple("Goal", "benchmark peer relation value held ours measure",
                              defaults=(True, None, None))


def aim(*words, ours=None, measure=None):
    return Goal(*words, held=False, ours=ours, measure=measure)


GOALS = [
    Goal("nop-1", "L0", AT_LEAST, 1.27),
    Goal("nop-1", "L1", AT_LEAST, 1.05),
    Goal("wait-timeout-1", "L1", AT_LEAST, 1.35),
    Goal("nop-32", "L0", AT_LEAST, 1.10),
    Goal("nop-32", "L1", AT_LEAST, 1.08),
    Goal("nop-128", "L0", AT_LEAST, 1.10),
    Goal("nop-128", "L1", AT_LEAST, 1.08),
    Goal("wait-zero", "L1", AT_LEAST, 200),
    Goal("read4k-d32", "pread", AT_LEAST, 1.19),
    Goal("read4k-d32", "libaio", AT_LEAST, 1.33),
    Goal("read4k-d32", "L1", AT_LEAST, 1.00),
    Goal("echo-64-c16", "epoll", AT_MOST, 0.95, measure="cpu"),
    Goal("echo-64-c64", "epoll", AT_MOST, 0.95, measure="cpu"),
    Goal("echo-64-c16", "L0", AT_MOST, 0.80, measure="cpu"),
    Goal("echo-64-c64", "L0", AT_MOST, 0.85, measure="cpu"),
    Goal("wake-awake", "eventfd", AT_LEAST, 10),
    Goal("sendzc-auto", ("send", "send_zc"), AT_LEAST, 0.97),

    aim("nop-32", "L1-batch", AT_LEAST, 1.02),
    aim("nop-128", "L1-batch", AT_LEAST, 1.02),
    aim("nop-token-128", "L1", AT_LEAST, 1.03),
    aim("read4k-d1", "pread", AT_LEAST, 1.00),
    aim("read4k-d1", "libaio", AT_LEAST, 1.55),
    aim("read4k-d1", "L0", AT_LEAST, 1.22),
    aim("read4k-d32", "L0", AT_LEAST, 1.18),
    aim("read4k-d128", "fio t/io_uring", AT_LEAST, 0.98),
    aim("read512-d32", "pread", AT_LEAST, 1.23),
    aim("odirect-d32", "libaio", AT_LEAST, 1.00, measure="cpu"),
    aim("echo-64-c1", "epoll", AT_LEAST, 3.5, ours="ours-spin", measure="wall"),
    aim("echo-64-c1", "epoll-spin", AT_LEAST, 1.0, measure="wall"),
    aim("echo-64-c2", "epoll", AT_LEAST, 7, ours="ours-spin", measure="wall"),
    aim("echo-64-c2", "epoll-spin", AT_LEAST, 1.0, measure="wall"),
    aim("echo-1k-c64", "epoll", AT_MOST, 0.95, measure="cpu"),
    aim("echo-16k-c64", "epoll", AT_LEAST, 0.97),
    aim("wake-awake", "msg-ring", AT_LEAST, 10),
    aim("prep-read", "L1", AT_LEAST, 1.6),
    aim("reap", "L1", AT_LEAST, 5.5),
    aim("reap", "L1-batch", AT_LEAST, 1.0),
    aim("bufring-recycle-in-order", "L1", AT_LEAST, 4),
    aim("bufring-recycle-any-order", "L1", AT_LEAST, 1.05),
    aim("setup-256", "L0", AT_LEAST, 1.0),
    aim("setup-4096", "L0", AT_LEAST, 1.0),
]


def state_of(one, relation, value):
    """Of a spread: judged by its median, and by the quartile on the goal's side."""
    if relation == AT_LEAST:
        return MET if one["median"] >= value else WITHIN if one["q3"] >= value else MISSED
    return MET if one["median"] <= value else WITHIN if one["q1"] <= value else MISSED


def peers_of(goal):
    return (goal.peer,) if isinstance(goal.peer, str) else goal.peer


def rows_for(goal, benchmark, measure):
    """The ratios that a goal is about: at each size that of the peer which took least."""
    best = {}
    for row in benchmark["ratios"]:
        pair = row.get("ours", stats.OURS) == goal.ours if goal.ours else not row.get("extra")
        size = row.get("size")
        if pair and row["peer"] in peers_of(goal) and measure in row and (
                size not in best or row[measure]["median"] < best[size][measure]["median"]):
            best[size] = row
    return list(best.values())


def judge(goal, benchmark):
    """A row of the result: the goal, and what there is against it. The worst size counts."""
    made = {"benchmark": goal.benchmark, "peer": " or ".join(peers_of(goal)),
            "relation": goal.relation, "goal": goal.value, "held": goal.held}
    if benchmark is None or not benchmark.get("results"):
        return {**made, "state": NOT_RUN}
    measure = made["measure"] = goal.measure or benchmark["measure"]
    judged = []
    for row in rows_for(goal, benchmark, measure):
        one = row[measure] if goal.relation == AT_LEAST else stats.inverse(row[measure])
        named = {key: row[key] for key in ("peer", "ours", "size") if key in row}
        judged.append({**made, **named, "state": state_of(one, goal.relation, goal.value), **one})
    if not judged:
        return {**made, "state": ABSENT}
    sign = 1 if goal.relation == AT_LEAST else -1
    return max(judged, key=lambda row: (STATES.index(row["state"]), -sign * row["median"]))


def guards(benchmark):
    """Never worse than liburing with the same features, where no goal says more."""
    named = {(goal.benchmark, goal.peer) for goal in GOALS if goal.held}
    peers = dict.fromkeys(row["peer"] for row in stats.usual(benchmark)
                          if row["peer"].startswith("L1"))
    return [Goal(benchmark["name"], peer, AT_LEAST, GUARD)
            for peer in peers if (benchmark["name"], peer) not in named]


def flatness(benchmark):
    """The row of a growth benchmark that should cost the same at every size, or None."""
    if benchmark["name"] not in FLAT_NAMES:
        return None
    measure = benchmark["measure"]
    one = benchmark.get("growth", {}).get(measure)
    if one is None:
        return None
    return {"benchmark": benchmark["name"], "peer": "itself", "relation": AT_MOST, "goal": FLAT,
            "held": True, "measure": measure, "state": state_of(one, AT_MOST, FLAT),
            "median": one["median"], "q1": one["q1"], "q3": one["q3"],
            "size": one["dearest"], "cheapest": one["cheapest"]}


def collect(benchmarks, everything=True):
    """All goals of these benchmarks; with @everything also of those that were not run."""
    known = {benchmark["name"]: benchmark for benchmark in benchmarks}
    made = [judge(goal, known.get(goal.benchmark)) for goal in GOALS
            if everything or goal.benchmark in known]
    for benchmark in benchmarks:
        made += [judge(goal, benchmark) for goal in guards(benchmark)]
        flat = flatness(benchmark)
        if flat is not None:
            made.append(flat)
    order = {name: number for number, name in enumerate(known)}
    return sorted(made, key=lambda row: order.get(row["benchmark"], len(order)))


def against(row):
    """What a row of collect() is about, in words."""
    if row["peer"] == "itself":
        return f"{row['size']:,} against {row['cheapest']:,}"
    by = f" (for {row['ours']})" if "ours" in row else ""
    return row["peer"] + by + (f" at {row['size']:,}" if "size" in row else "")


def in_words(row):
    """What is wanted of a row of collect()."""
    if row["peer"] == "itself":
        return f"dearest / cheapest size at most {row['goal']:g}"
    ratio = "peer / ours" if row["relation"] == AT_LEAST else "ours / peer"
    return f"{ratio} {row['relation']} {row['goal']:g}"


def counts(rows, held=True):
    """{state: how many}, of those that are held or of the aims."""
    found = collections.Counter(row["state"] for row in rows if row["held"] == held)
    return {state: found[state] for state in STATES if found[state]}
