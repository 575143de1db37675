# SPDX-License-Identifier: MIT
"""The timed program, built in build/bench, with the liburing that was asked for."""

import collections
import glob
import json
import os
import shlex
import shutil
import subprocess
import tempfile

import debian
import programs

TOP = programs.TOP
FOLDER = os.path.join(TOP, "build", "bench")
TIMED = os.path.join(FOLDER, "bench", "timed", "timed")
OPTIONS = ["--buildtype=release", "-Dbenchmarks=true", "-Dtests=disabled", "-Dexamples=false",
           "-Dtools=false"]
NEWEST, INSTALLED = "newest", "installed"
SUITE = "sid"

# path: for -Dliburing; told: where it is from; problem: why it is not what was asked for
Liburing = collections.namedtuple("Liburing", "path told problem", defaults=(None,))


class BuildError(Exception):
    """What does not build, with the end of the output."""


def copy(source, target, ignore=None):
    shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)


def merge(uring, shared, headers, triplet, target):
    """liburing, static and shared, and the kernel's headers that its own include, in one folder."""
    include = os.path.join(target, "usr", "include")
    libraries = os.path.join("usr", "lib", triplet)
    for name in "linux", "asm-generic":
        copy(os.path.join(headers, "usr", "include", name), os.path.join(include, name))
    copy(os.path.join(headers, "usr", "include", triplet, "asm"), os.path.join(include, "asm"))
    copy(os.path.join(uring, "usr", "include"), include)
    # What links to a shared library is left out: programs take the static one.
    copy(os.path.join(uring, libraries), os.path.join(target, libraries),
         shutil.ignore_patterns("*.so*"))
    for path in glob.glob(os.path.join(glob.escape(shared), "usr", "lib", "*", "liburing.so.*.*")):
        shutil.copy(path, os.path.join(target, libraries))


def newest(lab):
    """The folder of Debian's newest liburing, and its version; LabError if it cannot be had."""
    uring = lab.newest(SUITE, "liburing-dev")
    shared = lab.newest(SUITE, r"liburing\d+")
    headers = lab.newest(SUITE, "linux-libc-dev")
    target = os.path.join(lab.cache, "liburing", f"{uring.version}-{headers.version}-{uring.arch}")
    triplet = programs.TRIPLETS.get(uring.arch)
    if triplet is None:
        raise debian.LabError(f"no liburing is known for {uring.arch}")
    with lab.locked("liburing"):
        if not os.path.isdir(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # Whole or not at all.
            work = tempfile.mkdtemp(dir=os.path.dirname(target), prefix=".new-")
            try:
                merge(lab.extract(uring), lab.extract(shared), lab.extract(headers), triplet,
                      work)
                os.rename(work, target)
            except (OSError, shutil.Error) as error:
                raise debian.LabError(f"liburing {uring.version} and linux-libc-dev "
                                      f"{headers.version} cannot be put together ({error})")
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return Liburing(target, f"Debian {SUITE}, liburing-dev {uring.version}")


def holds_liburing(path):
    return all(glob.glob(os.path.join(glob.escape(path), "**", name), recursive=True)
               for name in ("liburing.h", "liburing.a"))


def find_liburing(wanted, say):
    """What was asked for, or the installed one with the reason why."""
    if wanted == INSTALLED:
        return Liburing("", "installed")
    if wanted != NEWEST:
        return Liburing(os.path.abspath(wanted), "a folder that was given")
    try:
        return newest(debian.Debian(say=say))
    except debian.LabError as error:
        problem = f"Debian's newest liburing cannot be had: {error}"
        say(f"{problem}; the installed one serves, if there is one")
        return Liburing("", "installed", problem)


def run(command, what):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, cwd=TOP, check=False)
    except OSError as error:
        raise BuildError(f"{what}: {command[0]} cannot be started ({error.strerror})")
    if done.returncode:
        raise BuildError(f"{what}:\n" + "\n".join(done.stdout.splitlines()[-30:]))
    return done.stdout


def configured():
    return os.path.exists(os.path.join(FOLDER, "build.ninja"))


def build(liburing, say):
    """Configure and compile; the path of the program."""
    say("building")
    again = ["--reconfigure"] if configured() else []
    run(["meson", "setup", *again, FOLDER, *OPTIONS, f"-Dliburing={liburing.path}"],
        "the benchmarks cannot be configured")
    return compile_timed()


def compile_timed():
    run(["ninja", "-C", FOLDER, "bench/timed/timed"], "the benchmarks do not build")
    return TIMED


def compile_all():
    run(["ninja", "-C", FOLDER], "the libraries do not build")


def for_list(say):
    """The program as it was configured last, or with the installed liburing: names need no more."""
    if not configured():
        return build(Liburing("", "installed"), say)
    return compile_timed()


def compiler():
    """What compiled the program: its name, version and optimisation, or None."""
    try:
        with open(os.path.join(FOLDER, "compile_commands.json"), encoding="utf-8") as file:
            entry = next(one for one in json.load(file) if one["file"].endswith("timed/main.c"))
        words = shlex.split(entry["command"])
        name = words[1] if os.path.basename(words[0]) == "ccache" else words[0]
        said = run([name, "--version"], "no compiler")
    except (OSError, BuildError, ValueError, KeyError, StopIteration, IndexError):
        return None
    version = said.splitlines()[0]
    if version.startswith("cc ") and "Free Software Foundation" in said:
        version = "g" + version  # it calls itself by the name that it is called by
    levels = [word for word in words if word.startswith("-O")]
    return " ".join([version, *levels[-1:]])
