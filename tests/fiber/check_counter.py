#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-counter: two fibers alternate strictly, in the order in which they were made. Prints TAP."""
import sys

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

WANTED = " ".join(f"{n} {n}" for n in range(11))


def main(argv):
    tap = program.Tap()
    status, output, error = program.run(argv[1], "counter")
    if status == program.CANNOT:
        tap.say(True, "counter", skip=error.strip())
    else:
        good = status == 0 and output.decode().split() == WANTED.split()
        tap.say(good, "counter: " + WANTED, [] if good else [f"status {status}", output.decode(), error])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
