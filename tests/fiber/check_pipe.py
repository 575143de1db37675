#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-pipe: bytes arrive as they were sent, whatever the pieces; a third fiber goes on meanwhile. Prints TAP."""
import re
import sys
import zlib

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

AHEAD = 1000  # turns of the third fiber before the first byte
WRONG = [["x"], ["-1"], ["1", "0"], ["1", "4097"], ["1", "2", "3"], ["99999999999999999999"], [""]]


def pattern(length):
    return bytes((i * 31 + (i >> 8)) & 0xff for i in range(length))


def check(tap, build, length, piece, arguments):
    """One run: what both sides saw, and how often the third fiber had its turn."""
    status, output, error = program.run(build, "pipe", *arguments)
    text = output.decode()
    sums = re.findall(r"^(writer|reader): (\d+) bytes, adler32 ([0-9a-f]{8})$", text, re.M)
    checksum = f"{zlib.adler32(pattern(length)):08x}"
    good = status == 0 and sums == [(side, str(length), checksum) for side in ("writer", "reader")]
    notes = [] if good else [f"status {status}, wanted {checksum}", text, error]
    tap.say(good, f"pipe: {length} bytes in pieces of {piece} arrive as they were sent", notes)
    turns = int((re.findall(r"^turns of the third fiber: (\d+)$", text, re.M) or ["0"])[0])
    # One at least for each piece: whoever moves it suspends itself alone.
    good = "nothing came yet: 0 bytes" in text and turns >= AHEAD + length // piece
    tap.say(good, f"pipe: the third fiber had {turns} turns", [] if good else [text])


def main(argv):
    tap = program.Tap()
    status, _, error = program.run(argv[1], "pipe", "0")
    if status == program.CANNOT:
        tap.say(True, "pipe", skip=error.strip())
    else:
        check(tap, argv[1], 1000000, 128, [])
        check(tap, argv[1], 3, 1, ["3", "1"])
        check(tap, argv[1], 100001, 4096, ["100001", "4096"])
        check(tap, argv[1], 0, 128, ["0"])
        for arguments in WRONG:
            status, output, error = program.run(argv[1], "pipe", *arguments)
            good = status == 2 and output == b"" and error != ""
            tap.say(good, f"pipe: refuses {arguments}", [] if good else [f"status {status}", error])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
