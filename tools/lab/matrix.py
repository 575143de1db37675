# SPDX-License-Identifier: MIT
"""Features by kernel release, from the results of the same tests on each."""

import collections
import json
import os
import re

import debian
import tap_summary

PASSED, PARTLY, ABSENT, FAILED = "passed", "partly", "absent", "failed"
MARKS = {PASSED: "yes", PARTLY: "partly", ABSENT: "–", FAILED: "**failed**", None: "?"}
NO_SUCH_RING = "setup flags "  # a reason that says nothing of the feature
SHAPE = re.compile(r"__\w+$")
HEAD = """\
# What works on which kernel

Every test that enters the kernel, on each series that `tools/kernel-lab` knows: *yes*, passed on all shapes of rings that this kernel
can make; *partly*, on some, and on others the feature is missing; *–*, absent. The reasons are below each table; on an old kernel
what passes can also be that the feature is refused as it should be. Made by `tools/kernel-lab matrix`; not written by hand.
"""


# What the README says of floors: parts of the library, and the programs that test them.
PARTS = [
    ("`ring.h`, `sq.h`, `cq.h`", ["test_ring", "test_ring_wait", "test_ring_traps", "test_sq", "test_cq"]),
    ("`context.h`, `pool.h`, `chain.h`", ["test_context", "test_pool", "test_chain"]),
    ("`prep.h`: files", ["test_prep", "test_prep_file", "test_prep_fs"]),
    ("`prep.h`: sockets", ["test_prep_net", "test_prep_multi"]),
    ("`prep.h`: time, futexes, processes", ["test_prep_time", "test_prep_wait"]),
    ("`prep.h`: zero copy", ["test_prep_zc"]),
    ("`prep.h`: commands", ["test_prep_cmd"]),
    ("`setup.h`", ["test_setup"]),
    ("`fast.h`", ["test_fast"]),
    ("`resize.h`", ["test_resize"]),
    ("`drain.h`", ["test_drain"]),
    ("`shared.h`, `wake.h`", ["test_shared", "test_wake"]),
    ("`reg.h`", ["test_reg", "test_reg_rest"]),
    ("`feature.h`, `describe.h`", ["test_feature", "test_describe"]),
    ("`bufring.h`, `bufgroup.h`", ["test_bufring", "test_bufgroup"]),
    ("`multishot.h`, `message.h`", ["test_multishot", "test_message"]),
    ("`zc.h`, `multicast.h`", ["test_zc", "test_multicast"]),
    ("`listen.h`", ["test_listen"]),
    ("`zcrx.h`", ["test_zcrx"]),
]
MARKERS = "<!-- floors: begin -->\n", "<!-- floors: end -->"


def split_name(name):
    """Suite and feature of a test's name, without the ring's shape."""
    suite, _, test = name.partition("::")
    return suite, SHAPE.sub("", test)


def save(path, release, entries, keep_others=False):
    """One series' results, to be read again. @keep_others: those of other programs that are there stay."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if keep_others and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            others = [json.loads(line) for line in file][1:]
        new = {entry["name"] for entry in entries}
        entries = sorted([entry for entry in others if entry["name"] not in new] + entries,
                         key=lambda entry: entry["name"])
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in [{"release": release}] + entries)


def read(path):
    """A series' release, and its results: {(program, suite, feature): (state, reason)}."""
    found = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        try:
            release = json.loads(file.readline())["release"]
            programs = [tap_summary.Program(json.loads(line)) for line in file]
        except (ValueError, KeyError, TypeError) as error:
            raise debian.LabError(f"{path} is not what a run wrote, remove it ({error})")
    for program in programs:
        name = program.name.partition("/")[2]
        for test in program.passed:
            found[(name, *split_name(test))].append((PASSED, ""))
        for test, reason in program.skipped:
            found[(name, *split_name(test))].append((ABSENT, reason))
        for test, _ in program.failed:
            found[(name, *split_name(test))].append((FAILED, test))
    return release, {key: judge(results) for key, results in found.items()}


def judge(results):
    """The state of a feature, by its tests on all shapes, and a reason."""
    reasons = collections.defaultdict(collections.Counter)
    for which, reason in results:
        reasons[which][reason] += 1
    missing = {reason: count for reason, count in reasons[ABSENT].items() if not reason.startswith(NO_SUCH_RING)}
    if reasons[FAILED]:
        return FAILED, reasons[FAILED].most_common(1)[0][0]
    if reasons[PASSED]:
        return (PARTLY, max(missing, key=missing.get)) if missing else (PASSED, "")
    return ABSENT, max(missing, key=missing.get) if missing else reasons[ABSENT].most_common(1)[0][0]


