#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fetch kernel headers of several releases: `SERIES VERSION PATH` for each.

Exit codes: 0 all are there; 3 some could not be had (said on stderr).
"""

import argparse
import os
import sys

import debian

# Where linux-libc-dev of a series is. The newest is the highest of several.
SUITES = {
    "6.1": ["bookworm"],
    "6.12": ["trixie"],
    "newest": ["trixie-backports", "sid"],
}


def say(text):
    print(f"headers.py: {text}", file=sys.stderr)


def header_of(lab, series):
    """(version, path of linux/io_uring.h); LabError if no suite of the series has it."""
    found, problems = [], []
    for suite in SUITES[series]:
        try:
            found.append(lab.newest(suite, "linux-libc-dev"))
        except debian.LabError as error:
            problems.append(str(error))
    if not found:
        raise debian.LabError("; ".join(problems))
    for problem in problems:
        say(f"{series}: chosen without one suite, since {problem}")
    package = debian.newest_of(found)
    path = os.path.join(lab.extract(package), "usr/include/linux/io_uring.h")
    if not os.path.exists(path):
        raise debian.LabError(f"{package.name} {package.version} holds no linux/io_uring.h")
    if series != "newest" and not package.version.startswith(series + "."):
        raise debian.LabError(f"{package.suite} now has {package.version}")
    return package.version, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--series", default=",".join(SUITES), help="default: %(default)s")
    wanted = parser.parse_args().series.split(",")
    unknown = sorted(set(wanted) - set(SUITES))
    if unknown:
        parser.error(f"no such series: {', '.join(unknown)} (there are {', '.join(SUITES)})")

    lab = debian.Debian(say=say)
    missing = False
    for series in wanted:
        try:
            print(series, *header_of(lab, series), flush=True)
        except debian.LabError as error:
            missing = True
            say(f"missing: headers of {series}: {error}")
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
