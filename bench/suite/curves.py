# SPDX-License-Identifier: MIT
"""Pictures of lines: growth by size, instructions over changes, the kernel's cost by release."""

import re

import chart
import plot
import ratios
import stats


class Panel:
    """One of several small pictures, in a grid."""

    def __init__(self, svg, left, top, width, height, margin=(52, 46, 120, 42)):
        self.svg, self.left, self.top, self.width, self.height = svg, left, top, width, height
        before, above, after, below = margin
        self.box = (left + before, top + above, left + width - after, top + height - below)

    def title(self, text, below=""):
        self.svg.text(self.left + 8, self.top + 16, text, 13, bold=True)
        self.svg.text(self.left + 8, self.top + 31, below, 11, chart.FAINT)


def grid(count, columns, width, height, title, top=0):
    """A picture with room for @count panels, and their corners."""
    svg = chart.Svg(columns * width, top + -(-count // columns) * height, title)
    return svg, [((number % columns) * width, top + number // columns * height)
                 for number in range(count)]


def vertical(values, bottom, top, log=None):
    """A scale for these values and its ticks: from 0, or by powers where they differ much."""
    low, high = min(values), max(values)
    if log is None:
        log = low > 0 and high / low > 25
    if log:
        scale = chart.Scale(low / 1.3, high * 1.3, bottom, top, log=True)
        return scale, chart.log_ticks(scale, 26)
    ticks = chart.nice_ticks(high * 1.05)
    return chart.Scale(0, ticks[-1], bottom, top), ticks


def short_size(size):
    """65,536 as 64 Ki where it is one: axes are narrow."""
    for factor, unit in (1 << 20, "Mi"), (1 << 10, "Ki"):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size:,}"


# ---- growth ----

def costs_by_size(benchmark, contender):
    """[(size, spread)] by the benchmark's measure."""
    measure = f"{benchmark['measure']}_ns"
    rows = [(row["size"], row[measure]) for row in benchmark["results"]
            if row["contender"] == contender and "size" in row and row.get(measure)]
    return sorted(rows, key=lambda row: row[0])


def unit_of(highest):
    return next((factor, unit) for limit, factor, unit in
                ((2e4, 1, "ns"), (2e7, 1e3, "µs"), (float("inf"), 1e6, "ms")) if highest < limit)


def growth_panel(panel, benchmark):
    svg, (left, top, right, bottom) = panel.svg, panel.box
    lines = {name: costs_by_size(benchmark, name) for name in stats.contenders_of(benchmark)}
    lines = {name: rows for name, rows in lines.items() if rows}
    factor, unit = unit_of(max(one["q3"] for rows in lines.values() for _, one in rows))
    lines = {name: [(size, *(one[key] / factor for key in ("q1", "median", "q3")))
                    for size, one in rows] for name, rows in lines.items()}
    sizes = stats.sizes_of(benchmark)
    x = chart.Scale(sizes[0], sizes[-1], left + 8, right - 8, log=True)
    y, ticks = vertical([value for rows in lines.values() for row in rows for value in row[1:]],
                        bottom, top)
    kind = "CPU" if benchmark["measure"] == "cpu" else "time"
    panel.title(benchmark["name"], f"{unit} of {kind} per {benchmark['operation']}"
                + (" (log scale)" if y.log else ""))
    chart.frame(svg, panel.box, chart.size_ticks(sizes, x, 42), ticks, x, y, short_size)
    svg.text((left + right) / 2, bottom + 33, f"{benchmark.get('size_is', 'size')} (log scale)", 11,
             chart.FAINT, "middle")
    ends, looking = [], ratios.looks(list(lines))
    for name, rows in reversed(lines.items()):  # ours on top
        colour, shape = looking[name]
        svg.path([(x(size), y(middle)) for size, _, middle, _ in rows], colour)
        for size, low, middle, high in rows:
            svg.line(x(size), y(low), x(size), y(high), colour, 3)
            svg.marker(shape, x(size), y(middle), colour, 3.6)
        ends.append((name, colour, shape, y(rows[-1][2])))
    chart.labels_beside(svg, right, ends, top, bottom)


def has_growth(benchmark):
    return len(stats.sizes_of(benchmark)) > 1


def growth(benchmarks, columns=2, width=500, height=270):
    """The picture, or None."""
    chosen = [benchmark for benchmark in benchmarks if has_growth(benchmark)]
    if not chosen:
        return None
    columns = min(columns, len(chosen))
    svg, corners = grid(len(chosen), columns, width, height, "Cost per operation by size")
    for benchmark, (left, top) in zip(chosen, corners):
        growth_panel(Panel(svg, left, top, width, height), benchmark)
    return svg


# ---- gates over time ----

GATE_COLUMNS = ["date", "commit", "subject", "compiler", "case", "ours", "gate", "liburing", "bare"]


def read_gates(path):
    """The rows of a committed table, oldest first; [] if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    except FileNotFoundError:
        return []
    rows = [dict(zip(GATE_COLUMNS, line)) for line in lines
            if line[0] != GATE_COLUMNS[0] and not line[0].startswith("#")
            and len(line) == len(GATE_COLUMNS)]
    return [row for row in rows if number_in(row["ours"]) is not None]


def number_in(text):
    try:
        return float(text)
    except ValueError:
        return None


def numbers_in(text):
    return [float(one) for one in re.findall(r"\d+(?:\.\d+)?", text)]


def gate_panel(panel, case, rows, changes):
    svg, (left, top, right, bottom) = panel.svg, panel.box
    # The first compiler's gate, and its peers: they differ a little with the compiler.
    newest = [row for row in rows if row["compiler"] == rows[0]["compiler"]][-1]
    gate = number_in(newest["gate"])
    known = [f"{name} {newest[name]}" for name in ("liburing", "bare") if numbers_in(newest[name])]
    panel.title(case, " · ".join(known))
    # What liburing takes may be far above; it is drawn where it does not flatten ours.
    values = [float(row["ours"]) for row in rows] + ([gate] if gate is not None else [])
    for name in "liburing", "bare":
        values += [one for one in numbers_in(newest[name]) if one <= 1.6 * max(values)]
    y = chart.Scale(0, chart.nice_ticks(max(values) * 1.05, 4)[-1], bottom, top)
    x = chart.Scale(0, max(len(changes) - 1, 1), left + 8, right - 8)
    chart.frame(svg, panel.box, [], chart.nice_ticks(max(values) * 1.05, 4), x, y)
    ends = []
    for name in "liburing", "bare":
        for value in numbers_in(newest[name])[:1]:
            if value <= y.high:
                svg.line(left, y(value), right, y(value), chart.GREY, 1.2, "1 3")
                ends.append((f"{name} {value:g}", chart.GREY, "dash", y(value)))
    if gate is not None:
        svg.line(left, y(gate), right, y(gate), chart.VERMILLION, 1.6, "5 3")
        ends.append((f"gate {newest['gate']}", chart.VERMILLION, "dash", y(gate)))
    for number, compiler in enumerate(dict.fromkeys(row["compiler"] for row in rows)):
        colour, shape = chart.PALETTE[(0, 2, 3, 5)[number % 4]], chart.SHAPES[number % 4]
        points = [(x(changes.index(row["commit"])), y(float(row["ours"]))) for row in rows
                  if row["compiler"] == compiler]
        last = [row["ours"] for row in rows if row["compiler"] == compiler][-1]
        svg.path(points, colour)
        for point in points:
            svg.marker(shape, *point, colour, 3)
        ends.append((f"{short_compiler(compiler)} {last}", colour, shape, points[-1][1]))
    chart.labels_beside(svg, right, ends, top, bottom, 10)


def short_compiler(text):
    """gcc 12 of a longer line."""
    found = re.search(r"(gcc|clang)\D*?(\d+)", text.lower())
    return f"{found[1]} {found[2]}" if found else text[:10]


def gates(rows, columns=3, width=333, height=200):
    """The picture, or None. Every change has its place on the x axis."""
    if not rows:
        return None
    changes = list(dict.fromkeys(row["commit"] for row in rows))
    cases = list(dict.fromkeys(row["case"] for row in rows))
    svg, corners = grid(len(cases), columns, width, height, "Instructions per operation, by change",
                        26)
    first, last = rows[0], rows[-1]
    span = f"{first['date']} ({first['commit'][:12]})"
    if len(changes) > 1:
        span += (f" to {last['date']} ({last['commit'][:12]}), {len(changes)} changes from left "
                 "to right")
    svg.text(8, 16, f"User instructions per operation (callgrind), {span}", 12, chart.FAINT)
    for case, (left, top) in zip(cases, corners):
        panel = Panel(svg, left, top, width, height, (42, 46, 92, 18))
        gate_panel(panel, case, [row for row in rows if row["case"] == case], changes)
    return svg


# ---- the kernel's cost by release ----

def cost_panel(panel, title, values, series):
    svg, (left, top, right, bottom) = panel.svg, panel.box
    name, wide, _ = title.partition(" (log scale)")
    panel.title(name, "instructions of user and kernel per operation" + wide)
    present = [value for column in values.values() for value in column if value is not None]
    y, ticks = vertical(present, bottom, top, bool(wide))
    x = chart.Scale(0, max(len(series) - 1, 1), left + 10, right - 10)
    chart.frame(svg, panel.box, range(len(series)), ticks, x, y, lambda index: series[index])
    ends = []
    for number, (label, column) in enumerate(values.items()):
        colour, shape = chart.PALETTE[number % 8], chart.SHAPES[number % 8]
        points = [(x(index), y(value)) for index, value in enumerate(column) if value is not None]
        svg.path(points, colour)
        for point in points:
            svg.marker(shape, *point, colour, 3.2)
        ends.append((label, colour, shape, points[-1][1]))
    chart.labels_beside(svg, right, ends, top, bottom)
    svg.text((left + right) / 2, bottom + 31, "Linux release", 11, chart.FAINT, "middle")


def kernel_cost(costs, width=640, height=290):
    """The panels of tools/kernel-lab cost in this page's style, or None."""
    series = [kernel["series"] for kernel in costs["kernels"]]
    panels = [(title, plot.values_of(lines, costs)) for title, lines in plot.PANELS]
    panels = [(title, values) for title, values in panels if values]
    if not panels:
        return None
    columns = 2 if len(panels) > 1 else 1
    svg, corners = grid(len(panels), columns, width, height,
                        "Instructions of user and kernel per operation, by kernel release")
    for (title, values), (left, top) in zip(panels, corners):
        cost_panel(Panel(svg, left, top, width, height, (56, 46, 235, 40)), title, values, series)
    return svg
