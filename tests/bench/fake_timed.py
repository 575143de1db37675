#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands for the timed program: the same options and lines, with made-up numbers.

Names that begin with broken do what their second half says.
"""

import json
import random
import sys
import time

# name: operation, measure, {contender: ns}
PLAIN = {
    "nop-1": ("NOP", "wall", {"ours": 149, "bare": 148, "L0": 190, "L1": 157, "L1-batch": 156}),
    "nop-32": ("NOP", "wall", {"ours": 46.9, "bare": 46.4, "L0": 52, "L1": 50.2, "L1-batch": 47.4}),
    "nop-128": ("NOP", "wall", {"ours": 44, "bare": 43.8, "L0": 47.7, "L1": 47.4,
                                "L1-batch": 44.7}),
    "nop-token-128": ("NOP", "wall", {"ours": 45.5, "L1": 48}),
    "wait-timeout-1": ("wait", "wall", {"ours": 149, "bare": 148, "L1": 203, "L1-reg": 163}),
    "wait-zero": ("poll", "wall", {"ours": 90, "L1": 25000}),
    "read4k-d1": ("4 KiB read", "wall", {"ours": 730, "bare": 729, "pread": 745, "libaio": 1159,
                                         "L0": 900, "L1": 736}),
    "read4k-d32": ("4 KiB read", "wall", {"ours": 641, "bare": 640, "pread": 769, "libaio": 855,
                                          "L0": 770, "L1": 650}),
    "read4k-d128": ("4 KiB read", "wall", {"ours": 668, "bare": 667, "pread": 791, "libaio": 874,
                                           "L0": 797, "L1": 662}),
    "odirect-d32": ("4 KiB read", "cpu", {"ours": 2800, "libaio": 2900, "L1": 2790}),
    "bufring-recycle-in-order": ("buffer", "wall", {"ours": 0.21, "bare": 0.19, "L1": 1.01}),
    "wake-awake": ("notification", "wall", {"ours": 22, "eventfd": 337, "msg-ring": 416}),
    "echo-64-c1": ("message", "wall", {
        "ours": 38000, "ours-plain": 38500, "ours-spin": 9900, "epoll": 38700,
        "epoll-spin": 10100, "L0": 38900, "L1": 38100, "L1-spin": 9950}),
    "echo-64-c16": ("message", "cpu", {
        "ours": 4230, "ours-plain": 4300, "epoll": 4410, "L0": 5500, "L1": 4240}),
    "echo-64-c64": ("message", "cpu", {"ours": 4240, "epoll": 4550, "L0": 5190, "L1": 4250}),
    "echo-16k-c64": ("message", "cpu", {"ours": 6950, "epoll": 6900}),
    "setup-256": ("ring", "wall", {"ours": 12000, "L0": 15100, "L1": 15900}),
    "setup-4096": ("ring", "wall", {"ours": 96000, "L0": 99100, "L1": 101000}),
}
SIZES = [8, 32, 128, 512, 2048, 8192, 32768]
FLIGHT = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536]
# name: operation, what the size is, sizes, {contender: function of the size}
GROWTH = {
    "growth-ring": ("NOP", "entries", SIZES, {
        "ours": lambda n: 49 + 30 / n, "bare": lambda n: 48.4 + 20 / n,
        "L1": lambda n: 52 + 40 / n}),
    "growth-in-flight": ("poll", "operations in flight", FLIGHT, {"ours": lambda n: 300 + n / 2000,
                                                             "L1": lambda n: 310 + n / 2000}),
    "growth-groups": ("read", "buffer groups", [1, 16, 256, 4096], {"ours": lambda n: 156 + n / 800,
                                                                  "L1": lambda n: 158 + n / 800}),
    "growth-cancel": ("cancel", "operations in flight", [1024, 8192, 65536],
                    {"ours": lambda n: 410 + n / 4, "L1": lambda n: 415 + n / 4}),
    "echo-connections": ("message", "connections", [1, 10, 100, 1000, 10000],
                         {"ours": lambda n: 4300 + 21000 / n, "epoll": lambda n: 4500 + 34000 / n}),
    "sendzc-auto": ("send", "bytes", [512, 4096, 16384, 65536, 262144, 1048576],
                    {"ours": lambda n: 1700 + n / 4, "send": lambda n: 1690 + n / 4,
                     "send_zc": lambda n: 5300 + n / 4.1}),
}
MISSING = {("odirect-d32", "libaio"): "built without libaio",
           ("wake-awake", "msg-ring"): "this kernel has no MSG_RING"}
BROKEN = ("exit", "hang", "garbage", "silent", "cut", "lacking")


def show_list():
    print(json.dumps({"liburing": "2.15"}))
    for name, (operation, measure, contenders) in PLAIN.items():
        print(json.dumps({"bench": name, "what": f"{name} as users write it",
                          "operation": operation, "measure": measure,
                          "contenders": {who: f"how {who} does it" for who in contenders}}))
    for name, (operation, size_is, _, contenders) in GROWTH.items():
        print(json.dumps({"bench": name, "what": f"one {operation} with more {size_is}",
                          "operation": operation, "measure": "wall", "size_is": size_is,
                          "contenders": {who: f"how {who} does it" for who in contenders}}))
    for how in BROKEN:
        print(json.dumps({"bench": f"broken-{how}", "what": "made to fail", "operation": "failure",
                          "measure": "wall", "contenders": {"ours": "badly"}}))


def tell(**words):
    print(json.dumps(words), flush=True)


def run(name, rounds):
    noise = random.Random(name)
    if name in PLAIN:
        cells = [({"contender": who}, cost) for who, cost in PLAIN[name][2].items()]
    else:
        cells = [({"contender": who, "size": size}, cost(size)) for size in GROWTH[name][2]
                 for who, cost in GROWTH[name][3].items()]
    for who, _ in cells:
        if (name, who["contender"]) in MISSING:
            tell(bench=name, **who, absent=MISSING[name, who["contender"]])
        elif "size" in who:
            tell(bench=name, **who, resident_bytes=4096 * (1 + who["size"] // 40),
                 pinned_bytes=0)
    for number in range(rounds):
        drift = noise.gauss(1, 0.03)
        for who, cost in cells:
            if (name, who["contender"]) in MISSING:
                continue
            wall = round(cost * drift * noise.gauss(1, 0.015) * 10000)
            notes = {"notes": {"waits": 100 + number}} if name == "echo-64-c1" else {}
            tell(bench=name, **who, round=number, operations=10000, wall_ns=max(wall, 1),
                 cpu_ns=max(round(wall * 0.98), 1), **notes)


def broken(how):
    tell(bench=f"broken-{how}", contender="ours", round=0, operations=10, wall_ns=10, cpu_ns=10)
    if how == "exit":
        print("timed: it is broken", file=sys.stderr)
        sys.exit(1)
    elif how == "hang":
        time.sleep(1000)
    elif how == "garbage":
        print("nonsense")
    elif how == "cut":
        print('{"bench": "broken-cut", "cont', end="")
    elif how == "lacking":
        tell(bench="broken-lacking", contender="ours", round=1)


def main():
    if sys.argv[1:] == ["--list"]:
        show_list()
        return
    words = sys.argv[1:]
    rounds = int(words[words.index("--rounds") + 1])
    for name in words[6:]:
        if name == "broken-silent":
            continue
        if name.startswith("broken-"):
            broken(name.removeprefix("broken-"))
        else:
            run(name, rounds)


main()
