# SPDX-License-Identifier: MIT
"""One page of HTML with everything in it, and the pictures as files of their own."""

import json
import os

import chart
import curves
import goals
import machine
import ratios
import stats
import words

NOT_MEASURED = [
    ("Polled NVMe drives", "IOPOLL and passthrough need a drive that can be polled."),
    ("Speed of zero-copy transmit on a network card",
     "loopback always copies what is sent; no card was there."),
    ("NUMA", "there is one node."),
    ("SQPOLL with cores to spare", "its thread needs a core that nobody else wants."),
]
STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 24px; max-width: 1300px; background: #fff; color: #222;
  font: 15px/1.5 Helvetica, Arial, "Liberation Sans", sans-serif; }
h1 { font-size: 26px; } h2 { margin-top: 48px; border-bottom: 1px solid #ccc; }
h3 { margin: 32px 0 4px; font-size: 17px; }
p { max-width: 900px; } p.what { margin: 0 0 8px; color: #595959; }
svg { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; margin: 8px 0; font-size: 13px; }
th, td { padding: 2px 10px 2px 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #999; font-weight: bold; } td { border-bottom: 1px solid #e4e4e4; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; } th.number { min-width: 60px; }
.wide { overflow-x: auto; } .beside { display: flex; flex-wrap: wrap; gap: 24px; }
.beside svg, .beside .wide { flex: none; max-width: 100%; }
summary { cursor: pointer; color: #0072B2; margin: 6px 0; }
.missed { font-weight: bold; } .warning { border-left: 4px solid #D55E00; padding-left: 12px; }
"""
SIGNS = {goals.MET: "✓", goals.WITHIN: "≈", goals.MISSED: "✗"}


def tag(name, *content, **attributes):
    """An element; content that is no Markup is escaped."""
    named = "".join(f' {key.rstrip("_")}="{chart.escape(value)}"'
                    for key, value in attributes.items() if value is not None)
    inner = "".join(one if isinstance(one, Markup) else chart.escape(one) for one in content)
    return Markup(f"<{name}{named}>{inner}</{name}>")


class Markup(str):
    """Text that is markup already."""


def join(parts):
    return Markup("\n".join(parts))


def picture(svg):
    return Markup(svg.render(standalone=False)) if svg is not None else Markup("")


def table(head, rows, numbers=()):
    """@numbers: columns that are aligned to the right. A cell may be (text, class)."""
    def cell(name, index, content):
        text, look = content if isinstance(content, tuple) else (content, None)
        look = " ".join(filter(None, [look, "number" if index in numbers else None])) or None
        return tag(name, text, class_=look)

    def line(name, cells):
        return tag("tr", *(cell(name, index, one) for index, one in enumerate(cells)))

    return tag("div", tag("table", tag("thead", line("th", head)),
                          tag("tbody", *(line("td", row) for row in rows))), class_="wide")


# ---- the parts ----

def goal_cells(row):
    ratio = "" if "median" not in row else words.ratio_spread(row)
    state = f"{SIGNS.get(row['state'], '–')} {row['state']}"
    return [row["benchmark"], goals.against(row), goals.in_words(row),
            "CPU" if row.get("measure") == "cpu" else "time" if "measure" in row else "", ratio,
            (state, "missed" if row["state"] == goals.MISSED else None)]


def counted(rows, held):
    found = goals.counts(rows, held)
    return ", ".join(f"{count} {state}" for state, count in found.items()) or "none"


def summary(result):
    rows = result["goals"]
    parts = [tag("p", "Goals that are held: ", tag("strong", counted(rows, True)),
                 f". Aims: {counted(rows, False)}. A goal is met if the median of the rounds meets "
                 "it, and met within the spread if only the quartile on its side does. Ratios of "
                 "peer / ours: larger is better. Ratios of ours / peer: smaller is better.")]
    for held, title in (True, "Goals"), (False, "Aims"):
        chosen = [row for row in rows if row["held"] == held]
        if chosen:
            parts += [tag("h3", title),
                      table(["benchmark", "against", "wanted", "of", "measured (quartiles)",
                             "state"],
                            [goal_cells(row) for row in chosen])]
    return join(parts)


def contender_rows(benchmark):
    """Every contender in numbers."""
    for name in stats.contenders_of(benchmark):
        row = stats.find(benchmark, name)
        if row is None:
            continue
        cells = [name, benchmark.get("contenders", {}).get(name, "")]
        for measure in stats.MEASURES:
            one = row.get(f"{measure}_ns")
            cells.append(" to ".join(words.number(one[key]) for key in ("q1", "median", "q3"))
                         if one else "")
        cells.append("; ".join(f"{key}: {words.number(value)}"
                               for key, value in row.get("notes", {}).items()))
        yield cells


def failure(benchmark):
    if "failed" not in benchmark:
        return Markup("")
    return tag("p", f"It failed: {benchmark['failed']}", class_="warning")


def missing(benchmark):
    """Which contenders are not there, each with its reason."""
    named = dict.fromkeys((row["contender"], row["absent"]) for row in benchmark["absent"])
    if not named:
        return Markup("")
    return tag("p", "Left out: " + "; ".join(f"{name} ({why})" for name, why in named) + ".",
               class_="what")


def comparison(benchmark, judged):
    """A benchmark without sizes."""
    svg = ratios.draw(ratios.groups_of([benchmark], judged), f"{benchmark['name']}: peer / ours",
                      explained=False)
    parts = [tag("h3", benchmark["name"], id=benchmark["name"]),
             tag("p", benchmark["what"] + ".", class_="what"), failure(benchmark), picture(svg),
             missing(benchmark)]
    rows = list(contender_rows(benchmark))
    if rows:
        unit = f"ns per {benchmark['operation']}"
        parts.append(tag("details", tag("summary", f"{benchmark['name']} in numbers"), table(
            ["contender", "how", f"wall: {unit}, lower quartile to median to upper quartile",
             f"CPU: {unit}, the same", "notes (mean of a run)"], rows,
            (2, 3))))
    return join(parts)


def against_peers(benchmarks, judged):
    """What has a goal on one picture, and then each benchmark with all of its peers."""
    if not benchmarks:
        return tag("p", "Not in this result.")
    return join([tag("p", "First what has a goal, on one picture; then each benchmark with all its "
                     "peers. A ratio above 1 means that ours takes less."),
                 picture(overview(benchmarks, judged)),
                 *(comparison(one, judged) for one in benchmarks)])


def overview(benchmarks, judged):
    return ratios.draw(ratios.groups_of(benchmarks, judged, only_goals=True),
                       "What peers take, over what ours takes")


def growth_table(benchmark):
    """By size: what each contender takes, and its ratio."""
    names = stats.contenders_of(benchmark)
    measure = benchmark["measure"]
    by_ratio = {(row["peer"], row.get("size")): row[measure] for row in stats.usual(benchmark)
                if measure in row}
    found = {(row["contender"], row.get("size")): row for row in benchmark["results"]}
    head = [benchmark.get("size_is", "size")] + [f"{name}, ns" for name in names]
    head += [f"{name} / ours" for name in names if name != stats.OURS]
    rows = []
    for size in stats.sizes_of(benchmark):
        cells = [f"{size:,}"]
        for name in names:
            row = found.get((name, size))
            cells.append(words.number(row[f"{measure}_ns"]["median"]) if row else "")
        for name in names:
            one = by_ratio.get((name, size))
            if name != stats.OURS:
                cells.append(words.ratio_spread(one) if one else "")
        rows.append(cells)
    return table(head, rows, range(len(head)))


def memory_table(benchmark):
    """By size: the memory of each contender, if any is told."""
    columns = [(name, kind) for kind in stats.memory_kinds(benchmark)
               for name in stats.contenders_of(benchmark)
               if any(row.get(kind) for row in benchmark["results"] if row["contender"] == name)]
    if not columns:
        return Markup("")
    found = {(row["contender"], row.get("size")): row for row in benchmark["results"]}
    rows = [[f"{size:,}"] + [words.kib(found.get((name, size), {}).get(kind))
                             for name, kind in columns] for size in stats.sizes_of(benchmark)]
    head = [benchmark.get("size_is", "size")]
    head += [f"{name}, {kind.removesuffix('_bytes')} KiB" for name, kind in columns]
    return table(head, rows, range(len(head)))


def notes_table(benchmark):
    """By size: what the contenders tell beside their time."""
    notes = list(dict.fromkeys(note for row in benchmark["results"]
                               for note in row.get("notes", {})))
    if not notes:
        return Markup("")
    rows = [[f"{row['size']:,}", row["contender"]]
            + [words.number(row["notes"][note]) if note in row.get("notes", {}) else ""
               for note in notes] for row in benchmark["results"] if "size" in row]
    head = [benchmark.get("size_is", "size"), "contender", *notes]
    return tag("details", tag("summary", f"{benchmark['name']}: notes (means of a run)"),
               table(head, rows, (0, *range(2, len(head)))))


def growth(benchmark):
    svg = curves.growth([benchmark])
    flat = goals.flatness(benchmark)
    said = Markup("")
    if flat is not None:
        said = tag("p", f"Ours at {flat['size']:,} over ours at {flat['cheapest']:,}: "
                   f"{words.ratio_spread(flat)}. Flat within 5 %: {flat['state']}.")
    body = tag("div", picture(svg), growth_table(benchmark), memory_table(benchmark),
               class_="beside") if benchmark["results"] else Markup("")
    return join([tag("h3", benchmark["name"], id=benchmark["name"]),
                 tag("p", benchmark["what"] + ".", class_="what"), failure(benchmark), body, said,
                 missing(benchmark), notes_table(benchmark)])


def size_part(size):
    """Of whatever bench/size.py tells: tables of what is in tables, a list of the rest."""
    if not isinstance(size, dict) or not size:
        return tag("p", "Not in this result.")
    parts, single = [], []
    for key, value in size.items():
        title = key.replace("_", " ")
        if isinstance(value, dict) and value:
            parts += [tag("h3", title.capitalize()), nested_table(value)]
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            head = list(dict.fromkeys(name for row in value for name in row))
            counts = [index for index, name in enumerate(head)
                      if all(isinstance(row.get(name, 0), (int, type(None))) for row in value)]
            parts += [tag("h3", "Bytes of text" if key == "rows" else title.capitalize()),
                      table([f"{name}, bytes" if index in counts else name
                             for index, name in enumerate(head)],
                            [[plain(row.get(name)) for name in head] for row in value], counts)]
        else:
            single.append((title, plain(value)))
    if single:
        parts.append(table(["with", ""], single))
    return join(parts)


def plain(value):
    if isinstance(value, bool) or value is None:
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, (int, float)):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)


def nested_table(value):
    """{name: number} or {name: {column: number}}, with bytes said where they are numbers."""
    inner = list(dict.fromkeys(name for one in value.values() if isinstance(one, dict)
                               for name in one))
    if not inner:
        return table(["", "bytes"], [[name, plain(one)] for name, one in value.items()], (1,))
    rows = [[name] + ([plain(one.get(column)) for column in inner] if isinstance(one, dict)
                      else [plain(one)] + [""] * (len(inner) - 1)) for name, one in value.items()]
    return table(["bytes of", *(name.replace("_", " ") for name in inner)], rows,
                 range(1, len(inner) + 1))


def absences(result):
    """[(contender, why, benchmarks)], those of whole parts first."""
    found = {}
    for benchmark in result["benchmarks"]:
        for row in benchmark["absent"]:
            names = found.setdefault((row["contender"], row["absent"]), {})
            names[benchmark["name"]] = None
    rows = [(one["what"], one["why"], "") for one in result.get("absent", [])]
    return rows + [(who, why, ", ".join(names)) for (who, why), names in found.items()]


def absent_part(result):
    rows = absences(result)
    failed = [(benchmark["name"], f"it failed: {benchmark['failed']}", benchmark["name"])
              for benchmark in result["benchmarks"] if "failed" in benchmark]
    if not rows and not failed:
        return tag("p", "Nothing: every contender ran.")
    return table(["what", "why", "in"], failed + rows)


def method_lines(method):
    """How it was measured, in sentences."""
    rounds = method["rounds"]
    few = "" if rounds >= 21 else " That is fewer than the 21 that a result to quote is made of."
    return [
        f"Each benchmark is a process with all its contenders. In each of {rounds} rounds every "
        f"contender makes the same number of operations, in another order each time.{few}",
        "A ratio is made of the two runs of one round; what is told is the median of these, with "
        "the quartiles. Costs are medians over the rounds.",
        f"The thread that works is on CPU {method['cpu']}, what it talks to on CPU "
        f"{method['peer_cpu']}. Programs that talk to others are judged by the CPU time of a "
        "message, not by the rate.",
        "L0 is liburing as its examples use it. L1 is liburing with what oring_init_fast() gives "
        "ours: single issuer, deferred task work, a registered descriptor. bare is a loop on the "
        "mapped rings without a library: the floor.",
        "Absolute times differ on every machine, and so do ratios where the kernel's share "
        "differs; instruction counts are the same on all that run the same code.",
    ]


def sections(result, gate_rows, costs):
    plain_ones = [one for one in result["benchmarks"] if not curves.has_growth(one)]
    grown = [one for one in result["benchmarks"] if curves.has_growth(one)]
    gates = curves.gates(gate_rows)
    kernel = curves.kernel_cost(costs) if costs else None
    yield "goals", "Goals", summary(result)
    yield "ratios", "Against the peers", against_peers(plain_ones, result["goals"])
    yield "growth", "Growth", join(growth(one) for one in grown) or tag("p", "Not in this result.")
    yield "gates", "Instruction gates over time", picture(gates) or tag(
        "p", "No counts are committed yet (bench/results/gates.tsv).")
    yield "kernel", "The kernel's cost by release", join([
        tag("p", "Counted by tools/kernel-lab cost, by emulation; bench/COST.md says what it "
            "means."), picture(kernel)]) if kernel else tag("p", "No counts are committed.")
    yield "size", "Code size and setup", join([
        size_part(result.get("size")),
        tag("p", "Setup time is in the benchmarks whose names begin with setup.")])
    yield "absent", "What was absent, and why", absent_part(result)
    yield "method", "Method and machine", join([
        tag("ul", *(tag("li", line) for line in method_lines(result["method"]))),
        table(["", ""], machine.lines(result["machine"]))])
    yield "not-measured", "What is not measured here", tag("ul", *(
        tag("li", tag("strong", what), f": {why}") for what, why in NOT_MEASURED))


def page(result, gate_rows=(), costs=None):
    """The whole page. It is well-formed XML too."""
    title = "oring: what it costs beside what else there is"
    parts = list(sections(result, gate_rows, costs))
    where = result["machine"]
    about = (f"{where['date']}, Linux {where['kernel']}, {where['cpu']}, liburing "
             f"{where.get('liburing') or 'none'}, {result['method']['rounds']} rounds.")
    links = [tag("a", name, href=f"#{key}") for key, name, _ in parts]
    body = [tag("h1", title), tag("p", about),
            tag("p", *[piece for link in links for piece in (link, " · ")][:-1])]
    body += [join([tag("h2", name, id=key), content]) for key, name, content in parts]
    head = tag("head", Markup('<meta charset="utf-8"/>'),
               Markup('<meta name="viewport" content="width=device-width, initial-scale=1"/>'),
               tag("title", title), tag("style", Markup(STYLE)))
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', join(body)), lang='en')}\n"


def pictures(result, gate_rows):
    """{file name: picture} of what the README shows."""
    return {"ratios.svg": overview(result["benchmarks"], result["goals"]),
            "growth.svg": curves.growth(result["benchmarks"]),
            "gates.svg": curves.gates(gate_rows)}


def write(result, folder, gate_rows, costs, markdown):
    """All files; returns their names. A picture of nothing is not written."""
    os.makedirs(folder, exist_ok=True)
    contents = {"bench.html": page(result, gate_rows, costs), "bench.md": markdown}
    contents.update({name: svg.render() for name, svg in pictures(result, gate_rows).items()
                     if svg})
    for name, text in contents.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return list(contents)
