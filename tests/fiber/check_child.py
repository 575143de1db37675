#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-child: how children stop and end is told as waitpid() does, and nobody else waits. Prints TAP."""
import errno
import os
import signal
import sys

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

WANTED = [
    f"first: stopped by {int(signal.SIGSTOP)}",
    "first: continued",
    "first: exited with 7",
    "second: " + os.strerror(errno.ETIME),
    f"second: killed by {int(signal.SIGTERM)}",
    "no child any more: " + os.strerror(errno.ECHILD),
    "the other fiber went on: yes",
]


def main(argv):
    tap = program.Tap()
    status, output, error = program.run(argv[1], "child")
    if status == program.CANNOT:
        tap.say(True, "child", skip=error.strip())
    else:
        lines = output.decode().splitlines()
        good = status == 0 and error == ""
        tap.say(good, "child: ends with 0", [] if good else [f"status {status}", error])
        for number, wanted in enumerate(WANTED):
            seen = lines[number] if number < len(lines) else "nothing"
            tap.say(seen == wanted, "child: " + wanted, [] if seen == wanted else [seen])
        tap.say(len(lines) == len(WANTED), "child: nothing else is said", lines[len(WANTED):])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
