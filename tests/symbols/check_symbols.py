#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the built library imports, exports and may write to, with gcc and
clang, debug and release, and for three other architectures. Prints TAP."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(ROOT, "include")
ONLY_LIBRARY = ["-Dtests=disabled", "-Dexamples=false", "-Dtools=false", "--werror"]
# The third column: options, such as a distribution's hardening, that must not bring imports.
NATIVE = [("gcc", "debug", ""), ("gcc", "release", ""), ("clang", "debug", ""),
          ("clang", "release", ""), ("gcc", "release", "-Dc_args=-fstack-protector-all"),
          ("gcc", "debug", "-Dchecks=true"), ("clang", "release", "-Dchecks=true")]
CROSS = [("aarch64", "aarch64-linux-gnu-"), ("riscv64", "riscv64-linux-gnu-"),
         ("i686", "i686-linux-gnu-")]

# What the C compiler's own start files bring into a shared library.
CRT_WEAK = re.compile(r"_ITM_\w+|__cxa_finalize|__gmon_start__|__(de)?register_frame_info\w*")
CRT_DATA = re.compile(r"__dso_handle|__TMC_END__|completed\.\d+|object\.\d+|"
                      r"__frame_dummy_init_array_entry|__do_global_dtors_aux_fini_array_entry")
# A thunk that every i386 object with position independent code may hold.
THUNK = re.compile(r"__x86\.get_pc_thunk\.\w+")
# Written by the dynamic linker only, then read-only.
RELOCATED = re.compile(r"\.(data\.rel\.ro\S*|dynamic|got|got\.plt|init_array|fini_array)$")

# Not optimised, it exports weak copies of every inline function it uses.
CPLUSPLUS = r"""
#include <oring.h>
#include <stdio.h>

int main()
{
	struct oring ring;
	int ret = oring_init(&ring, 8, NULL);
	unsigned int done = 0;

	if (ret < 0)
		return fprintf(stderr, "oring_init: %d\n", ret), 1;
	for (int i = 0; i < 100; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&ring);
		uint32_t cursor, end;
		const struct oring_cqe *cqe;

		oring_prep_nop(sqe);
		oring_sqe_set_context(sqe, oring_context_handle(ORING_OP_NOP, i, 1));
		if (oring_submit_and_wait(&ring, 1) != 1)
			return 2;
		oring_cq_for_each (&ring, cursor, end, cqe)
			done += cqe->res == 0 &&
				oring_context_index(oring_cqe_context(cqe)) == (uint32_t)i;
		oring_cq_release_to(&ring, cursor);
	}
	return oring_exit(&ring) == 0 && done == 100 ? 0 : 3;
}
"""


class CommandFailed(Exception):
    pass


def run(*command, env=None):
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    if result.returncode:
        output = "\n".join((result.stdout + result.stderr).splitlines()[-30:])
        raise CommandFailed(f"{' '.join(command)}: exit {result.returncode}\n{output}")
    return result.stdout


