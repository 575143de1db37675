#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/bench: its statistics, its goals, its page, and where things go wrong. Nothing is
built, and fake_timed.py stands for the timed program. Prints TAP."""

import contextlib
import html.parser
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BENCH = os.path.join(TOP, "tools", "bench")
FAKE = os.path.join(HERE, "fake_timed.py")
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(TOP, "bench", "suite"), os.path.join(TOP, "tools", "lab")]

import build  # noqa: E402 (found by the path above)
import chart  # noqa: E402
import cli  # noqa: E402
import curves  # noqa: E402
import debian  # noqa: E402
import fio  # noqa: E402
import goals  # noqa: E402
import machine  # noqa: E402
import ratios  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import stats  # noqa: E402
import table  # noqa: E402
import words  # noqa: E402

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def check(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}")


def check_in(part, text):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def refused(error, function, *arguments):
    """What it says when it refuses."""
    try:
        function(*arguments)
    except error as problem:
        return str(problem)
    raise AssertionError("no error")


def bench(*arguments):
    """The command, where there is neither fio nor git nor a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(sys.executable, os.path.join(folder, "python3"))
        return subprocess.run([sys.executable, BENCH, *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, "PATH": folder})


def faked(*arguments):
    return bench("--timed", FAKE, *arguments)


RESULT = {}


def result():
    """Of one run of all that can be faked, made once."""
    if not RESULT:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "result.json")
            done = faked("--rounds", "21", "--json", path, "[!b]*", "bufring-*")
            check((done.returncode, done.stderr[-300:] if done.returncode else ""), (0, ""))
            with open(path, encoding="utf-8") as file:
                RESULT.update(json.load(file))
    return json.loads(json.dumps(RESULT))


def line(contender, number, wall, cpu=None, size=None, **more):
    made = {"bench": "x", "contender": contender, "round": number, "operations": 10,
            "wall_ns": wall * 10, "cpu_ns": (wall if cpu is None else cpu) * 10, **more}
    return made if size is None else {**made, "size": size}


def described(lines, name="x", measure="wall"):
    """A benchmark as run.one() has it."""
    return {"name": name, "what": "what it is", "operation": "NOP", "measure": measure,
            "contenders": {}, **stats.collect(lines)}


# ---- statistics ----

@test
def medians_and_quartiles():
    check(stats.spread([4, 1, 3, 2, 5]), {"median": 3, "q1": 2, "q3": 4})
    check(stats.spread([7]), {"median": 7, "q1": 7, "q3": 7})
    check(stats.spread([]), None)
    check(stats.inverse({"median": 2, "q1": 1, "q3": 4}), {"median": 0.5, "q1": 0.25, "q3": 1})


@test
def ratios_are_made_round_by_round():
    # Ours doubles from round to round, and the peer takes twice that each time: medians of
    # the two over each other would be off if a round were missing.
    lines = [line("ours", number, 10 * 2 ** number, 1) for number in range(5)]
    lines += [line("L1", number, 20 * 2 ** number, 3) for number in range(1, 5)]
    made = stats.collect(lines)
    check(made["ratios"], [{"peer": "L1", "rounds": 4, "wall": {"median": 2, "q1": 2, "q3": 2},
                            "cpu": {"median": 3, "q1": 3, "q3": 3}}])
    check(made["results"][0]["wall_ns"], {"median": 40, "q1": 20, "q3": 80})
    check(made["results"][0]["operations"], 10)


@test
def sizes_memory_and_notes():
    lines = [{"bench": "x", "contender": "ours", "size": 8, "resident_bytes": 4096,
              "charged_bytes": 8192}]
    lines += [line("ours", number, 10 + number, size=8, notes={"waits": number})
              for number in range(3)]
    lines += [line("ours", number, 2 * (10 + number), size=16) for number in range(3)]
    made = stats.collect(lines)
    first = made["results"][0]
    check((first["size"], first["resident_bytes"], first["charged_bytes"], first["notes"]),
          (8, 4096, 8192, {"waits": 1}))
    check(made["growth"]["wall"], {"cheapest": 8, "dearest": 16, "median": 2, "q1": 2, "q3": 2})
    check(stats.memory_kinds(made), ["resident_bytes", "charged_bytes"])


