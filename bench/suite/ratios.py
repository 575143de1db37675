# SPDX-License-Identifier: MIT
"""The picture of ratios: for each benchmark and peer the median, the quartiles, the goal."""

import chart
import goals
import stats
import words

# Who is whom in every picture; others take what is left.
PEERS = {"ours": (chart.BLUE, "circle"), "bare": (chart.GREY, "diamond"),
         "L0": (chart.ORANGE, "square"), "L1": (chart.VERMILLION, "triangle"),
         "epoll": (chart.GREEN, "down"), "pread": (chart.PURPLE, "square"),
         "libaio": (chart.BLACK, "plus")}
REST = [(chart.SKY, "cross"), (chart.BLACK, "ring"), (chart.PURPLE, "diamond"),
        (chart.GREEN, "square"), (chart.ORANGE, "circle"), (chart.SKY, "down")]
NEAR = (0.4, 2.6)  # what is further away has an axis of its own
ROW, GAP = 19, 12
MARGIN = 8


def looks(names):
    """{contender: (colour, shape)}, no two of these names alike."""
    taken = {name: PEERS[name] for name in names if name in PEERS}
    free = [look for look in [*REST, *PEERS.values()] if look not in taken.values()]
    for name in names:
        if name not in taken:
            taken[name] = free.pop(0) if free else (chart.GREY, "ring")
    return taken


def goal_ratio(row):
    """A goal as peer / ours."""
    return row["goal"] if row["relation"] == goals.AT_LEAST else 1 / row["goal"]


class Row:
    """One peer of one benchmark: what is drawn."""

    def __init__(self, benchmark, ratio, wanted, measure):
        self.peer, self.separate = ratio["peer"], ratio.get("separate", False)
        self.label = self.peer + (f" / {ratio['ours']}" if "ours" in ratio else "")
        self.one = ratio[measure]
        self.goals = sorted(wanted, key=lambda row: not row["held"])
        result = stats.find(benchmark, self.peer)
        cost = result.get(f"{measure}_ns") if result else None
        self.cost = words.duration(cost["median"]) if cost else ""

    def goal_text(self):
        if not self.goals:
            return ""
        row = self.goals[0]
        word = "goal" if row["held"] else "aim"
        return f"{word} {words.number(goal_ratio(row))}: {row['state']}"

    def values(self):
        return [self.one["q1"], self.one["q3"], *map(goal_ratio, self.goals)]


class Group:
    """One benchmark by one measure."""

    def __init__(self, benchmark, judged, measure, only_goals):
        self.name, self.rows = benchmark["name"], []
        for ratio in benchmark["ratios"]:
            if measure not in ratio or "size" in ratio:
                continue
            wanted = [row for row in judged if row["benchmark"] == self.name
                      and row["peer"] == ratio["peer"] and row.get("ours") == ratio.get("ours")
                      and row.get("measure") == measure and "median" in row]
            if wanted or not (only_goals or ratio.get("extra")):
                self.rows.append(Row(benchmark, ratio, wanted, measure))
        ours = stats.find(benchmark, stats.OURS)
        cost = ours and ours.get(f"{measure}_ns")
        kind = "CPU" if measure == "cpu" else "time"
        self.lines = [f"{kind} per {benchmark['operation']}",
                      f"ours: {words.duration(cost['median'])}" if cost else ""]
        self.height = max(ROW * len(self.rows), 3 * 15) + GAP

    def near(self):
        return all(NEAR[0] <= value <= NEAR[1] for row in self.rows for value in row.values())


def groups_of(benchmarks, judged, only_goals=False):
    """Benchmarks without sizes, by their own measure, and by another that a goal is about."""
    made = []
    for benchmark in benchmarks:
        measures = [benchmark["measure"]]
        measures += sorted({row["measure"] for row in judged if "median" in row
                            and row["benchmark"] == benchmark["name"]
                            and row["measure"] not in measures})
        for measure in measures:
            group = Group(benchmark, judged, measure, only_goals or measure != measures[0])
            if group.rows:
                made.append(group)
    return made


class Columns:
    """Where things are, from left to right."""

    def __init__(self, width):
        self.name, self.peer = MARGIN, 200
        self.left, self.right = 320, width - 460
        self.ratio, self.cost, self.goal = width - 440, width - 212, width - 196
        self.end = width - MARGIN


