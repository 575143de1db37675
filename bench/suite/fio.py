# SPDX-License-Identifier: MIT
"""fio's io_uring engine, and its t/io_uring, as peers of our cached 4 KiB reads.

They are programs of their own, so their rounds cannot lie between ours. A pair is a short
run of the timed program and then one of theirs; a ratio is made of the two of a pair.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile

import run
import stats
import words

DEPTHS = {"read4k-d32": 32, "read4k-d128": 128}
PAIRS = 5
ROUNDS = 5  # of ours, in a pair
SECONDS = 3
MIB = 64
FIO, T_IO_URING = "fio", "fio t/io_uring"
WHAT = {
    FIO: "its io_uring engine: registered buffers and file, as many submitted and reaped at once "
         "as the depth; its own bookkeeping, which grows with the depth, is in it",
    T_IO_URING: "registered buffers, file and ring, as many submitted and reaped at once as the "
                "depth",
}


def fio_command(path, depth):
    """No statistics of single reads are kept: they would be most of its work."""
    return ["fio", "--name=read", f"--filename={path}", f"--size={MIB}m", "--ioengine=io_uring",
            "--rw=randread", "--bs=4k", "--direct=0", "--invalidate=0", "--fadvise_hint=0",
            "--fixedbufs=1", "--registerfiles=1", f"--iodepth={depth}",
            f"--iodepth_batch_submit={depth}", "--iodepth_batch_complete_min=1",
            f"--iodepth_batch_complete_max={depth}", "--norandommap=1", "--gtod_reduce=1",
            "--thread=0", "--numjobs=1", "--time_based=1", f"--runtime={SECONDS}",
            "--output-format=json"]


def t_command(program, path, depth):
    return [program, f"-d{depth}", f"-s{depth}", f"-c{depth}", "-b4096", "-p0", "-B1", "-F1",
            "-X1", "-O0", "-R1", "-n1", f"-r{SECONDS + 1}", path]


def parse_fio(text):
    """(wall, CPU) in nanoseconds per read."""
    begin = text.find("{")  # warnings come before
    try:
        job = json.loads(text[begin:])["jobs"][0]
        wall = 1e9 / job["read"]["iops"]
        return wall, wall * (job["usr_cpu"] + job["sys_cpu"]) / 100
    except (ValueError, KeyError, IndexError, ZeroDivisionError, TypeError):
        raise run.RunError("fio printed no result that is understood")


def parse_t(text):
    """(wall, None): nanoseconds per read, of the middle one of its seconds but the first."""
    scale = {"": 1, "K": 1e3, "M": 1e6}
    rates = [float(number) * scale[unit] for number, unit in
             re.findall(r"^IOPS=([\d.]+)([KM]?),", text, re.MULTILINE)][1:]
    if not rates or min(rates) <= 0:
        raise run.RunError("t/io_uring printed no rates")
    return 1e9 / statistics.median(rates), None


def prepare(cpu):
    run.die_with_parent()
    os.sched_setaffinity(0, {cpu})


def output_of(command, cpu, folder):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              check=False, timeout=SECONDS * 10 + 30, cwd=folder,
                              preexec_fn=lambda: prepare(cpu))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise run.RunError(f"{command[0]} did not run ({error})")
    if done.returncode:
        raise run.RunError(f"{command[0]}: exit status {done.returncode}: "
                           f"{run.last_of(done.stderr or done.stdout)}")
    return done.stdout


def make_file(folder):
    """A file that is wholly in the page cache."""
    path = os.path.join(folder, "data")
    with open(path, "wb") as file:
        for _ in range(MIB):
            file.write(os.urandom(1 << 20))
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass
    return path


def peers(tree):
    """({name: function that measures}, {name: why it is absent})."""
    found, absent = {}, {}
    if shutil.which("fio"):
        found[FIO] = lambda path, depth, cpu: parse_fio(
            output_of(fio_command(path, depth), cpu, os.path.dirname(path)))
    else:
        absent[FIO] = "fio is not installed"
    program = os.path.join(os.path.abspath(tree), "t", "io_uring") if tree else None
    if program and os.access(program, os.X_OK):
        found[T_IO_URING] = lambda path, depth, cpu: parse_t(
            output_of(t_command(program, path, depth), cpu, os.path.dirname(path)))
    elif program:
        absent[T_IO_URING] = "it is not built in the tree that was given (make t/io_uring)"
    else:
        absent[T_IO_URING] = "no source tree of fio was given (--fio PATH)"
    return found, absent


def pair(name, function, path, method):
    """(ours, theirs): each (wall, CPU) in nanoseconds per read."""
    lines = run.measure(method.command(name, ROUNDS), method.limit, lambda line: None)
    ours = stats.find({"results": stats.collect(lines)["results"]}, stats.OURS)
    if ours is None:
        raise run.RunError("ours did not run beside it")
    theirs = function(path, DEPTHS[name], method.cpu)
    return (ours["wall_ns"]["median"], ours["cpu_ns"]["median"]), theirs


def row_of(peer, pairs):
    """The peer's result and its ratios, as stats.collect() has those of contenders."""
    result = {"contender": peer, "rounds": len(pairs), "separate": True}
    ratio = {"peer": peer, "rounds": len(pairs), "separate": True}
    for index, measure in enumerate(stats.MEASURES):
        both = [(ours[index], theirs[index]) for ours, theirs in pairs
                if ours[index] and theirs[index]]
        if both:
            result[f"{measure}_ns"] = stats.spread(theirs for _, theirs in both)
            ratio[measure] = stats.spread(theirs / ours for ours, theirs in both)
    return result, ratio


def add(benchmark, method, tree, progress, pairs=PAIRS):
    """fio's rows in a benchmark that was run. Returns what failed, in sentences."""
    found, absent = peers(tree)
    benchmark["contenders"] = {**benchmark.get("contenders", {}), **WHAT}
    benchmark["absent"] += [{"contender": name, "absent": why} for name, why in absent.items()]
    problems = []
    with tempfile.TemporaryDirectory(prefix="oring-bench-") as folder:
        path = make_file(folder) if found else None
        for peer, function in found.items():
            try:
                made = []
                for number in range(pairs):
                    progress.round(f"{peer}: pair {number + 1} of {pairs}")
                    made.append(pair(benchmark["name"], function, path, method))
            except run.RunError as error:
                problems.append(f"{peer} beside {benchmark['name']}: {error}")
                benchmark["absent"].append({"contender": peer, "absent": f"it failed: {error}"})
                continue
            result, ratio = row_of(peer, made)
            benchmark["results"].append(result)
            benchmark["ratios"].append(ratio)
            progress.say(f"{benchmark['name']}: {peer}: "
                         f"{words.duration(result['wall_ns']['median'])}; "
                         f"peer / ours: {words.ratio(ratio['wall']['median'])}")
    return problems
