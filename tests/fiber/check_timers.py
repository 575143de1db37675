#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-timers: what fires, fires in order of time, and not too early. Prints TAP."""
import errno
import os
import sys

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

LATE, CANCELLED = os.strerror(errno.ETIME), os.strerror(errno.ECANCELED)
# After how many steps, and what is said.
WANTED = [
    (0, "no time at all: ok"),
    (0, "a time that is over: ok"),
    (0, "semaphore, not waiting: " + LATE),
    (1, "relative: ok"),
    (2, "absolute: ok"),
    (3, "relative: ok"),
    (4, "semaphore with a limit: " + LATE),
    (5, "sleep that was cancelled: " + CANCELLED),
    (6, "read with a limit: " + LATE),
    (7, "read that was cancelled: " + CANCELLED),
    (8, "absolute: ok"),
]
LEEWAY = 5000  # milliseconds, of a busy machine


def order(tap, build, step, arguments):
    status, output, error = program.run(build, "timers", *arguments)
    lines = [line.split(" ", 1) for line in output.decode().splitlines()]
    said = [line[1] for line in lines]
    good = status == 0 and error == "" and said == [wanted for _, wanted in WANTED]
    tap.say(good, f"timers: in order, {step} ms apart", [] if good else [f"status {status}", error, *said])
    early = [f"{line[0]} ms: {line[1]}" for line, (steps, _) in zip(lines, WANTED) if int(line[0]) < steps * step]
    tap.say(good and early == [], "timers: none comes too early", early)
    late = [f"{line[0]} ms: {line[1]}" for line, (steps, _) in zip(lines, WANTED)
            if int(line[0]) > steps * step + LEEWAY]
    tap.say(good and late == [], f"timers: none comes more than {LEEWAY} ms late", late)


def main(argv):
    tap = program.Tap()
    status, _, error = program.run(argv[1], "timers", "1")
    if status == program.CANNOT:
        tap.say(True, "timers", skip=error.strip())
    else:
        order(tap, argv[1], 50, [])
        order(tap, argv[1], 120, ["120"])
        for arguments in (["0"], ["x"], ["10001"], ["1", "2"]):
            status, output, error = program.run(argv[1], "timers", *arguments)
            good = status == 2 and output == b"" and error != ""
            tap.say(good, f"timers: refuses {arguments}", [] if good else [f"status {status}", error])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
