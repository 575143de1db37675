# SPDX-License-Identifier: MIT
"""Which kernels there are, in which suites, and what their packages hold."""

import collections
import contextlib
import glob
import lzma
import os
import re
import subprocess

import debian

# The newest point release of a series is looked for in all of its suites.
SUITES = {
    "5.10": ["bullseye"],
    "6.1": ["bookworm"],
    "6.12": ["trixie", "bookworm-backports"],
    "6.18": ["trixie-backports"],
    "6.19": ["trixie-backports"],
    "7.0": ["trixie-backports"],
    "7.1": ["trixie-backports"],
    "7.2": ["trixie-backports", "sid"],
    "7.3": ["trixie-backports", "sid"],
    "newest": ["trixie-backports", "sid"],
}
ARCHES = {
    "amd64": list(SUITES),
    "arm64": ["6.12", "newest"],
    "riscv64": ["6.12", "newest"],
}
FLAVOURS = {"amd64": "cloud-amd64", "arm64": "cloud-arm64", "riscv64": "riscv64"}

# extra: the package with the modules, if that is not the one with the image
Kernel = collections.namedtuple("Kernel", "series arch release package extra")


def name_pattern(series, arch):
    """Names of the packages that hold the image of any point release of the series."""
    number = r"\d+\.\d+" if series == "newest" else re.escape(series)
    # Since 6.19 the linux-image package is empty and depends on this one.
    return rf"linux-(?:image|binary|binary-unsigned)-({number}\.\d[^-]*(?:-\d+)?-{FLAVOURS[arch]})"


def is_empty_package(name):
    version = re.match(r"linux-image-(\d+)\.(\d+)\.", name)
    return version is not None and tuple(map(int, version.groups())) >= (6, 19)


def resolve(lab, series, arch, say):
    """The newest Kernel of a series; LabError if none of its suites has one.

    A suite that cannot be had is passed over, and said, if another one serves.
    """
    pattern = name_pattern(series, arch)
    found, problems = [], []
    for suite in SUITES[series]:
        try:
            found += [package for package in lab.packages(suite, pattern, arch)
                      if not is_empty_package(package.name)]
        except debian.LabError as error:
            problems.append(str(error))
    package = debian.newest_of(found)
    if not package:
        problems = problems or [f"{', '.join(SUITES[series])} ({arch}) carry none"]
        raise debian.LabError(f"no kernel {series} for {arch}: " + "; ".join(problems))
    for problem in problems:
        say(f"{series}: chosen without one suite, since {problem}")
    release = re.fullmatch(pattern, package.name).group(1)
    extra = debian.newest_of(lab.packages(package.suite, re.escape(f"linux-modules-{release}"), arch))
    return Kernel(series, arch, release, package, [extra] if extra else [])


def is_cached(lab, kernel):
    return all(os.path.isdir(lab.folder_of(package)) for package in [kernel.package, *kernel.extra])


def files_of(lab, kernel):
    """(image, folders that hold modules)"""
    folders = [lab.extract(package) for package in [kernel.package, *kernel.extra]]
    image = None
    for pattern in "boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinuz*":
        for folder in folders:
            image = image or next(iter(glob.glob(os.path.join(folder, pattern))), None)
    if not image:
        raise debian.LabError(f"{kernel.package.name} {kernel.package.version} holds no kernel image")
    trees = [os.path.join(folder, prefix, kernel.release)
             for folder in folders for prefix in ("lib/modules", "usr/lib/modules")]
    return image, [tree for tree in trees if os.path.isdir(os.path.join(tree, "kernel"))]


def read_module(path):
    """A module's content, decompressed."""
    if path.endswith(".zst"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
        raise debian.LabError(f"{os.path.basename(path)} cannot be decompressed (package zstd)")
    with (lzma.open if path.endswith(".xz") else open)(path, "rb") as file:
        return file.read()


def needed_modules(content):
    """Names of the modules that a module says it needs."""
    match = re.search(rb"\0depends=([^\0]*)\0", content)
    return [name for name in match.group(1).decode().split(",") if name] if match else []


def modules(trees, wanted):
    """[(name, content)] of the wanted modules and what they need, in loading order.

    Those that are not there are left out: built in, or not in this kernel.
    """
    paths = {}
    for tree in trees:
        for folder, _, names in os.walk(os.path.join(tree, "kernel")):
            for name in names:
                match = re.fullmatch(r"(.+)\.ko(?:\.\w+)?", name)
                if match:
                    paths[match.group(1).replace("-", "_")] = os.path.join(folder, name)
    ordered = {}

    def add(name):
        name = name.replace("-", "_")
        if name in paths and name not in ordered:
            content = read_module(paths.pop(name))
            for needed in needed_modules(content):
                add(needed)
            ordered[name] = content

    for name in wanted:
        add(name)
    return list(ordered.items())