@test
def variants_of_ours_meet_their_like():
    names = ["ours", "ours-spin", "epoll", "epoll-spin", "L1-batch"]
    check([stats.ours_for(name, names) for name in names[2:]], ["ours", "ours-spin", "ours"])
    made = stats.collect([line(name, 0, 10 * (index + 1)) for index, name in enumerate(names)])
    shown = {(row["peer"], row.get("ours", "ours")): row["wall"]["median"]
             for row in stats.usual(made)}
    check(shown, {("ours-spin", "ours"): 2, ("epoll", "ours"): 3, ("epoll-spin", "ours-spin"): 2,
                  ("L1-batch", "ours"): 5})
    extra = {(row["peer"], row.get("ours", "ours")) for row in made["ratios"] if row.get("extra")}
    check(extra, {("epoll", "ours-spin"), ("epoll-spin", "ours"), ("L1-batch", "ours-spin")})


@test
def what_is_absent_has_no_numbers():
    made = stats.collect([line("ours", 0, 10), {"bench": "x", "contender": "L1",
                                                "absent": "built without liburing"}])
    check(made["absent"], [{"contender": "L1", "absent": "built without liburing"}])
    check((len(made["results"]), made["ratios"]), (1, []))


# ---- goals ----

def one_goal(goal, lines, measure="wall"):
    return goals.judge(goal, described(lines, goal.benchmark, measure))


@test
def a_goal_is_met_or_within_or_missed():
    goal = goals.Goal("x", "L1", goals.AT_LEAST, 1.5)
    for walls, state in ((15, 16, 17), goals.MET), ((13, 14, 18), goals.WITHIN), \
            ((13, 14, 14), goals.MISSED):
        lines = [line("ours", number, 10) for number in range(3)]
        lines += [line("L1", number, wall) for number, wall in enumerate(walls)]
        check(one_goal(goal, lines)["state"], state)


@test
def at_most_is_ours_over_the_peer():
    goal = goals.Goal("x", "epoll", goals.AT_MOST, 0.95, measure="cpu")
    for cpu, state in (10, goals.MET), (8, goals.MISSED):
        row = one_goal(goal, [line("ours", 0, 1, 9), line("epoll", 0, 1, cpu)])
        check((row["state"], round(row["median"], 4)), (state, 9 / cpu))


@test
def the_best_of_several_peers_counts_at_the_worst_size():
    goal = goals.Goal("x", ("send", "send_zc"), goals.AT_LEAST, 0.97)
    lines = [line("ours", 0, 100, size=8), line("send", 0, 99, size=8),
             line("send_zc", 0, 300, size=8),
             line("ours", 0, 100, size=16), line("send", 0, 200, size=16),
             line("send_zc", 0, 90, size=16)]
    row = one_goal(goal, lines)
    check((row["peer"], row["size"], row["state"], row["median"]),
          ("send_zc", 16, goals.MISSED, 0.9))


@test
def a_goal_without_its_peer_is_not_judged():
    goal = goals.Goal("x", "L1", goals.AT_LEAST, 1)
    check(one_goal(goal, [line("ours", 0, 1)])["state"], goals.ABSENT)
    check(goals.judge(goal, None)["state"], goals.NOT_RUN)
    broken = {**described([]), "failed": "it ended"}
    check(goals.judge(goal, broken)["state"], goals.NOT_RUN)


@test
def liburing_is_a_guard_everywhere():
    made = goals.collect([described([line("ours", 0, 100), line("L1", 0, 97),
                                     line("L1-batch", 0, 99)], "new")], everything=False)
    check([(row["peer"], row["goal"], row["state"]) for row in made],
          [("L1", 0.98, goals.MISSED), ("L1-batch", 0.98, goals.MET)])
    check([row["peer"] for row in goals.collect([described([line("ours", 0, 1), line("L1", 0, 1)],
                                                           "nop-1")], False)
           if row["goal"] == goals.GUARD], [])


