# SPDX-License-Identifier: MIT
"""Pictures as SVG text: axes, markers, lines, labels that do not lie on each other."""

import math
import xml.sax.saxutils

import words

INK, FAINT, GRID, PAPER = "#222222", "#595959", "#dddddd", "#ffffff"
# The palette of Okabe and Ito, without its yellow, which is faint on white. Colours are never
# alone: lines differ in their markers too, and have their names beside them.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#767676"
PALETTE = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY]
SHAPES = ["circle", "square", "triangle", "diamond", "down", "cross", "ring", "plus"]
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def escape(text):
    return xml.sax.saxutils.escape(str(text), {'"': "&quot;"})


class Svg:
    """A picture; coordinates are pixels from its upper left corner."""

    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self.parts = []

    def add(self, name, content=None, **attributes):
        named = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(coordinate(value))}"'
                        for key, value in attributes.items() if value is not None)
        self.parts.append(f"<{name}{named}/>" if content is None
                          else f"<{name}{named}>{escape(content)}</{name}>")

    def text(self, x, y, text, size=12, fill=INK, anchor="start", bold=False):
        """y is where its base line is."""
        if text:
            self.add("text", text, x=x, y=y, font_size=size, fill=fill,
                     text_anchor=None if anchor == "start" else anchor,
                     font_weight="bold" if bold else None)

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.0, dash=None):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width,
                 stroke_dasharray=dash)

    def path(self, points, stroke, width=1.8, dash=None):
        if len(points) > 1:
            self.add("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
                     fill="none", stroke=stroke, stroke_width=width, stroke_linejoin="round",
                     stroke_dasharray=dash)

    def polygon(self, points, fill, stroke=None):
        self.add("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), fill=fill,
                 stroke=stroke)

    def rect(self, x, y, width, height, fill, opacity=None):
        self.add("rect", x=x, y=y, width=width, height=height, fill=fill, fill_opacity=opacity)

    def marker(self, shape, x, y, colour, r=4.5):
        if shape == "circle":
            self.add("circle", cx=x, cy=y, r=r, fill=colour)
        elif shape == "ring":
            self.add("circle", cx=x, cy=y, r=r - 0.7, fill=PAPER, stroke=colour, stroke_width=1.8)
        elif shape == "square":
            self.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8, colour)
        elif shape == "diamond":
            self.polygon([(x, y - r * 1.2), (x + r * 1.2, y), (x, y + r * 1.2), (x - r * 1.2, y)],
                         colour)
        elif shape in ("triangle", "down"):
            up = -1 if shape == "triangle" else 1
            self.polygon([(x, y + up * r * 1.2), (x + r * 1.1, y - up * r * 0.9),
                          (x - r * 1.1, y - up * r * 0.9)], colour)
        else:
            turn = 0 if shape == "plus" else 1
            for a, b in ((r, r * turn), (-r * turn, r)):
                self.line(x - a, y - b, x + a, y + b, colour, 2.2)

    def render(self, standalone=True):
        """As a file, or as an element of a page."""
        space = ' xmlns="http://www.w3.org/2000/svg"'
        head = '<?xml version="1.0" encoding="utf-8"?>\n' if standalone else ""
        return (f'{head}<svg{space} width="{self.width:g}" height="{self.height:g}" '
                f'viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
                f'font-family="{escape(FONT)}">\n<title>{escape(self.title)}</title>\n'
                f'<rect width="{self.width:g}" height="{self.height:g}" fill="{PAPER}"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def coordinate(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


class Scale:
    """From values to pixels."""

    def __init__(self, low, high, start, end, log=False):
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def __call__(self, value):
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def holds(self, value):
        return self.low <= value <= self.high


def nice_ticks(high, count=5):
    """Ticks from 0 to at least @high; the last one is the end of the axis."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [step * i for i in range(math.ceil(high / step - 1e-9) + 1)]


RATIO_TICKS = [1, 2, 5, 1.5, 3, 1.2, 1.1, 7, 4, 1.3, 1.4, 1.05, 1.15, 1.7, 2.5, 1.25, 6, 8, 9, 1.6,
               1.8, 1.02]


def log_ticks(scale, apart):
    """Round numbers on a log axis, the roundest first, none nearer to another than @apart."""
    wanted = [1.0]
    lowest, highest = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    wanted += [10.0 ** power for power in range(lowest, highest + 1)]
    if scale.low > 0.3:
        wanted += [0.5, 0.8, 0.9, 0.7]
    for factor in RATIO_TICKS:
        wanted += [factor * 10.0 ** power for power in range(lowest - 1, highest + 1)]
    if scale.low > 0.7:
        wanted += [0.95, 0.85, 0.75]
    taken = []
    for value in wanted:
        if scale.holds(value) and all(abs(scale(value) - scale(other)) >= apart for other in taken):
            taken.append(value)
    return sorted(taken)


def size_ticks(sizes, scale, apart):
    """Sizes that are labelled: the ends, and between them what has room."""
    taken = []
    for size in [*sizes[-1:], *sizes[:1], *sizes[1:-1]]:
        if all(abs(scale(size) - scale(other)) >= apart for other in taken):
            taken.append(size)
    return sorted(taken)


def spread_out(wanted, apart, low, high):
    """Places near the wanted ones, in their order, none nearer to its neighbour than @apart."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [min(max(wanted[index], low), high) for index in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + apart)
    if places and places[-1] > high:
        places[-1] = high
        for index in reversed(range(len(places) - 1)):
            places[index] = min(places[index], places[index + 1] - apart)
    found = [0.0] * len(wanted)
    for place, index in zip(places, order):
        found[index] = place
    return found


def frame(svg, box, x_ticks, y_ticks, x_scale, y_scale, x_label=str, y_label=words.number):
    """Grid and numbers. @box: left, top, right, bottom. x_ticks: values that have a label."""
    left, top, right, bottom = box
    for value in y_ticks:
        y = y_scale(value)
        svg.line(left, y, right, y, GRID if value else FAINT, 1)
        svg.text(left - 6, y + 4, y_label(value), 11, FAINT, "end")
    for value in x_ticks:
        x = x_scale(value)
        svg.line(x, bottom, x, bottom + 4, FAINT, 1)
        svg.text(x, bottom + 16, x_label(value), 11, FAINT, "middle")
    svg.line(left, bottom, right, bottom, FAINT, 1)


def labels_beside(svg, x, lines, top, bottom, size=11):
    """Names at the ends of lines. @lines: (name, colour, shape, y at the end)."""
    places = spread_out([y for *_, y in lines], size + 3, top + 4, bottom - 2)
    for (name, colour, shape, y), place in zip(lines, places):
        if abs(place - y) > 3:
            svg.line(x + 3, y, x + 13, place, colour, 0.8)
        if shape == "dash":
            svg.line(x + 13, place, x + 23, place, colour, 1.6, "3 2")
        else:
            svg.marker(shape, x + 18, place, colour, 3.6)
        svg.text(x + 26, place + 4, name, size)
