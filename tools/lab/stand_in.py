# SPDX-License-Identifier: MIT
"""Source of a library in whose place each function fails.

Criterion draws differences of strings by libgit2, which brings fifteen libraries more. Each test is
a process of its own, and most of its time would go into linking them: under emulation, and under
AddressSanitizer too. As a program: `stand_in.py LIBRARY PREFIX` prints what LIBRARY needs whose name
begins with PREFIX; with a path as third argument it writes the source there.
"""
import re
import subprocess
import sys


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], check=True, capture_output=True, text=True).stdout


def needed(path, prefix=""):
    """Names of the libraries that this ELF file needs."""
    return [name for name in re.findall(r"\(NEEDED\).*\[(.+?)\]", readelf(path, "-d")) if name.startswith(prefix)]


def source(name, user):
    """C of the functions that @user takes from the library @name."""
    prefix = re.match(r"lib([a-z]+)", name).group(1) + "_"
    functions = sorted(set(re.findall(rf" UND ({prefix}\w+)", readelf(user, "--dyn-syms"))))
    return "".join(f"int {function}(void);\nint {function}(void) {{ return -1; }}\n" for function in functions)


def main(library, prefix, output=None):
    for name in needed(library, prefix):
        if output is None:
            print(name)
        else:
            with open(output, "w", encoding="utf-8") as file:
                file.write(source(name, library))


if __name__ == "__main__":
    main(*sys.argv[1:])
