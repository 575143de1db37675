#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bytes of text: what a copy loop adds to a static program, and the libraries.

Builds bench/size/copy_oring.c and copy_liburing.c (the same loop) and an empty program,
static, and lets both copy files before it weighs them. Text is what size(1) calls so:
code, constants and unwind tables.
Exit status: 0; 1 if something does not build or does not copy.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
COMPILER = os.environ.get("CC", "gcc")
FLAGS = ["-O2", "-static", "-ffunction-sections", "-Wl,--gc-sections"]
FILES = [b"", b"a", os.urandom(65536 * 8), os.urandom(65536 * 37 + 4711)]


def run(command):
    """Standard output of a command. Ends the program if the command fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"size.py: {' '.join(map(str, command))}: exit status {done.returncode}\n"
                 f"{done.stderr}")
    return done.stdout


def text_of(file):
    """Bytes of text; of an archive the sum of its members. None without the file."""
    if file is None or not file.exists():
        return None
    return int(run(["size", "-t", file]).splitlines()[-1].split()[0])


def build(program, source, *more):
    run([COMPILER, *FLAGS, "-o", program, source, *more])
    return program


def check_copies(program, directory):
    """Ends the program if a copy is not the same, or a missing source is no failure."""
    source, target = directory / "source", directory / "target"
    for content in FILES:
        source.write_bytes(content)
        target.write_bytes(b"what was there before")
        run([program, source, target])
        if target.read_bytes() != content:
            sys.exit(f"size.py: {program.name}: the copy of {len(content)} bytes is not the same")
    if subprocess.run([program, directory / "none", target], check=False).returncode != 1:
        sys.exit(f"size.py: {program.name}: a missing source is no failure")


# ---- where things are ----

def found_by_compiler(name):
    file = pathlib.Path(run([COMPILER, "-print-file-name=" + name]).strip())
    return file if file.is_absolute() else None


def first(folder, pattern):
    """A regular file below a folder, or None; links are followed."""
    return next((file for file in sorted(folder.rglob(pattern)) if file.is_file()), None)


def liburing_version(prefix):
    if prefix is None:
        done = subprocess.run(["pkg-config", "--modversion", "liburing"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        return done.stdout.strip() or "unknown"
    pc = first(prefix, "liburing.pc")
    lines = pc.read_text(encoding="utf-8").splitlines() if pc else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("Version:")),
                "unknown")


def find_liburing(prefix):
    """Its archive, shared library, compiler flags and version; None if it is not there."""
    if prefix is None:
        archive, shared, flags = (found_by_compiler("liburing.a"),
                                  found_by_compiler("liburing.so"), [])
    else:
        header = first(prefix, "liburing.h")
        archive, shared = first(prefix, "liburing.a"), first(prefix, "liburing.so*")
        flags = ["-I" + str(header.parent)] if header else []
        if header is None or archive is None:
            sys.exit(f"size.py: {prefix}: no liburing.h or no liburing.a")
    if archive is None:
        return None
    return {"archive": archive, "shared": shared, "flags": flags,
            "version": liburing_version(prefix)}


def build_type(folder):
    options = folder / "meson-info" / "intro-buildoptions.json"
    if not options.exists():
        return "unknown"
    return next((option["value"] for option in json.loads(options.read_text(encoding="utf-8"))
                 if option["name"] == "buildtype"), "unknown")


# ---- the report ----

def measure(folder, liburing, directory):
    empty = directory / "empty.c"
    empty.write_text("int main(void)\n{\n\treturn 0;\n}\n", encoding="utf-8")
    base = text_of(build(directory / "empty", empty))
    include = "-I" + str(HERE.parent / "include")
    programs = {"ours": build(directory / "copy_oring", HERE / "size" / "copy_oring.c", include,
                              folder / "liboring.a"), "liburing": None}
    if liburing:
        programs["liburing"] = build(directory / "copy_liburing",
                                     HERE / "size" / "copy_liburing.c", *liburing["flags"],
                                     liburing["archive"])
    for program in filter(None, programs.values()):
        check_copies(program, directory)
    adds = {name: program and text_of(program) - base for name, program in programs.items()}
    return base, [
        {"what": "copy loop, over an empty static program", **adds},
        {"what": "static library", "ours": text_of(folder / "liboring.a"),
         "liburing": text_of(liburing and liburing["archive"])},
        {"what": "shared library", "ours": text_of(folder / "liboring.so"),
         "liburing": text_of(liburing and liburing["shared"])},
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD_DIR", type=pathlib.Path,
                        help="made with -Dbuildtype=release")
    parser.add_argument("--liburing", metavar="PREFIX", type=pathlib.Path,
                        help="folder with another liburing than the installed one")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    options = parser.parse_args()

    if not (options.build / "liboring.a").exists():
        sys.exit(f"size.py: no {options.build / 'liboring.a'}: compile the build folder first")
    liburing = find_liburing(options.liburing)
    with tempfile.TemporaryDirectory() as directory:
        base, rows = measure(options.build, liburing, pathlib.Path(directory))
    report = {"compiler": run([COMPILER, "--version"]).splitlines()[0], "flags": " ".join(FLAGS),
              "buildtype": build_type(options.build),
              "liburing": liburing["version"] if liburing else None, "empty": base, "rows": rows}
    print(f"Bytes of text; {report['compiler']}, {report['flags']}; build folder: "
          f"{report['buildtype']}\n")
    print(f"{'':<42}{'ours':>10}{'liburing ' + (report['liburing'] or 'not installed'):>24}")
    for row in rows:
        print(f"{row['what']:<42}" + "".join(
            f"{'-' if row[name] is None else row[name]:>{width}}"
            for name, width in (("ours", 10), ("liburing", 24))))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n",
                                              encoding="utf-8")


if __name__ == "__main__":
    main()
