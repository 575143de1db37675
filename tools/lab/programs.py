# SPDX-License-Identifier: MIT
"""The test programs that a guest runs, built for its machine, and their libraries."""

import collections
import fcntl
import glob
import json
import os
import re
import subprocess

import debian
import stand_in

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SUITES = {"unit", "kernel", "fiber"}
LIMIT = 900  # seconds for one program
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "riscv64": "riscv64-linux-gnu"}
CPUS = {"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}
# Where Debian 12 has the libraries of the tests: these run there as they are.
# Elsewhere there is one static program instead.
SYSROOT_SUITE = "bookworm"
NO_CRITERION = {"riscv64"}

Program = collections.namedtuple("Program", "name path args")


class BuildError(debian.LabError):
    """The tests do not build: the end of the compiler's output."""


def build(command, what):
    """Run a command of the build; BuildError if it fails, LabError if it is not there."""
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                stdin=subprocess.DEVNULL, cwd=TOP)
    except OSError as error:
        raise debian.LabError(f"{what}: {command[0]} cannot be started ({error.strerror})")
    if result.returncode:
        raise BuildError(f"{what}:\n" + "\n".join(result.stdout.splitlines()[-30:]))
    return result.stdout


CROSS_FILE = """\
[binaries]
c = '{triplet}-gcc'
cpp = '{triplet}-g++'
ar = '{triplet}-ar'
strip = '{triplet}-strip'
pkgconfig = 'pkg-config'

[built-in options]
c_args = ['--sysroot={root}']
c_link_args = ['--sysroot={root}']

[properties]
sys_root = '{root}'
pkg_config_libdir = '{root}/usr/lib/{triplet}/pkgconfig:{root}/usr/share/pkgconfig'

[host_machine]
system = 'linux'
cpu_family = '{cpu}'
cpu = '{cpu}'
endian = 'little'
"""


def sysroot(lab, arch):
    """A folder with Criterion and what it needs for another machine, extracted only."""
    root = os.path.join(lab.cache, "sysroot", arch)
    stamp = os.path.join(root, "complete")
    with lab.locked(f"sysroot-{arch}"):
        if not os.path.exists(stamp):
            for package in lab.closure(SYSROOT_SUITE, ["libcriterion-dev"], arch):
                folder = lab.extract(package)
                for part in "lib", "usr/lib", "usr/include", "usr/share/pkgconfig":
                    if os.path.isdir(os.path.join(folder, part)):
                        os.makedirs(os.path.join(root, part), exist_ok=True)
                        build(["cp", "-a", os.path.join(folder, part, "."), os.path.join(root, part)],
                              "the sysroot cannot be made")
            with open(stamp, "w"):
                pass
    return root


def configure(lab, arch, folder):
    """The build folder's options, and the roots under which its libraries are."""
    options = ["-Dtests=enabled", "-Dexamples=true", "--buildtype=debugoptimized"]
    roots = ["/"]
    if arch != debian.architecture():
        root = sysroot(lab, arch)
        roots = [root]
        os.makedirs(folder, exist_ok=True)
        cross = os.path.join(folder, "cross.ini")
        text = CROSS_FILE.format(triplet=TRIPLETS[arch], root=root, cpu=CPUS[arch])
        with open(cross, "w", encoding="utf-8") as file:
            file.write(text)
        options += ["--cross-file", cross]
    again = ["--reconfigure"] if os.path.exists(os.path.join(folder, "build.ninja")) else []
    build(["meson", "setup", *again, folder, *options], f"the tests cannot be configured for {arch}")
    return roots