@test
def growth_is_flat_or_not():
    lines = [line("ours", number, wall, size=size) for number in range(3)
             for size, wall in ((8, 100), (64, 104), (512, 110))]
    rows = [row for row in goals.collect([described(lines, "growth-ring")], False)
            if row["peer"] == "itself"]
    check([(row["state"], row["size"], row["cheapest"]) for row in rows], [(goals.MISSED, 512, 8)])
    check(goals.flatness(described(lines, "growth-cancel")), None)
    check(goals.flatness(described(lines, "sendzc-auto")), None)


@test
def goals_that_are_set_are_sound():
    for goal in goals.GOALS:
        check((goal.relation in (goals.AT_LEAST, goals.AT_MOST), goal.value > 0,
               goal.measure in (None, "wall", "cpu")), (True, True, True))
    pairs = [(goal.benchmark, goal.peer, goal.held) for goal in goals.GOALS]
    check(len(pairs), len(set(pairs)))
    check(sum(goal.held for goal in goals.GOALS), 17)


# ---- the page ----

class Balance(html.parser.HTMLParser):
    """Are all elements closed, and are their ids their own?"""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        for name, value in attrs:
            if name in ("src", "href") and not value.startswith("#"):
                raise AssertionError(f"{tag} takes {value}")

    def handle_endtag(self, tag):
        check(self.open.pop(), tag)

    def handle_data(self, data):
        self.text.append(data)


GATES = "\t".join(curves.GATE_COLUMNS) + """
2026-01-01\taaaaaaa\tFirst\tgcc (Debian 12.2.0-14) 12.2.0\tcall-1\t58.00\t60\t164 to 303\t54
2026-01-01\taaaaaaa\tFirst\tgcc (Debian 12.2.0-14) 12.2.0\tpush\t13.00\t14\t-\t12
2026-01-02\tbbbbbbb\tSecond <&>\tgcc (Debian 12.2.0-14) 12.2.0\tcall-1\t57.00\t60\t164 to 303\t54
2026-01-02\tbbbbbbb\tSecond <&>\tclang 14\tcall-1\t59.00\t60\t164 to 303\t54
a line that is none
"""


def gate_rows():
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(GATES)
        file.flush()
        return curves.read_gates(file.name)


def costs():
    with open(os.path.join(TOP, "bench", "results", "cost.json"), encoding="utf-8") as file:
        return json.load(file)


def page_of(made, gates=(), kernel=None):
    made["goals"] = goals.collect(made["benchmarks"])
    text = report.page(made, gates, kernel)
    balance = Balance()
    balance.feed(text)
    check(balance.open, [])
    check(len(balance.ids), len(set(balance.ids)))
    xml.etree.ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    return text, balance


@test
def the_page_has_every_benchmark():
    made = result()
    made["size"] = {"text_added": {"oring": 3211, "liburing": 12345}, "compiler": "gcc 12",
                    "libraries": {"liboring.a": {"text": 40000, "data": 8}},
                    "rows": [{"what": "copy loop", "ours": 8192, "liburing": None}]}
    text, balance = page_of(made, gate_rows(), costs())
    for benchmark in made["benchmarks"]:
        check_in(benchmark["name"], balance.ids)
        for contender in stats.contenders_of(benchmark):
            check_in(f">{contender}<", text.replace(" *<", "<"))
    for part in ("12,345", "liboring.a", "call-1", "Linux release", "Polled NVMe", "gate 60",
                 "65,536", "µs", "of 21 rounds", "3,211", "8,192", "ours, bytes"):
        check_in(part, text)
    for part in "<script", "http://", "https://":
        check(part in text.replace('xmlns="http://www.w3.org/2000/svg"', ""), False)


@test
def absent_peers_are_named():
    made = result()
    text, _ = page_of(made)
    plain = table.markdown(made)
    for words_of in ("this kernel has no MSG_RING", "built without libaio", "fio is not installed",
                     "no source tree of fio was given"):
        check_in(words_of, text)
        check_in(words_of, plain)
    check_in("No counts are committed yet", text)


@test
def a_failure_is_on_the_page():
    made = result()
    made["benchmarks"].append({"name": "broken", "what": "w <&>", "operation": "NOP",
                               "measure": "wall", "contenders": {}, "results": [], "ratios": [],
                               "absent": [], "failed": "it ended with <1>"})
    text, _ = page_of(made)
    check_in("It failed: it ended with &lt;1&gt;", text)
    check_in("it failed: it ended with <1>", table.markdown(made))


