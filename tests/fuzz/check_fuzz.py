#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build each fuzz target (fuzzing.py says what they are), run it shortly, print TAP.

    check_fuzz.py [SECONDS [TARGET...]]

SECONDS are for all targets together. A failing input is shown as hexadecimal
digits. Long runs, and more seeds: tools/fuzz.
"""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import fuzzing  # noqa: E402 (found by the path above)
from tap import Tap  # noqa: E402


def main(argv):
    names = argv[2:] or fuzzing.targets()
    seconds = max(1, float(argv[1] if len(argv) > 1 else 60) / len(names))
    tap, reason = Tap(), fuzzing.missing()
    print(f"1..{len(names)}")
    if reason:
        for name in names:
            tap.say(True, name, skip=reason)
        return
    with tempfile.TemporaryDirectory() as folder:
        broken = fuzzing.build(names, folder, os.cpu_count())
        for name in names:
            if broken[name]:
                tap.say(False, name, [broken[name]])
                continue
            result = fuzzing.run(name, seconds, folder)
            said = result.note or f"{result.executions} executions, {result.edges} edges"
            skipped = result.note.startswith("skipped: ")
            tap.say(not result.findings, name, [said, result.reason], skip=skipped and said[9:] or None)


if __name__ == "__main__":
    main(sys.argv)
