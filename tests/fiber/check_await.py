#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-await: what waiting for a fiber's end gives, line by line. Prints TAP."""
import errno
import os
import sys

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

# Names of what is shown, and the lines that show it.
SHOWN = [
    ("two that wait both wake, in order, once", ["seven ends", "first that waits: 7", "second that waits: 7"]),
    ("a result stays after its fiber's end", ["after its end: 7"]),
    ("a handle is stale when its record is another's", ["its record is another's: " + os.strerror(errno.ESTALE)]),
    ("a fiber that awaits itself gets an error", ["itself: " + os.strerror(errno.EDEADLK)]),
    ("one that is cancelled before it began never runs",
     ["cancelled before it began, await: 0",
      "cancelled before it began, value: " + os.strerror(errno.ECANCELED),
      "cancelled again: " + os.strerror(errno.EALREADY)]),
    ("one that is cancelled while it reads takes nothing, and the file goes on",
     ["cancelled while it read: " + os.strerror(errno.ECANCELED), f"the next that reads there: {ord('x')}"]),
]


def main(argv):
    tap = program.Tap()
    status, output, error = program.run(argv[1], "await")
    if status == program.CANNOT:
        tap.say(True, "await", skip=error.strip())
    else:
        lines = output.decode().splitlines()
        tap.say(status == 0 and error == "", "await: ends with 0", [error])
        for name, wanted in SHOWN:
            seen, lines = lines[:len(wanted)], lines[len(wanted):]
            tap.say(seen == wanted, "await: " + name, [] if seen == wanted else seen)
        tap.say(lines == [], "await: nothing else is said", lines)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
