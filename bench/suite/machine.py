# SPDX-License-Identifier: MIT
"""What a result is told with: the machine, its kernel, the compiler, versions, the commit."""

import datetime
import glob
import os
import platform
import re
import shutil
import subprocess

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities"
GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"


def output_of(*command, cwd=None):
    """Standard output of a command, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              cwd=cwd, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def content_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def cpu_model(text):
    """Of /proc/cpuinfo, in the words of the architecture."""
    for key in "model name", "Model", "uarch", "Processor":
        found = re.search(rf"^{key}\s*:\s*(\S.*)$", text or "", re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.machine()


def mitigations(folder=VULNERABILITIES):
    """What costs time, by name; what the processor is open to; how many do not affect it."""
    active, vulnerable, unaffected = {}, {}, 0
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        text, name = content_of(path) or "", os.path.basename(path)
        if text.startswith("Not affected"):
            unaffected += 1
        elif text.startswith("Vulnerable"):
            vulnerable[name] = text
        else:
            active[name] = text.removeprefix("Mitigation: ")
    return {"active": active, "vulnerable": vulnerable, "not_affected": unaffected}


def mitigations_in_words(found):
    parts = [f"{name}: {text}" for name, text in found["active"].items()]
    if found["vulnerable"]:
        parts.append("not mitigated: " + ", ".join(found["vulnerable"]))
    if found["not_affected"]:
        parts.append(f"{found['not_affected']} others do not affect this processor")
    return "; ".join(parts) or "the kernel tells of none"


def commit():
    """(commit, whether files differ from it), (None, None) outside of a checkout."""
    name = output_of("git", "rev-parse", "--short=12", "HEAD", cwd=TOP)
    if name is None:
        return None, None
    return name, bool(output_of("git", "status", "--porcelain", "--untracked-files=no", cwd=TOP))


def libaio():
    """The version that is installed, as the package manager has it."""
    return (output_of("dpkg-query", "-W", "-f=${Version}", "libaio-dev")
            or output_of("pkg-config", "--modversion", "libaio"))


def fio():
    return output_of("fio", "--version") if shutil.which("fio") else None


def describe(compiler=None, liburing=None):
    """All of it. What is not there or cannot be told is None."""
    cpuinfo = content_of("/proc/cpuinfo") or ""
    name, dirty = commit()
    load = os.getloadavg()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": cpu_model(cpuinfo),
        "cpus": os.cpu_count(),
        "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)),
        "mitigations": mitigations(),
        "governor": content_of(GOVERNOR),
        "load_before": round(load[0], 2),
        "compiler": compiler,
        "liburing": liburing,
        "libaio": libaio(),
        "fio": fio(),
        "commit": name,
        "dirty": dirty,
    }


def lines(machine):
    """[(what, in words)] for people."""
    def known(key, otherwise="not installed"):
        return machine.get(key) or otherwise

    tree = known("commit", "unknown")
    if machine.get("dirty"):
        tree += ", with changes that are not committed"
    cpu = f"{machine['cpu']}, {machine['cpus']} CPUs"
    if machine.get("virtual"):
        cpu += ", a virtual machine"
    return [
        ("Date", machine["date"]),
        ("Commit", tree),
        ("Kernel", f"Linux {machine['kernel']}, {machine['machine']}"),
        ("Processor", cpu),
        ("Mitigations", mitigations_in_words(machine["mitigations"])),
        ("Frequency governor", known("governor", "none is shown to this machine")),
        ("Load before the run", f"{machine['load_before']:g} (mean of a minute)"),
        ("Compiler", known("compiler", "unknown")),
        ("liburing", known("liburing", "none: its contenders are left out")),
        ("libaio", known("libaio")),
        ("fio", known("fio")),
    ]