def criterion_programs(lab, arch, say):
    """([Program], roots of libraries), built in build/lab or build/lab-ARCH."""
    folder = os.path.join(TOP, "build", "lab" if arch == debian.architecture() else f"lab-{arch}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lab.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        say(f"building the tests for {arch}")
        roots = configure(lab, arch, folder)
        build(["ninja", "-C", folder], f"the tests cannot be built for {arch}")
        tests = json.loads(build(["meson", "introspect", "--tests", folder], "no list of tests"))
    programs = []
    for test in tests:
        suites = {suite.partition(":")[2] or suite for suite in test["suite"]}
        path = test["cmd"][0]
        if suites & SUITES and os.path.abspath(path).startswith(folder + os.sep):
            programs.append(Program(test["name"], path, test["cmd"][1:]))
    if not programs:
        raise debian.LabError(f"{folder} has no tests of the suites {', '.join(sorted(SUITES))}")
    return sorted(programs), roots


def compiler_for(arch):
    return "gcc" if arch == debian.architecture() else f"{TRIPLETS[arch]}-gcc"


def static_program(name, sources, arch, compiler, folder):
    """A program with the library in it and no other file, built with one call of the compiler."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}-{arch}")
    build([compiler, "-std=gnu11", "-O2", "-g", "-static", "-Wall", "-Wextra", "-Werror",
           "-Iinclude", "-Isrc", "-I.", "-o", path, *sources, *sorted(glob.glob(os.path.join(TOP, "src", "*.c")))],
          f"{name} cannot be built for {arch}")
    return path


def runner(arch, compiler, folder):
    """The static program over the rows of the table."""
    return static_program("rows_runner", [os.path.join(TOP, "tests", "lab", "rows_runner.c")],
                          arch, compiler, folder)


def cost_program(arch):
    """The static program that tools/kernel-lab cost runs."""
    path = static_program("cost", sorted(glob.glob(os.path.join(TOP, "bench", "cost", "*.c"))), arch,
                          compiler_for(arch), os.path.join(TOP, "build", "lab-cost"))
    return Program("cost", path, [])


def random_programs(arch, seconds):
    """The static program that tools/kernel-lab fuzz runs."""
    path = static_program("programs", [os.path.join(TOP, "tests", "fuzz", "programs.c")], arch,
                          compiler_for(arch), os.path.join(TOP, "build", "lab-fuzz"))
    return Program("programs", path, [str(seconds)])


def programs_for(lab, arch, say):
    """([Program], roots) of what a guest of this machine runs."""
    if arch in NO_CRITERION:
        say(f"building the runner for {arch}")
        folder = os.path.join(TOP, "build", f"lab-{arch}")
        return [Program("rows_runner", runner(arch, compiler_for(arch), folder), [])], ["/"]
    return criterion_programs(lab, arch, say)


def dynamic_parts(path):
    """(interpreter or None, names of the libraries) of one ELF file."""
    text = debian.run(["readelf", "-W", "-l", "-d", path], "binutils are needed")
    interpreter = re.search(r"Requesting program interpreter: ([^\]]+)\]", text)
    return interpreter and interpreter.group(1), re.findall(r"\(NEEDED\).*\[(.+?)\]", text)


def find_library(name, roots, arch):
    triplet = TRIPLETS[arch]
    for root in roots:
        for folder in f"lib/{triplet}", f"usr/lib/{triplet}", "lib", "usr/lib", "lib64", "usr/local/lib":
            path = os.path.join(root, folder, name)
            if os.path.exists(path):
                return path
    raise debian.LabError(f"library {name} for {arch} is in none of {', '.join(roots)}")


def make_stand_in(name, user, arch):
    """A library of this name in which each function that @user takes from it fails: see stand_in.py."""
    folder = os.path.join(TOP, "build", "lab-stand-ins", arch)
    os.makedirs(folder, exist_ok=True)
    source, path = os.path.join(folder, name + ".c"), os.path.join(folder, name)
    with open(source, "w", encoding="utf-8") as file:
        file.write(stand_in.source(name, user))
    build([compiler_for(arch), "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{name}", "-o", path, source],
          f"no stand-in for {name}")
    return path


STAND_INS = ("libgit2.so",)


def libraries(paths, roots, arch):
    """{path in the guest: file here} of all that these programs load when they start."""
    found, todo = {}, list(paths)
    while todo:
        user = todo.pop()
        interpreter, names = dynamic_parts(user)
        if interpreter and interpreter not in found:
            found[interpreter] = find_library(os.path.basename(interpreter), roots, arch)
        for name in names:
            place = f"/lib/{TRIPLETS[arch]}/{name}"
            if place not in found and not (interpreter and name == os.path.basename(interpreter)):
                found[place] = (make_stand_in(name, user, arch) if name.startswith(STAND_INS)
                                else find_library(name, roots, arch))
                todo.append(found[place])
    return found


def choose(programs, wanted):
    """The programs named, or all; a name that is none of them filters single tests (SUITE/NAME)."""
    names = {program.name for program in programs}
    picked = [name for name in wanted if name in names]
    filters = [name for name in wanted if name not in names]
    extra = []
    if filters:
        extra = ["--filter", filters[0] if len(filters) == 1 else f"@({'|'.join(filters)})"]
    return [program._replace(args=program.args + extra) for program in programs
            if not picked or program.name in picked], bool(filters)
