#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build each fuzz target with clang's libFuzzer, ASan and UBSan, run it shortly, print TAP.

    check_fuzz.py [SECONDS [TARGET...]]

Inputs that were found stay under tests/fuzz/corpus/TARGET only if that folder
exists; a failing input is shown as hexadecimal digits.
"""
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/fuzz")
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src"), "-I" + HERE]


def compile_library(folder):
    """The library's objects, once for all targets."""
    def compile_one(source):
        made = os.path.join(folder, os.path.basename(source)[:-2] + ".o")
        subprocess.run(["clang"] + FLAGS + ["-fsanitize=fuzzer-no-link", "-c", "-o", made, source],
                       check=True)
        return made
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sorted(glob.glob(os.path.join(ROOT, "src/*.c")))))


def run(name, seconds, folder, library):
    """The reason why target @name fails, or None."""
    program = os.path.join(folder, name)
    built = subprocess.run(["clang"] + FLAGS + ["-fsanitize=fuzzer", "-o", program,
                                                os.path.join(HERE, name + ".c")] + library,
                           capture_output=True, text=True)
    if built.returncode:
        return built.stderr
    corpus = os.path.join(folder, "corpus-" + name)
    os.mkdir(corpus)
    kept = os.path.join(HERE, "corpus", name)
    done = subprocess.run([program, f"-max_total_time={seconds}", "-max_len=512", "-print_final_stats=1",
                           "-artifact_prefix=" + folder + "/", corpus] +
                          ([kept] if os.path.isdir(kept) else []),
                          capture_output=True, text=True, timeout=int(seconds) + 120)
    for line in done.stderr.splitlines():
        if "number_of_executed_units" in line:
            print(f"# {name}: {line.split()[-1]} executions")
    if not done.returncode:
        return None
    reason = done.stderr
    for path in glob.glob(folder + "/crash-*") + glob.glob(folder + "/leak-*"):
        with open(path, "rb") as file:
            reason += "\ninput: " + file.read().hex()
    return reason


def main(argv):
    seconds = argv[1] if len(argv) > 1 else "3"
    names = argv[2:] or sorted(name[:-2] for name in os.listdir(HERE) if name.endswith(".c"))
    print("1..%d" % len(names))
    if shutil.which("clang") is None:
        for number, name in enumerate(names, 1):
            print("ok %d - %s # SKIP clang is not installed" % (number, name))
        return
    with tempfile.TemporaryDirectory() as folder:
        library = compile_library(folder)
        for number, name in enumerate(names, 1):
            reason = run(name, seconds, folder, library)
            print("%sok %d - %s" % ("not " if reason else "", number, name))
            for line in (reason or "").splitlines()[-60:]:
                print("# " + line)


if __name__ == "__main__":
    main(sys.argv)