def collect(logs):
    """The matrix, of {series: path of its log}, as it is stored."""
    tables = {series: read(path) for series, path in logs.items()}
    features = []
    for key in sorted({key for _, results in tables.values() for key in results}):
        states = {}
        for series, (_, results) in tables.items():
            if key in results:
                state_there, reason = results[key]
                states[series] = {"state": state_there, **({"reason": reason} if reason else {})}
        features.append({"program": key[0], "suite": key[1], "feature": key[2], "on": states})
    return {"kernels": [{"series": series, "release": release}
                        for series, (release, _) in tables.items()],
            "features": features}


def counts(features, order):
    """On how many of these something is there: {series: number}, and the greatest of them."""
    there = {series: sum(state(feature, series) in (PASSED, PARTLY) for feature in features) for series in order}
    return there, max(there.values())


def floor(name, features, order):
    """(name, numbers, the first series with half of the most, the first with all of it)"""
    there, most = counts(features, order)
    half = next((series for series in order if most and there[series] * 2 >= most), "none")
    whole = next((series for series in order if most and there[series] == most), "none")
    return name, list(there.values()), half, whole


def floors(matrix):
    """For each program."""
    order = [kernel["series"] for kernel in matrix["kernels"]]
    return [floor(program, features, order) for program, features in by_program(matrix)]


def readme_table(matrix):
    """For each part of the library, as the README has it."""
    order = [kernel["series"] for kernel in matrix["kernels"]]
    groups = dict(by_program(matrix))
    lines = ["| | " + " | ".join(order) + " | half from | all from |", "| --- |" + " --: |" * len(order) + " :-: | :-: |"]
    for part, programs in PARTS:
        _, there, half, whole = floor(part, sum((groups.get(program, []) for program in programs), []), order)
        lines.append(f"| {part} | {' | '.join(map(str, there))} | {half} | {whole} |")
    return "\n".join(lines) + "\n"


def write_readme(matrix, path):
    """Replace the table between the markers."""
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(MARKERS[0])
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + MARKERS[0] + readme_table(matrix) + MARKERS[1] + rest.split(MARKERS[1])[1])


def state(feature, series):
    return feature["on"].get(series, {}).get("state")


def by_program(matrix):
    groups = collections.defaultdict(list)
    for feature in matrix["features"]:
        groups[feature["program"]].append(feature)
    return sorted(groups.items())


def table(features, order):
    lines = ["| | " + " | ".join(order) + " |", "| --- |" + " :-: |" * len(order)]
    reasons = collections.defaultdict(set)
    for feature in features:
        name = f"{feature['suite']}: {feature['feature'].replace('_', ' ')}"
        lines.append(f"| {name} | " + " | ".join(MARKS[state(feature, series)] for series in order) + " |")
        for series in order:
            if state(feature, series) in (PARTLY, ABSENT, FAILED):
                reasons[feature["on"][series].get("reason", "")].add(series)
    lines.append("")
    for reason, where in sorted(reasons.items()):
        lines.append(f"- {reason or 'no reason given'} ({', '.join(s for s in order if s in where)})")
    return lines


def markdown(matrix):
    order = [kernel["series"] for kernel in matrix["kernels"]]
    lines = [HEAD, "## Kernels", ""]
    lines += [f"- {kernel['series']}: {kernel['release']}" for kernel in matrix["kernels"]]
    lines += ["", "## Floors", "", "Of each part, how many of its tests pass; the first series with half of them, and the "
              "first with as many as ever.", "",
              "| tests | " + " | ".join(order) + " | half | all |", "| --- |" + " --: |" * len(order) + " :-: | :-: |"]
    lines += [f"| {program} | {' | '.join(map(str, there))} | {half} | {whole} |"
              for program, there, half, whole in floors(matrix)]
    for program, features in by_program(matrix):
        lines += ["", f"## {program}", ""] + table(features, order)
    return "\n".join(lines).rstrip() + "\n"


def write(matrix, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "matrix.json"), "w", encoding="utf-8") as file:
        json.dump(matrix, file, indent=1, ensure_ascii=False)
        file.write("\n")
    with open(os.path.join(folder, "matrix.md"), "w", encoding="utf-8") as file:
        file.write(markdown(matrix))