def build(folder, *options, compiler=None, targets=()):
    """Set up and build; CommandFailed if that does not work."""
    env = {name: value for name, value in os.environ.items()
           if name not in ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CC", "CXX")}
    if compiler:
        env["CC"] = compiler
    run("meson", "setup", folder, ROOT, *options, env=env)
    run("ninja", "-C", folder, "-j", "2", *targets, env=env)


def shared_of(folder):
    found = [path for path in glob.glob(os.path.join(folder, "liboring.so.*"))
             if os.path.isfile(path) and not os.path.islink(path)]
    if len(found) != 1:
        raise CommandFailed(f"{len(found)} shared libraries instead of 1")
    return found[0]


# ---- what the library should export ----

def declared():
    """Functions that the headers declare, as the compiler sees them."""
    with tempfile.TemporaryDirectory() as folder:
        info = os.path.join(folder, "info")
        unit = os.path.join(folder, "unit.c")
        with open(unit, "w", encoding="utf-8") as file:
            file.write("#include <oring.h>\n")
        run("gcc", f"-I{INCLUDE}", "-fsyntax-only", "-aux-info", info, unit)
        with open(info, encoding="utf-8") as file:
            lines = [line for line in file if line.startswith(f"/* {INCLUDE}/")]
    return {re.search(r"(\w+) \(", line).group(1) for line in lines}


def mapped():
    with open(os.path.join(ROOT, "src", "oring.map"), encoding="utf-8") as file:
        return set(re.findall(r"^\s+(\w+);$", file.read(), flags=re.M))


def differences(one, has, other, lacks):
    return [f"{name}: {has}, {lacks}" for name in sorted(one - other)]


# ---- what the library is ----

def hooks_in(path, tools=""):
    return re.findall(r"\boring_external_\w+", run(tools + "nm", "-a", path))


class Library:
    def __init__(self, folder, tools=""):
        self.tools, self.shared = tools, shared_of(folder)
        self.static = os.path.join(folder, "liboring.a")

    def nm(self, *arguments):
        """(type, name) of each symbol."""
        for line in run(self.tools + "nm", *arguments).splitlines():
            match = re.fullmatch(r"(?:[0-9a-f]+)?\s+([A-Za-z?]) (\S+)", line)
            if match and not match.group(2).startswith("$"):  # ARM's mapping symbols
                yield match.group(1), match.group(2).split("@")[0]

    def readelf(self, what, path):
        return run(self.tools + "readelf", what, path).splitlines()

    def imports(self):
        return sorted(name for kind, name in self.nm("-D", "-u", self.shared)
                      if not (kind == "w" and CRT_WEAK.fullmatch(name)))

    def static_imports(self):
        symbols = list(self.nm(self.static))
        made = {name for kind, name in symbols if kind not in "Uwv"}
        needed = {name for kind, name in symbols if kind in "Uwv"}
        return sorted(needed - made - {"_GLOBAL_OFFSET_TABLE_"})

    def writable(self):
        """Writable sections of the objects, and writable symbols of the shared library."""
        found = []
        for line in self.readelf("-SW", self.static):
            match = re.match(r"\s+\[ *\d+\] (\S+)\s+\S+\s+\w+ \w+ (\w+) \w+ +([A-Z]+) ", line)
            if match and "W" in match.group(3) and int(match.group(2), 16) \
                    and not RELOCATED.match(match.group(1)):
                found.append(f"section {match.group(1)} of {int(match.group(2), 16)} bytes")
        for line in run(self.tools + "objdump", "-t", self.shared).splitlines():
            match = re.match(r"[0-9a-f]+ .{7} (\.t?(?:data|bss)|\*COM\*)\s+[0-9a-f]+\s+"
                             r"(?:\S+ )?(\S+)$", line)
            if match and not match.group(2).startswith((".", "$")) \
                    and not CRT_DATA.fullmatch(match.group(2)):
                found.append(f"symbol {match.group(2)} in {match.group(1)}")
        return found

    def constructors(self):
        names = re.findall(r"\] (\.(?:preinit|init|fini|ctors|dtors)\S*)",
                           "\n".join(self.readelf("-SW", self.static)))
        return [f"section {name}" for name in names]

    def hooks(self):
        """Of the build whose system calls a test answers, whatever their kind, in either library."""
        return sorted({name for path in (self.static, self.shared) for name in hooks_in(path, self.tools)})

    def exports(self):
        return {name for kind, name in self.nm("-D", "--defined-only", self.shared)
                if kind != "A"}

    def static_globals(self):
        return sorted({name for kind, name in self.nm(self.static)
                       if (kind.isupper() and kind != "U" or kind in "vwu")
                       and not THUNK.fullmatch(name)})

    def own_relocations(self):
        """Dynamic relocations that name a symbol of the library itself."""
        own = {name for kind, name in self.nm(self.shared) if kind in "TtDdRrWV"}
        return [line for line in self.readelf("-rW", self.shared)
                if re.match(r"[0-9a-f]{8}", line) and own & set(re.findall(r"\w+", line))]

    def soname(self):
        match = re.search(r"SONAME\).*\[(.*)\]", "\n".join(self.readelf("-dW", self.shared)))
        return match.group(1) if match else None


def check_library(tap, name, library):
    def none(what, found):
        tap.say(not found, f"{name}: {what}", found)

    none("the shared library imports nothing", library.imports())
    none("the static library imports nothing", library.static_imports())
    none("there is nothing to write to", library.writable())
    none("there is no constructor", library.constructors())
    none("there is no hook in system calls (ORING_EXTERNAL_CALLS)", library.hooks())
    exports, functions = library.exports(), declared()
    none("exports are what the headers declare and oring.map says",
         differences(functions, "declared", exports, "not exported")
         + differences(exports, "exported", functions, "not declared")
         + differences(functions, "declared", mapped(), "not in oring.map")
         + differences(mapped(), "in oring.map", functions, "not declared")
         + ([] if functions else ["no function was found in the headers"]))
    none("global names of the static library begin with oring_",
         [symbol for symbol in library.static_globals() if not symbol.startswith("oring_")])
    none("calls within the shared library stay within", library.own_relocations())


def check_soname(tap, library):
    with open(os.path.join(INCLUDE, "oring", "version.h"), encoding="utf-8") as file:
        number = re.search(r"^#define\s+ORING_ABI\s+(\d+)", file.read(), flags=re.M).group(1)
    soname, wanted = library.soname(), f"liboring.so.{number}"
    tap.say(soname == wanted, "the soname ends in ORING_ABI", [] if soname == wanted else [f"it is {soname}, not {wanted}"])


def check_cplusplus(tap, folder, library):
    name = "a C++ program without optimisation runs on the shared library"
    if shutil.which("g++") is None:
        tap.say(True, name, skip="no g++")
        return
    unit, program = os.path.join(folder, "unit.cc"), os.path.join(folder, "unit")
    with open(unit, "w", encoding="utf-8") as file:
        file.write(CPLUSPLUS)
    try:
        os.symlink(library.shared, os.path.join(folder, library.soname()))
        run("g++", "-O0", f"-I{INCLUDE}", unit, library.shared, "-rdynamic", f"-Wl,-rpath,{folder}",
            "-o", program)
        weak = [symbol for kind, symbol in library.nm("-D", program) if kind in "WV"
                and symbol in library.exports()]
        run(program)
    except CommandFailed as error:
        tap.say(False, name, [str(error)])
        return
    tap.say(bool(weak), name, [] if weak else ["it exports no weak copy: nothing was tried"])


def check_hooks_are_found(tap):
    """With the macro they are there, in each file that enters the kernel: else nm would show nothing."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = []
        for name in "sys", "ring", "setup", "reg":
            unit = os.path.join(folder, f"{name}.o")
            run("gcc", "-c", "-O2", "-DORING_EXTERNAL_CALLS", f"-I{INCLUDE}", f"-I{os.path.join(ROOT, 'src')}",
                os.path.join(ROOT, "src", f"{name}.c"), "-o", unit)
            wrong += [] if hooks_in(unit) else [f"{name}.c with the macro: no hook was found"]
    tap.say(not wrong, "with ORING_EXTERNAL_CALLS, which only tests/fault has, hooks are found", wrong)


def check_native(tap):
    for compiler, kind, option in NATIVE:
        name = f"{compiler} {kind}" + (f" {option}" if option else "")
        if shutil.which(compiler) is None:
            tap.say(True, name, skip=f"no {compiler}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "build")
            try:
                build(target, f"--buildtype={kind}", *ONLY_LIBRARY,
                      *([option] if option else []), compiler=compiler)
                library = Library(target)
                check_library(tap, name, library)
                if (compiler, kind, option) == NATIVE[0]:
                    check_soname(tap, library)
                    check_cplusplus(tap, folder, library)
            except CommandFailed as error:
                tap.say(False, f"{name}: builds", [str(error)])


# ---- other architectures ----

def static_programs(folder, cross):
    """Build every program of the tree with libc linked in; their paths."""
    build(folder, *cross, "-Dtests=disabled", "-Dc_link_args=-static", targets=["liboring.a"])
    targets = json.loads(run("meson", "introspect", "--targets", folder))
    programs = [os.path.relpath(target["filename"][0], folder) for target in targets
                if target["type"] == "executable"]
    if programs:
        run("ninja", "-C", folder, "-j", "2", *programs)
    return [os.path.join(folder, program) for program in programs]


def is_static(tools, program):
    return "INTERP" not in run(tools + "readelf", "-lW", program)


def check_smoke(tap, name, tools, folder, library):
    program = os.path.join(folder, "smoke32")
    run(tools + "gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
        f"-I{INCLUDE}", os.path.join(HERE, "smoke32.c"), library.static, "-o", program)
    tap.say(is_static(tools, program), f"{name}: a program links statically")
    if name == "i686" and os.uname().machine in ("x86_64", "i686"):
        output = run(program)
        tap.say(output.endswith("ok\n"), f"{name}: it runs", [output])


def check_cross(tap):
    for name, tools in CROSS:
        if shutil.which(tools + "gcc") is None:
            tap.say(True, name, skip=f"no {tools}gcc")
            continue
        cross = ["--cross-file", os.path.join(ROOT, "tools", "cross", f"{name}.ini"),
                 "--buildtype=release"]
        with tempfile.TemporaryDirectory() as folder:
            stage = "builds"
            try:
                target = os.path.join(folder, "build")
                build(target, *cross, *ONLY_LIBRARY)
                library = Library(target, tools)
                check_library(tap, name, library)
                if name == "aarch64":
                    outline = [symbol for _, symbol in library.nm(library.static)
                               if symbol.startswith("__aarch64_")]
                    tap.say(not outline, f"{name}: no outlined atomics", outline)
                stage = "a small program"
                check_smoke(tap, name, tools, folder, library)
                stage = "the tree's programs link statically"
                programs = static_programs(os.path.join(folder, "programs"), cross)
                count = Counter(is_static(tools, program) for program in programs)
                tap.say(not count[False], f"{name}: {stage} ({count[True]})",
                        skip=None if programs else "there is none")
            except CommandFailed as error:
                tap.say(False, f"{name}: {stage}", [str(error)])


def main():
    tap = Tap()
    check_hooks_are_found(tap)
    check_native(tap)
    check_cross(tap)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
