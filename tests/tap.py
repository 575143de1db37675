# SPDX-License-Identifier: MIT
"""The Test Anything Protocol, for checks that are Python programs."""
import sys


class Tap:
    """Numbers the lines and remembers whether one failed; the caller prints the plan."""

    def __init__(self):
        self.count, self.failed = 0, False

    def say(self, ok, name, notes=(), skip=None):
        self.count += 1
        self.failed |= not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}"
              + (f" # SKIP {skip}" if skip else ""))
        for note in notes:
            for line in note.splitlines():
                print(f"# {line}")
        sys.stdout.flush()
