# SPDX-License-Identifier: MIT
"""Features by kernel release, from the results of the same tests on each."""

import collections
import json
import os
import re

import tap_summary

PASSED, ABSENT, FAILED = "passed", "absent", "failed"
MARKS = {PASSED: "yes", ABSENT: "–", FAILED: "**failed**", None: "?"}
SHAPE = re.compile(r"__\w+$")
HEAD = """\
# What works on which kernel

Every test that enters the kernel, on each series that `tools/kernel-lab` knows: *yes*, passed on at least one ring shape and failed
on none; *–*, absent, for the reason below the table; *failed*. Made by `tools/kernel-lab matrix`; not written by hand.
"""


def split_name(name):
    """Suite and feature of a test's name, without the ring's shape."""
    suite, _, test = name.partition("::")
    return suite, SHAPE.sub("", test)


def save(path, release, entries):
    """One series' results, to be read again."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in [{"release": release}] + entries)


def read(path):
    """A series' release, and its results: {(program, suite, feature): (state, reason)}."""
    found = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        release = json.loads(file.readline())["release"]
        programs = [tap_summary.Program(json.loads(line)) for line in file]
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
    states = [state for state, _ in results]
    for state in (FAILED, PASSED, ABSENT):
        if state in states:
            reasons = collections.Counter(reason for which, reason in results if which == state)
            return state, reasons.most_common(1)[0][0]
    raise ValueError("no result")


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


def floors(matrix):
    """For each program: the first series with something of it, and the first with all that is ever there."""
    order = [kernel["series"] for kernel in matrix["kernels"]]
    rows = []
    for program, features in by_program(matrix):
        ever = [f for f in features if any(on["state"] == PASSED for on in f["on"].values())]
        some = next((series for series in order if any(state(f, series) == PASSED for f in ever)), "none")
        whole = next((series for series in order
                      if ever and all(state(f, series) == PASSED for f in ever)), "none")
        rows.append((program, some, whole))
    return rows


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
            if state(feature, series) in (ABSENT, FAILED):
                reasons[feature["on"][series].get("reason", "")].add(series)
    lines.append("")
    for reason, where in sorted(reasons.items()):
        lines.append(f"- {reason or 'no reason given'} ({', '.join(s for s in order if s in where)})")
    return lines


def markdown(matrix):
    order = [kernel["series"] for kernel in matrix["kernels"]]
    lines = [HEAD, "## Kernels", ""]
    lines += [f"- {kernel['series']}: {kernel['release']}" for kernel in matrix["kernels"]]
    lines += ["", "## Floors", "", "The first series with some of a part, and the first with all of it.", "",
              "| tests | some | all |", "| --- | :-: | :-: |"]
    lines += [f"| {program} | {some} | {whole} |" for program, some, whole in floors(matrix)]
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