@test
def a_page_of_nothing():
    made = {**result(), "benchmarks": []}
    text, _ = page_of(made)
    check_in("Not in this result", text)


@test
def pictures_are_files_of_their_own():
    made = result()
    made["goals"] = goals.collect(made["benchmarks"])
    with tempfile.TemporaryDirectory() as folder:
        names = report.write(made, folder, gate_rows(), None, table.markdown(made))
        check(sorted(names), sorted(os.listdir(folder)))
        check(sorted(names), ["bench.html", "bench.md", "gates.svg", "growth.svg", "ratios.svg"])
        for name in names:
            if name.endswith(".svg"):
                root = xml.etree.ElementTree.parse(os.path.join(folder, name)).getroot()
                check(root.tag, "{http://www.w3.org/2000/svg}svg")
                inside(root)
    made["benchmarks"] = []
    check(set(report.pictures(made, []).values()), {None})


def width_of(text, size):
    """About, and rather less."""
    narrow = sum(char in "iljtf.,:;|()[] '" for char in text)
    return (len(text) - narrow / 2) * size * 0.52


def inside(root):
    """No text begins or ends outside of the picture, as far as widths can be told."""
    width, height = float(root.get("width")), float(root.get("height"))
    for one in root.iter("{http://www.w3.org/2000/svg}text"):
        x, y, size = (float(one.get(name)) for name in ("x", "y", "font-size"))
        wide = width_of(one.text, size)
        left = x - {"end": wide, "middle": wide / 2}.get(one.get("text-anchor"), 0)
        if left < -1 or left + wide > width + 1 or not size * 0.7 <= y <= height:
            raise AssertionError(f"{one.text!r} at {x}, {y} lies outside of {width} x {height}")


@test
def pictures_of_the_kernel_lie_inside():
    made = result()
    made["goals"] = goals.collect(made["benchmarks"])
    drawn = [curves.kernel_cost(costs()), curves.gates(gate_rows())]
    drawn += [ratios.draw(ratios.groups_of([one], made["goals"]), "x")
              for one in made["benchmarks"]]
    for svg in drawn:
        if svg is not None:
            inside(xml.etree.ElementTree.fromstring(svg.render(standalone=False)))


@test
def labels_do_not_lie_on_each_other():
    places = chart.spread_out([50, 51, 52, 10, 99, 98], 12, 0, 100)
    order = sorted(places)
    check(all(b - a >= 11.99 for a, b in zip(order, order[1:])), True)
    check((order[0] >= 0, order[-1] <= 100), (True, True))
    check([sorted(places).index(one) for one in places], [1, 2, 3, 0, 5, 4])


@test
def ticks_are_round():
    check(chart.nice_ticks(48), [0, 10, 20, 30, 40, 50])
    check(chart.log_ticks(chart.Scale(0.9, 300, 0, 400, log=True), 40)[0], 1)
    near = chart.log_ticks(chart.Scale(0.93, 1.4, 0, 400, log=True), 34)
    check((1 in near, 1.2 in near, len(near) <= 12), (True, True, True))
    check([curves.short_size(size) for size in (8, 1000, 1024, 65536, 1 << 20, 10000)],
          ["8", "1,000", "1 Ki", "64 Ki", "1 Mi", "10,000"])


@test
def each_contender_looks_its_own_way():
    names = ["ours", "bare", "L0", "L1", "epoll", "epoll-spin", "ours-spin", "L1-spin", "pread"]
    looks = ratios.looks(names)
    check(len(set(looks.values())), len(names))
    check(looks["L1"], ratios.looks(["L1"])["L1"])


@test
def numbers_for_people():
    check([words.duration(ns) for ns in (0.212, 46.42, 730, 24400, 5.9e6, 5.9e7)],
          ["0.212 ns", "46.4 ns", "730 ns", "24.4 µs", "5,900 µs", "59 ms"])
    check(words.ratio_spread({"median": 1.0564, "q1": 0.98, "q3": 12.34}), "1.056 (0.980 to 12.3)")


