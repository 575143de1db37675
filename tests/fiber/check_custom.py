#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-custom: it lives in the memory that it is given; mappings, pages and allocations stay. Prints TAP."""
import errno
import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

FIBERS = 40
CYCLES = 10000
FULL = os.strerror(errno.ENOBUFS)

# Preloaded: counts what is asked for between the first and the last look at /proc/self/maps.
COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static unsigned long asked, mapped, first[2], last[2], looks;

void *malloc(size_t n) { asked++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { asked++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { asked++; return __libc_realloc(p, n); }
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	void *(*next)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
	mapped++;
	return next(at, n, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	return mmap(at, n, protection, flags, fd, offset);
}
int open64(const char *path, int flags, ...)
{
	int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
	if (strcmp(path, "/proc/self/maps") == 0) {
		unsigned long *now = looks++ == 0 ? first : last;
		now[0] = asked;
		now[1] = mapped;
	}
	return next(path, flags, 0);
}
int open(const char *path, int flags, ...) { return open64(path, flags); }
__attribute__((destructor)) static void tell(void)
{
	fprintf(stderr, "looks %lu asked %lu mapped %lu of %lu\n", looks, last[0] - first[0],
		last[1] - first[1], asked);
}
"""


def sanitized(build):
    with open(os.path.join(build, "meson-info/intro-buildoptions.json")) as file:
        return next(o["value"] for o in json.load(file) if o["name"] == "b_sanitize") not in ("none", [])


def numbers(text, pattern):
    found = re.search(pattern, text, re.M)
    return [int(n) for n in found.groups()] if found else []


def allocations(tap, build):
    name = "custom: no allocation and no mapping after init"
    if sanitized(build):
        tap.say(True, name, skip="a sanitizer has its own malloc")
        return
    with tempfile.TemporaryDirectory() as folder:
        source, library = os.path.join(folder, "counter.c"), os.path.join(folder, "counter.so")
        with open(source, "w") as file:
            file.write(COUNTER)
        made = subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source, "-ldl"],
                              capture_output=True, text=True)
        if made.returncode != 0:
            tap.say(True, name, skip="no library of our own can be preloaded here")
            return
        status, _, error = program.run(build, "custom", env={**os.environ, "LD_PRELOAD": library})
    seen = numbers(error, r"^looks (\d+) asked (\d+) mapped (\d+) of (\d+)$")
    # All in all there was some: it does count.
    good = status == 0 and len(seen) == 4 and seen[0] == 3 and seen[1:3] == [0, 0] and seen[3] > 0
    tap.say(good, name, [] if good else [f"status {status}", error])


def main(argv):
    tap = program.Tap()
    status, output, error = program.run(argv[1], "custom")
    text = output.decode()
    if status == program.CANNOT:
        tap.say(True, "custom", skip=error.strip())
        print(f"1..{tap.count}")
        return 0
    tap.say(status == 0 and error == "", "custom: ends with 0", [error])
    lines = text.splitlines()
    for name, line in [
            ("memory that is too little is refused", "a byte too little: " + os.strerror(errno.EINVAL)),
            ("one more than fits is refused", f"fit: {FIBERS}, then: {FULL}"),
            ("all of them fit again", f"fit again: {FIBERS}, then: {FULL}"),
            ("as many stacks were used as there are", f"stacks used at once: {FIBERS}"),
            ("fibers came and went", f"cycles: {CYCLES}"),
            ("the user pointer is destroyed once", "user pointer destroyed: 7"),
            ("the memory is given back whole", "memory is the program's again")]:
        tap.say(lines.count(line) == 1, "custom: " + name, [] if line in lines else [text])
    for what in ("mappings", "resident pages"):
        seen = numbers(text, rf"^{what}: (\d+) before, (\d+) after$")
        good = len(seen) == 2 and seen[0] == seen[1] > 0
        tap.say(good, f"custom: {what} are constant over {CYCLES} fibers", [] if good else [text])
    default = numbers(text, r"^by default: (\d+) bytes$")
    page = os.sysconf("SC_PAGESIZE")
    # 64 stacks of 65536 bytes, each with a guard page, and the records.
    good = default != [] and 64 * (65536 + page) < default[0] < 64 * (65536 + page) + 65536 + page
    tap.say(good, "custom: the defaults are 64 stacks of 64 KiB", [] if good else [text])
    allocations(tap, argv[1])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
