# SPDX-License-Identifier: MIT
"""A program of examples/fiber/programs, run by a test: see check_counter.py for how it is used."""
import os
import queue
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402,F401 (found by the path above; used by the checks)

CANNOT = 77  # exit status of a program that finds no io_uring, or a kernel too old
LIMIT = 60   # seconds for whatever is waited for


def path_of(build, name):
    """Where the program is, or None: it was not built (a library that it needs is missing)."""
    path = os.path.join(build, "examples/fiber/fiber-" + name)
    return path if os.path.exists(path) else None


def run(build, name, *arguments, **more):
    """(exit status, standard output, standard error) of a run to the end. more: of subprocess.run()."""
    done = subprocess.run([path_of(build, name), *arguments], capture_output=True, timeout=LIMIT, **more)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


class Server:
    """A program that runs until it is told to end; its lines are read as they come."""

    def __init__(self, build, name, *arguments):
        self.process = subprocess.Popen([path_of(build, name), *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.lines = queue.Queue()
        self.said = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, containing=""):
        """The next line that has @containing in it."""
        end = time.monotonic() + LIMIT
        while True:
            line = self.lines.get(timeout=max(end - time.monotonic(), 0.01))
            if line is None:
                raise RuntimeError("the program ended: " + "\n".join(self.said))
            self.said.append(line)
            if containing in line:
                return line

    def end(self, number=signal.SIGINT):
        """Its exit status after a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "no end after %d s" % LIMIT