@test
def markdown_has_a_line_for_each_contender():
    text = table.markdown({**result(), "goals": []})
    for part in ("| **nop-1** | NOP | ours |", "|  |  | L1 |", "| ours: resident KiB |",
                 "- Processor: ", "- Polled NVMe"):
        check_in(part, text)


# ---- the machine ----

@test
def mitigations_are_told():
    with tempfile.TemporaryDirectory() as folder:
        for name, text in ("meltdown", "Not affected\n"), ("mds", "Vulnerable: no microcode\n"), \
                ("spectre_v2", "Mitigation: Retpolines; STIBP: disabled\n"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        found = machine.mitigations(folder)
    check(found["active"], {"spectre_v2": "Retpolines; STIBP: disabled"})
    check(machine.mitigations_in_words(found),
          "spectre_v2: Retpolines; STIBP: disabled; not mitigated: mds; 1 others do not affect "
          "this processor")
    check(machine.mitigations_in_words(machine.mitigations("/nowhere")), "the kernel tells of none")


@test
def the_machine_is_told():
    about = machine.describe("gcc 12", "2.15")
    told = dict(machine.lines(about))
    check_in(os.uname().release, told["Kernel"])
    check((told["Compiler"], told["liburing"]), ("gcc 12", "2.15"))
    check_in("none", dict(machine.lines({**about, "liburing": None}))["liburing"])
    check(machine.cpu_model("processor\t: 0\nmodel name\t: A CPU\n"), "A CPU")


# ---- liburing ----

class NoMirror:
    cache = "/nowhere"

    def newest(self, suite, name):
        raise debian.LabError(f"the index of {suite} cannot be fetched")


@test
def without_a_mirror_the_installed_liburing_serves():
    said = []
    kept, build.debian.Debian = build.debian.Debian, lambda say: NoMirror()
    try:
        found = build.find_liburing(build.NEWEST, said.append)
    finally:
        build.debian.Debian = kept
    check((found.path, found.told), ("", "installed"))
    check(found.problem, "Debian's newest liburing cannot be had: the index of sid cannot be "
                         "fetched")
    check(len(said), 1)


@test
def liburing_and_headers_become_one_folder():
    with tempfile.TemporaryDirectory() as folder:
        for path in ("uring/usr/include/liburing.h", "uring/usr/include/liburing/compat.h",
                     "uring/usr/lib/t/liburing.a", "uring/usr/lib/t/pkgconfig/liburing.pc",
                     "shared/usr/lib/t/liburing.so.2.15",
                     "libc/usr/include/linux/blkdev.h", "libc/usr/include/asm-generic/errno.h",
                     "libc/usr/lib/asm/errno.h"):
            path = os.path.join(folder, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8"):
                pass
        os.makedirs(os.path.join(folder, "libc/usr/include/t"))
        os.symlink("../../lib/asm", os.path.join(folder, "libc/usr/include/t/asm"))
        os.symlink("liburing.so.2", os.path.join(folder, "uring/usr/lib/t/liburing.so"))
        target = os.path.join(folder, "one")
        build.merge(*(os.path.join(folder, name) for name in ("uring", "shared", "libc")), "t",
                    target)
        check(build.holds_liburing(target), True)
        for path in "linux/blkdev.h", "asm/errno.h", "asm-generic/errno.h", "liburing/compat.h":
            check(os.path.isfile(os.path.join(target, "usr/include", path)), True)
        check(sorted(os.listdir(os.path.join(target, "usr/lib/t"))),
              ["liburing.a", "liburing.so.2.15", "pkgconfig"])
        check(build.holds_liburing(os.path.join(folder, "libc")), False)


# ---- fio ----

@test
def what_fio_prints():
    text = 'note: something\n' + json.dumps({"jobs": [
        {"read": {"iops": 500000.0}, "usr_cpu": 20.0, "sys_cpu": 70.0}]})
    check(fio.parse_fio(text), (2000, 1800))
    check_in("understood", refused(run.RunError, fio.parse_fio, "{}"))
    text = "IOPS=9.00M, BW=1MiB/s, IOS/call=32/32\nIOPS=500.00K, BW\nIOPS=250.00K, BW\n" \
           "IOPS=1.00M, BW\nMaximum IOPS=9.00M\n"
    check(fio.parse_t(text), (2000, None))
    check_in("no rates", refused(run.RunError, fio.parse_t, "IOPS=1.00M, BW\n"))


@test
def fio_is_a_peer_in_a_process_of_its_own():
    benchmark = next(one for one in result()["benchmarks"] if one["name"] == "read4k-d32")
    benchmark["absent"] = []
    kept = fio.peers
    fio.peers = lambda tree: ({fio.FIO: lambda path, depth, cpu: (depth * 100.0, None)},
                              {fio.T_IO_URING: "not given"})
    try:
        problems = fio.add(benchmark, run.Method(FAKE, 5, 0, 0), None,
                           run.Progress(io.StringIO(), 1), pairs=2)
    finally:
        fio.peers = kept
    check(problems, [])
    row = stats.find(benchmark, fio.FIO)
    check((row["separate"], row["rounds"], row["wall_ns"]["median"]), (True, 2, 3200))
    check("cpu_ns" in row, False)
    check(benchmark["absent"], [{"contender": fio.T_IO_URING, "absent": "not given"}])
    made = {**result(), "benchmarks": [benchmark]}
    text, _ = page_of(made)
    check_in("fio *", text)
    check_in("in turn with", text)


@test
def a_fio_that_fails_is_told():
    def fails(path, depth, cpu):
        raise run.RunError("fio: exit status 1: no engine")
    benchmark = next(one for one in result()["benchmarks"] if one["name"] == "read4k-d32")
    kept = fio.peers
    fio.peers = lambda tree: ({fio.FIO: fails}, {})
    try:
        problems = fio.add(benchmark, run.Method(FAKE, 5, 0, 0), None,
                           run.Progress(io.StringIO(), 1), pairs=1)
    finally:
        fio.peers = kept
    check(problems, ["fio beside read4k-d32: fio: exit status 1: no engine"])
    check_in({"contender": "fio", "absent": "it failed: fio: exit status 1: no engine"},
             benchmark["absent"])


# ---- the command ----

@test
def help_and_list():
    done = bench("--help")
    check(done.returncode, 0)
    check_in("exit status", done.stdout)
    done = faked("--list")
    check(done.returncode, 0)
    for part in "nop-1 ", "nop-1 as users write it (ours, bare, L0,", "; by entries (ours,":
        check_in(part, done.stdout)


@test
def wrong_usage_is_2():
    for arguments in ["--rounds", "0"], ["--rounds", "few"], ["no-such-benchmark"], ["--bogus"], \
            ["--cpu", "4711"], ["--liburing", "/nowhere"], ["--fio", "/nowhere"], \
            ["--from", "x", "nop-1"], ["--limit", "-1"]:
        done = faked(*arguments)
        check((arguments, done.returncode), (arguments, 2))
        check_in(" error: ", done.stderr)
    check_in("no benchmark no-such-benchmark (see --list)", faked("no-such-benchmark").stderr)


@test
def a_line_for_each_benchmark():
    done = faked("--rounds", "3", "nop-1", "growth-ring", "wake-*")
    check(done.returncode, 0)
    said = [text for text in done.stderr.splitlines() if "] " in text]
    check([text.split(":")[1].split("] ")[1] for text in said],
          ["nop-1", "wake-awake", "growth-ring"])
    check_in("[1/3] nop-1: ", said[0])
    check_in(" per NOP; peer / ours: bare ", said[0])
    check_in("absent: msg-ring", said[1])
    check_in("7 sizes, 8 to 32,768", said[2])
    check_in("absent: msg-ring: this kernel has no MSG_RING (in wake-awake)", done.stdout)
    check_in("peer / ours at least 1.27", done.stdout)
    check("nop-128" in done.stdout, False)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@test
def progress_on_a_terminal():
    stream = Terminal()
    progress = run.Progress(stream, 2)
    progress.begin("nop-1")
    progress.round("round 1 of 3: ours")  # too soon after the one before
    time.sleep(0.11)
    progress.round("round 2 of 3: ours")
    progress.end("done")
    check(stream.getvalue(), "\r\033[K[1/2] nop-1: opening\r\033[K[1/2] nop-1: round 2 of 3: ours"
                             "\r\033[Kbench: [1/2] nop-1: done\n")


@test
def what_fails_is_told_and_the_rest_runs():
    done = faked("--rounds", "2", "broken-exit", "broken-garbage", "nop-1")
    check(done.returncode, 1)
    check_in("bench: failed: broken-exit: exit status 1: timed: it is broken\n", done.stderr)
    check_in("bench: failed: broken-garbage: ", done.stderr)
    check_in("nop-1: time per NOP", done.stdout)


def failing(name, limit=20):
    benchmark = {"name": name, "what": "", "operation": "failure", "measure": "wall",
                 "contenders": {}}
    cpu, peer = run.cpus()
    return run.one(benchmark, run.Method(FAKE, 2, cpu, peer, limit),
                   run.Progress(io.StringIO(), 1))


@test
def each_way_to_fail_has_its_words():
    for name, part in ("exit", "exit status 1: timed: it is broken"), \
            ("garbage", "it printed what is no result: 'nonsense'"), \
            ("silent", "it measured nothing"), ("cut", "its last line is not whole"), \
            ("lacking", "it printed a result that lacks something"):
        made = failing(f"broken-{name}")
        check_in(part, made["failed"])
        check((made["results"], made["ratios"]), ([], []))
    check_in("cannot be started", refused(run.RunError, run.catalogue, "/nowhere/timed"))


@test
def what_hangs_is_ended():
    begin = time.monotonic()
    check(failing("broken-hang", 1)["failed"], "it did not end in 1 s")
    check(time.monotonic() - begin < 15, True)


@test
def raw_lines_only_where_they_are_wanted():
    with tempfile.TemporaryDirectory() as folder:
        raw, path = os.path.join(folder, "raw"), os.path.join(folder, "json")
        check(faked("--rounds", "4", "--raw", raw, "--json", path, "nop-1").returncode, 0)
        with open(raw, encoding="utf-8") as file:
            check(len(file.readlines()), 4 * 5)
        with open(path, encoding="utf-8") as file:
            made = json.load(file)
    check(sorted(made), ["absent", "benchmarks", "format", "goals", "machine", "method", "partial"])
    check((made["partial"], made["method"]["rounds"]), (True, 4))
    check("round\"" in json.dumps(made), False)
    check_in("fewer than the 21", report.method_lines(made["method"])[0])


@test
def an_earlier_result_makes_the_same_report():
    with tempfile.TemporaryDirectory() as folder:
        path, one, two = (os.path.join(folder, name) for name in ("json", "one", "two"))
        check(faked("--rounds", "3", "--json", path, "--report", one, "nop-*").returncode, 0)
        done = bench("--from", path, "--report", two)
        check(done.returncode, 0)
        check_in("bench.html", done.stderr)
        for name in os.listdir(one):
            with open(os.path.join(one, name), encoding="utf-8") as left, \
                    open(os.path.join(two, name), encoding="utf-8") as right:
                check((name, left.read() == right.read()), (name, True))
        with open(path, "w", encoding="utf-8") as file:
            file.write("{}")
        done = bench("--from", path)
        check(done.returncode, 1)
        check_in("holds no results", done.stderr)


@test
def a_missed_goal_changes_no_exit_status():
    made = result()
    for benchmark in made["benchmarks"]:
        for row in benchmark["ratios"]:
            row["wall"] = {"median": 0.5, "q1": 0.4, "q3": 0.6}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(made, file)
        done = bench("--from", path)
    check(done.returncode, 0)
    check_in("missed", done.stdout)


def main():
    failed = False
    for number, one in enumerate(TESTS, 1):
        name = one.__name__.replace("_", " ")
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                one()
            print(f"ok {number} - {name}")
        except Exception as error:  # a test that fails, however
            failed = True
            print(f"not ok {number} - {name}")
            for text in f"{type(error).__name__}: {error}".splitlines():
                print(f"# {text}")
        sys.stdout.flush()
    print(f"1..{len(TESTS)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
