# SPDX-License-Identifier: MIT
"""Building and running the fuzz targets: what check_fuzz.py and tools/fuzz share.

A target is a file fuzz_*.c here: libFuzzer, with ASan and UBSan. Its seeds are
the files of corpus/TARGET; what a run finds is elsewhere until keep() merges it.
Two more make their input by themselves, from a seed that they tell: programs
(programs.c, random programs on the real kernel) and texts (texts.py, what parses).
"""
import concurrent.futures
import dataclasses
import glob
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/fuzz")
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-DORING_CHECKS", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src"), "-I" + HERE]
# Committed seeds of one target.
MOST_FILES = 200
MOST_BYTES = 100 * 1024
# libFuzzer's own limits: for one input, and for the process.
LIMITS = ["-max_len=512", "-timeout=10", "-rss_limit_mb=1024"]
GRACE = 120  # seconds beyond its time after which a run is ended


@dataclasses.dataclass
class Result:
    """What one run of one target came to."""
    target: str
    seconds: float = 0.0
    executions: int = 0
    edges: int = 0  # code that was reached
    features: int = 0  # the same with how often
    corpus: int = 0  # inputs that reach all of it
    findings: int = 0
    note: str = ""  # of targets without edges: what they did
    reason: str = ""  # of failing


# TAP on their output, and the number of executions before one of these words.
OTHERS = {"programs": "programs", "texts": "texts"}


def targets():
    return [*OTHERS] + sorted(name[:-2] for name in os.listdir(HERE)
                  if name.startswith("fuzz_") and name.endswith(".c"))


def missing():
    """Why nothing can run here, or None."""
    return None if shutil.which("clang") else "clang is not installed"


def seeds(target):
    return os.path.join(HERE, "corpus", target)


def build(names, folder, jobs):
    """Programs of targets @names in @folder: {name: None, or the compiler's complaint}."""
    def compile_one(source):
        made = os.path.join(folder, os.path.basename(source)[:-2] + ".o")
        done = subprocess.run(["clang"] + FLAGS + ["-fsanitize=fuzzer-no-link", "-c", "-o", made, source],
                              capture_output=True, text=True)
        return made, done.stderr if done.returncode else ""

    def link(name):
        if name == "texts":
            return None
        if name == "programs":  # the library as it is: a sanitizer does not see what the kernel writes
            made = subprocess.run(["clang", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
                                   *(flag for flag in FLAGS if flag.startswith("-I")), "-o",
                                   os.path.join(folder, name), os.path.join(HERE, "programs.c"),
                                   *sorted(glob.glob(os.path.join(ROOT, "src/*.c")))],
                                  capture_output=True, text=True)
            return made.stderr if made.returncode else None
        made = subprocess.run(["clang"] + FLAGS + ["-fsanitize=fuzzer", "-o", os.path.join(folder, name),
                                                   os.path.join(HERE, name + ".c")] + library,
                              capture_output=True, text=True)
        return made.stderr if made.returncode else None

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        objects = list(pool.map(compile_one, sorted(glob.glob(os.path.join(ROOT, "src/*.c")))))
        complaints = "".join(complaint for _, complaint in objects)
        if complaints:
            return dict.fromkeys(names, complaints)
        library = [made for made, _ in objects]
        return dict(zip(names, pool.map(link, names)))


def status(log):
    """(executions, edges, features, corpus) of libFuzzer's last line that tells them."""
    found = re.findall(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)", log, re.M)
    return tuple(int(number) for number in found[-1]) if found else (0, 0, 0, 0)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def run_other(target, seconds, folder):
    """The same as run(), of one that is not libFuzzer's."""
    command = [sys.executable, os.path.join(HERE, "texts.py")] if target == "texts" else \
        [os.path.join(folder, target)]
    result, begin = Result(target), time.monotonic()
    try:
        done = subprocess.run([*command, str(int(seconds))], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=seconds + 2 * GRACE)
        text, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as expired:
        text, code = f"{expired.stdout}\nit did not end", 1
    result.seconds = time.monotonic() - begin
    said = re.search(r"^# (seed \d+: (\d+) " + OTHERS[target] + ".*)", text, re.M)
    if said:
        result.note, result.executions = said.group(1), int(said.group(2))
    skip = re.search(r"# SKIP (.*)", text)
    if skip:
        result.note = "skipped: " + skip.group(1)
    if code:
        result.findings = max(1, len(re.findall(r"^# finding", text, re.M)))
        result.reason = text
    return result


def run(target, seconds, folder, progress=None):
    """Run a target that build() made in @folder; what it finds is in @folder too.

    @progress, if given, is called each minute with a Result so far.
    """
    if target in OTHERS:
        return run_other(target, seconds, folder)
    found = os.path.join(folder, "corpus-" + target)
    artifacts = os.path.join(folder, "findings-" + target)
    os.makedirs(found, exist_ok=True)
    os.makedirs(artifacts, exist_ok=True)
    command = [os.path.join(folder, target), f"-max_total_time={int(seconds)}", "-print_final_stats=1",
               *LIMITS, "-artifact_prefix=" + artifacts + "/", found]
    command += [seeds(target)] if os.path.isdir(seeds(target)) else []
    log, begin, result = os.path.join(folder, target + ".log"), time.monotonic(), Result(target)
    with open(log, "w", encoding="utf-8") as file:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        while child.poll() is None:
            result.seconds = time.monotonic() - begin
            if result.seconds > seconds + GRACE:
                result.reason = "it did not end\n"
                break
            try:
                child.wait(min(60, seconds + GRACE))
            except subprocess.TimeoutExpired:
                result.executions, result.edges, result.features, result.corpus = status(read(log))
                if progress:
                    progress(result)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    text = read(log)
    result.seconds = time.monotonic() - begin
    result.executions, result.edges, result.features, result.corpus = status(text)
    executed = re.search(r"number_of_executed_units:\s*(\d+)", text)
    if executed:
        result.executions = int(executed.group(1))
    inputs = sorted(glob.glob(os.path.join(artifacts, "*")))
    result.findings = len(inputs)
    if child.returncode or inputs:
        result.findings = max(1, result.findings)
        result.reason += "\n".join(text.splitlines()[-60:])
        for path in inputs:
            with open(path, "rb") as file:
                result.reason += "\ninput: " + file.read().hex()
    return result


def small_enough(paths):
    return len(paths) <= MOST_FILES and sum(os.path.getsize(path) for path in paths) <= MOST_BYTES


def keep(target, folder):
    """Merge what a run found into the committed seeds; how many there are then.

    As few inputs as reach all that is reached; where those are too many, as reach
    all edges; where those are, the shortest.
    """
    if target in OTHERS:
        return 0
    found, kept = os.path.join(folder, "corpus-" + target), seeds(target)
    os.makedirs(kept, exist_ok=True)
    for options in [], ["-use_counters=0"]:
        merged = os.path.join(folder, "merged-" + target)
        shutil.rmtree(merged, ignore_errors=True)
        os.mkdir(merged)
        subprocess.run([os.path.join(folder, target), "-set_cover_merge=1", *options, *LIMITS,
                        merged, kept, found], check=True, stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=600)
        paths = sorted(glob.glob(os.path.join(merged, "*")), key=os.path.getsize)
        if small_enough(paths):
            break
    while not small_enough(paths):
        paths.pop()
    shutil.rmtree(kept)
    os.makedirs(kept)
    for path in paths:
        shutil.copy(path, kept)
    return len(paths)
