#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The HTTP server of examples/fiber beside its epoll twin, which parses and answers with the same code.

    http.py BUILD [--rounds N] [--seconds S] [--connections N,N]

Each on one processor, wrk on another, by turns in each round; what counts is the ratio of a
round. Needs wrk. Exit status: 0; 1 a run failed; 77 wrk is not installed, or there is one processor.
"""
import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys

SERVERS = {"fibers": "fiber-http", "epoll": "fiber-http-epoll"}
TICKS = os.sysconf("SC_CLK_TCK")
CANNOT = 77


class RunError(Exception):
    """A server or wrk did not do what it should."""


class Server:
    def __init__(self, build, name, connections, processor):
        self.process = subprocess.Popen(
            [os.path.join(build, "examples/fiber", name), "-c", str(connections + 8)],
            stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
        match = re.search(r"(127\.0\.0\.1:\d+)", self.process.stdout.readline())
        if match is None:
            raise RunError(name + " does not listen")
        self.address = match.group(1)

    def cpu(self):
        """Seconds of processor time that it has taken."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def end(self):
        """(requests, calls into the kernel) that it counted."""
        self.process.send_signal(signal.SIGINT)
        words, _ = self.process.communicate(timeout=30)
        match = re.search(r"(\d+) requests, (\d+) (?:enters|calls)", words)
        if self.process.returncode or match is None:
            raise RunError("a server did not end well: " + words)
        return int(match.group(1)), int(match.group(2))


def load(server, connections, seconds, processor):
    """Requests per second, by wrk."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), f"http://{server.address}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
    match = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    if done.returncode or match is None or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise RunError("wrk: " + done.stdout + done.stderr)
    return float(match.group(1))


def measure(build, name, connections, seconds, processors):
    """(requests per second, CPU microseconds per request, calls per request)"""
    server = Server(build, SERVERS[name], connections, processors[0])
    before = server.cpu()
    rate = load(server, connections, seconds, processors[1])
    used = server.cpu() - before
    requests, calls = server.end()
    return rate, used * 1e6 / requests, calls / requests


def spread(values):
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", default="1,64")
    options = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    if shutil.which("wrk") is None or len(processors) < 2:
        print("http: this needs wrk and two processors")
        return CANNOT
    try:
        for connections in map(int, options.connections.split(",")):
            found = {name: [] for name in SERVERS}
            for turn in range(options.rounds):
                for name in sorted(SERVERS, reverse=turn % 2 == 1):
                    found[name].append(measure(options.build, name, connections, options.seconds, processors))
            print(f"{connections} connections, {options.rounds} rounds of {options.seconds} s:")
            for name, runs in found.items():
                rate, cpu, calls = zip(*runs)
                print(f"  {name:7} {spread(rate)} requests/s, {spread(cpu)} us of CPU and {spread(calls)} "
                      "calls into the kernel per request")
            pairs = list(zip(found["fibers"], found["epoll"]))
            print(f"  fibers / epoll: requests/s {spread([ours[0] / theirs[0] for ours, theirs in pairs])}, "
                  f"CPU {spread([ours[1] / theirs[1] for ours, theirs in pairs])}")
    except RunError as error:
        print(f"http: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
