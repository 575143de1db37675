#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-channel: bounded, in order, drained after a close, woken by a shutdown; nothing lost. Prints TAP."""
import errno
import os
import sys

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

CLOSED, SHUT, LATE = (os.strerror(number) for number in (errno.EPIPE, errno.ESHUTDOWN, errno.ETIME))
SHOWN = [
    ("the third waits until one is received, first in first out",
     ["sent 1: ok", "sent 2: ok", "two places are taken", "received 1", "sent 3: ok"]),
    ("who does not wait is told that it is full", ["fourth, not waiting: " + LATE]),
    ("closed, it drains, then says so",
     ["closed, sent: " + CLOSED, "received 2", "received 3", "received none: " + CLOSED]),
    ("a shutdown wakes each sender once", ["sender a: " + SHUT, "sender b: " + SHUT]),
    ("what was in it is dropped", ["what was in it: " + SHUT]),
    ("a shutdown wakes each receiver once", ["receiver a: " + SHUT, "receiver b: " + SHUT]),
]
# producers, consumers, items, capacity
MANY = [(3, 2, 1000, 4), (1, 1, 1, 1), (32, 1, 100, 1), (1, 32, 1000, 64), (32, 32, 1000, 3)]
WRONG = [["1"], ["1", "1", "1"], ["0", "1", "1", "1"], ["1", "33", "1", "1"], ["1", "1", "1", "0"],
         ["1", "1", "x", "1"], ["1", "1", "1", "1", "1"]]


def many(tap, build, numbers, arguments):
    producers, _, items, _ = numbers
    wanted = f"many: received {producers * items}, sum {producers * items * (items - 1) // 2}, out of order 0"
    status, output, error = program.run(build, "channel", *arguments)
    last = (output.decode().splitlines() or [""])[-1]
    good = status == 0 and last == wanted
    tap.say(good, "channel: {} producers, {} consumers, {} items, {} places".format(*numbers),
            [] if good else [f"status {status}", last, error])


def main(argv):
    tap = program.Tap()
    status, output, error = program.run(argv[1], "channel")
    if status == program.CANNOT:
        tap.say(True, "channel", skip=error.strip())
    else:
        lines = output.decode().splitlines()
        tap.say(status == 0 and error == "", "channel: ends with 0", [error])
        for name, wanted in SHOWN:
            seen, lines = lines[:len(wanted)], lines[len(wanted):]
            tap.say(seen == wanted, "channel: " + name, [] if seen == wanted else seen)
        tap.say(len(lines) == 1, "channel: nobody wakes twice", lines[:-1])
        many(tap, argv[1], MANY[0], [])
        for numbers in MANY:
            many(tap, argv[1], numbers, [str(number) for number in numbers])
        for arguments in WRONG:
            status, output, error = program.run(argv[1], "channel", *arguments)
            good = status == 2 and output == b"" and error != ""
            tap.say(good, f"channel: refuses {arguments}", [] if good else [f"status {status}", error])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
