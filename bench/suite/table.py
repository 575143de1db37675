# SPDX-License-Identifier: MIT
"""The results as Markdown: bench.md, and what the command prints."""

import curves
import goals
import machine
import report
import stats
import words


def cell(text):
    return str(text).replace("|", "\\|")


def markdown_table(head, rows, numbers=()):
    lines = ["| " + " | ".join(map(cell, head)) + " |",
             "| " + " | ".join("---:" if index in numbers else "---" for index in range(len(head)))
             + " |"]
    return lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows]


def goal_lines(rows, held):
    return markdown_table(
        ["benchmark", "against", "wanted", "measured (quartiles)", "state"],
        [[row["benchmark"], goals.against(row), goals.in_words(row),
          words.ratio_spread(row) if "median" in row else "–", row["state"]]
         for row in rows if row["held"] == held])


def comparison_rows(benchmark):
    """A line for each contender, ours first."""
    measure = benchmark["measure"]
    by_peer = {row["peer"]: row for row in stats.usual(benchmark) if "size" not in row}
    for name in stats.contenders_of(benchmark):
        row = stats.find(benchmark, name)
        if row is None:
            continue
        ratio = by_peer.get(name, {})
        costs = [words.duration(row[f"{one}_ns"]["median"]) if row.get(f"{one}_ns") else "–"
                 for one in stats.MEASURES]
        told = words.ratio_spread(ratio[measure]) if measure in ratio else "–"
        first = name == stats.OURS
        yield [f"**{benchmark['name']}**" if first else "", benchmark["operation"] if first else "",
               name + (" *" if row.get("separate") else ""), *costs, told,
               "CPU" if measure == "cpu" else "time"]


def growth_lines(benchmark):
    """Sizes from left to right."""
    measure = f"{benchmark['measure']}_ns"
    sizes = stats.sizes_of(benchmark)
    found = {(row["contender"], row.get("size")): row for row in benchmark["results"]}
    rows = []
    for name in stats.contenders_of(benchmark):
        mine = [found.get((name, size), {}) for size in sizes]
        costs = [row[measure]["median"] if row.get(measure) else None for row in mine]
        rows.append([name, *("–" if cost is None else words.duration(cost) for cost in costs)])
        for kind in stats.memory_kinds(benchmark):
            if any(row.get(kind) for row in mine):
                rows.append([f"{name}: {kind.removesuffix('_bytes')} KiB"]
                            + [words.kib(row.get(kind)) or "–" for row in mine])
    head = [benchmark.get("size_is", "size"), *(f"{size:,}" for size in sizes)]
    return markdown_table(head, rows, range(1, len(head)))


def markdown(result):
    lines = ["# Timed benchmarks", "",
             "Made by `tools/bench`. Ratios are peer / ours, median of the rounds with quartiles: "
             "larger is better.", ""]
    lines += [f"- {name}: {text}" for name, text in machine.lines(result["machine"])]
    lines += [f"- {line}" for line in report.method_lines(result["method"])]
    for held, title in (True, "Goals"), (False, "Aims"):
        if any(row["held"] == held for row in result["goals"]):
            lines += ["", f"## {title}", "", f"{report.counted(result['goals'], held)}.", "",
                      *goal_lines(result["goals"], held)]
    flat = [one for one in result["benchmarks"] if not curves.has_growth(one)]
    rows = [row for one in flat for row in comparison_rows(one)]
    if rows:
        lines += ["", "## Against the peers", "", *markdown_table(
            ["benchmark", "operation", "contender", "wall", "CPU", "peer / ours", "of"], rows,
            (3, 4, 5))]
        if any(row.get("separate") for one in flat for row in one["results"]):
            lines += ["", "\\* a process of its own, in turn with ours."]
    grown = [one for one in result["benchmarks"] if curves.has_growth(one)]
    if grown:
        lines += ["", "## Growth"]
    for one in grown:
        kind = "CPU" if one["measure"] == "cpu" else "Time"
        lines += ["", f"**{one['name']}**: {one['what']}. {kind} per {one['operation']}:", "",
                  *growth_lines(one)]
    absent = report.absences(result)
    absent += [(one["name"], f"it failed: {one['failed']}", one["name"])
               for one in result["benchmarks"] if "failed" in one]
    if absent:
        lines += ["", "## Absent", "", *markdown_table(["what", "why", "in"], absent)]
    lines += ["", "## Not measured here", ""]
    lines += [f"- {what}: {why}" for what, why in report.NOT_MEASURED]
    return "\n".join(lines) + "\n"


def goals_as_text(rows):
    """The goals of what was run, as the command prints them."""
    chosen = [row for row in rows if row["state"] != goals.NOT_RUN]
    if not chosen:
        return []
    head = ["benchmark", "against", "wanted", "measured (quartiles)", "state"]
    return words.in_columns([head] + [
        [row["benchmark"], goals.against(row), goals.in_words(row),
         words.ratio_spread(row) if "median" in row else "-",
         row["state"] + ("" if row["held"] else " (aim)")] for row in chosen])


def results_as_text(benchmark):
    """A benchmark as the command prints it."""
    measure = benchmark["measure"]
    by_ratio = {(row["peer"], row.get("size")): row[measure] for row in stats.usual(benchmark)
                if measure in row}
    rows = []
    for size in stats.sizes_of(benchmark) or [None]:
        for name in stats.contenders_of(benchmark):
            row = stats.find(benchmark, name, size)
            cost = row and row.get(f"{measure}_ns")
            if not cost:
                continue
            one = by_ratio.get((name, size))
            rows.append([f"  {size:,}" if size is not None else " ", name,
                         words.duration(cost["median"]),
                         f"peer / ours {words.ratio_spread(one)}" if one else ""])
    kind = "CPU" if measure == "cpu" else "time"
    lines = [f"{benchmark['name']}: {kind} per {benchmark['operation']}"]
    if "failed" in benchmark:
        lines.append(f"  failed: {benchmark['failed']}")
    return lines + (words.in_columns(rows) if rows else [])
