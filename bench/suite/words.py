# SPDX-License-Identifier: MIT
"""Numbers for people, with their units."""


def number(value):
    """Three digits, and commas between thousands."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration(nanoseconds):
    for limit, factor, unit in (1e4, 1, "ns"), (1e7, 1e3, "µs"), (1e10, 1e6, "ms"):
        if nanoseconds < limit:
            return f"{number(nanoseconds / factor)} {unit}"
    return f"{number(nanoseconds / 1e9)} s"


def ratio(value):
    """Near 1 thousandths matter."""
    return f"{value:.3f}" if value < 2 else f"{value:.2f}" if value < 10 else number(value)


def ratio_spread(one):
    """Median and quartiles."""
    return f"{ratio(one['median'])} ({ratio(one['q1'])} to {ratio(one['q3'])})"


def kib(count):
    """Bytes in KiB, without the unit; nothing of None."""
    return "" if count is None else f"{count / 1024:,.0f}"


def in_columns(rows):
    """Lines of text, their columns below each other."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
            for row in rows]