def legend(svg, columns, y):
    """What the marks mean."""
    svg.marker("circle", columns.left + 4, y - 4, chart.INK, 4)
    svg.text(columns.left + 14, y, "median of rounds", 11, chart.FAINT)
    svg.line(columns.left + 116, y - 4, columns.left + 140, y - 4, chart.INK, 4)
    svg.text(columns.left + 146, y, "quartiles", 11, chart.FAINT)
    svg.line(columns.left + 210, y - 10, columns.left + 210, y + 3, chart.INK, 2)
    svg.text(columns.left + 217, y, "goal", 11, chart.FAINT)
    svg.line(columns.left + 256, y - 10, columns.left + 256, y + 3, chart.INK, 2, "2 2")
    svg.text(columns.left + 263, y, "aim", 11, chart.FAINT)


def heads(svg, columns, y):
    for x, text, anchor in (columns.name, "benchmark", "start"), (columns.peer, "peer", "start"), \
            (columns.ratio, "peer / ours (quartiles)", "start"), \
            (columns.cost, "peer takes", "end"), (columns.goal, "wanted", "start"):
        svg.text(x, y, text, 11, chart.FAINT, anchor)


def scale_of(groups, columns):
    values = [value for group in groups for row in group.rows for value in row.values()]
    low, high = min([*values, 0.92]) * 0.98, max([*values, 1.2]) * 1.02
    return chart.Scale(low, high, columns.left, columns.right, log=True)


def draw_row(svg, row, scale, columns, y, look):
    colour, shape = look
    middle = y + ROW / 2
    name = row.label + (" *" if row.separate else "")
    svg.text(columns.peer, middle + 4, name, 12)
    svg.line(scale(row.one["q1"]), middle, scale(row.one["q3"]), middle, colour, 4)
    svg.marker(shape, scale(row.one["median"]), middle, colour)
    for wanted in row.goals:
        x = scale(goal_ratio(wanted))
        svg.line(x, middle - 8, x, middle + 8, chart.INK, 2, None if wanted["held"] else "2 2")
    svg.text(columns.ratio, middle + 4, words.ratio_spread(row.one), 12)
    svg.text(columns.cost, middle + 4, row.cost, 12, anchor="end")
    svg.text(columns.goal, middle + 4, row.goal_text(), 11, chart.FAINT)


def draw_section(svg, groups, columns, y):
    """Groups on one axis; returns where they end."""
    scale = scale_of(groups, columns)
    end = y + sum(group.height for group in groups)
    for value in chart.log_ticks(scale, 34):
        x = scale(value)
        svg.line(x, y, x, end, chart.FAINT if value == 1 else chart.GRID, 1.4 if value == 1 else 1)
        svg.text(x, end + 14, words.number(value), 11, chart.FAINT, "middle")
    for group in groups:
        svg.line(columns.name, y, columns.end, y, chart.GRID, 1)
        svg.text(columns.name, y + 17, group.name, 13, bold=True)
        for number, text in enumerate(group.lines):
            svg.text(columns.name, y + 32 + 14 * number, text, 11, chart.FAINT)
        looking = looks([row.peer for row in group.rows])
        top = y + (group.height - ROW * len(group.rows)) / 2
        for number, row in enumerate(group.rows):
            draw_row(svg, row, scale, columns, top + ROW * number, looking[row.peer])
        y += group.height
    one = scale(1)
    svg.text(one + 8, end + 30, "ours takes less →", 11, chart.FAINT)
    if one - columns.left > 110:
        svg.text(one - 8, end + 30, "← peer takes less", 11, chart.FAINT, "end")
    return end + 44


def draw(groups, title, width=1200, explained=True):
    """The picture, or None if there is nothing to draw."""
    if not groups:
        return None
    sections = [[group for group in groups if group.near()],
                [group for group in groups if not group.near()]]
    sections = [section for section in sections if section]
    notes = []
    if any(row.separate for group in groups for row in group.rows):
        notes.append("* a process of its own, in turn with ours; the others are interleaved with "
                     "ours round by round in one process")
    height = 34 + sum(group.height for group in groups) + 50 * len(sections) + 16 * len(notes)
    svg = chart.Svg(width, height, title)
    columns = Columns(width)
    heads(svg, columns, 18)
    if explained:
        legend(svg, columns, 18)
    y = 28
    for section in sections:
        y = draw_section(svg, section, columns, y) + 4
    for note in notes:
        svg.text(MARGIN, y + 8, note, 11, chart.FAINT)
        y += 16
    return svg
