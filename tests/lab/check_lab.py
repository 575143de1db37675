#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/kernel-lab where things go wrong, and its parts. Needs no network: what
needs a kernel takes one that the lab has downloaded before. Prints TAP."""

import contextlib
import glob
import io
import lzma
import os
import subprocess
import sys
import tempfile
import types

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, "..", "..", "tools")
LAB = os.path.join(TOOLS, "kernel-lab")
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(TOOLS, "lab"), TOOLS]

import cli  # noqa: E402 (found by the path above)
import cost  # noqa: E402
import debian  # noqa: E402
import guest  # noqa: E402
import initramfs  # noqa: E402
import kernels  # noqa: E402
import matrix  # noqa: E402
import plot  # noqa: E402
import programs  # noqa: E402
import tap_summary  # noqa: E402
import where  # noqa: E402

TESTS = []


class Skip(Exception):
    """This cannot be tried here: why."""


def test(function):
    TESTS.append(function)
    return function


def lab(*words, **environment):
    return subprocess.run([sys.executable, LAB, *words], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment}, check=False)


def check(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}")


def check_in(part, text):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def package(name, version, suite="trixie"):
    return debian.Package(name, version, "amd64", suite)


class FakeLab:
    """Suites as {suite: [package] or what is wrong with it}."""

    def __init__(self, suites):
        self.suites = suites

    def packages(self, suite, pattern, _arch):
        found = self.suites.get(suite, [])
        if isinstance(found, str):
            raise debian.LabError(found)
        return [one for one in found if debian.re.fullmatch(pattern, one.name)]


# ---- usage ----

@test
def help_is_there():
    for words in ["--help"], ["run", "--help"], ["shell", "--help"], ["list", "--help"], ["fetch", "--help"]:
        result = lab(*words)
        check(result.returncode, 0)
        check_in("exit status", result.stdout)


@test
def wrong_usage_is_2():
    for words in ["run"], ["run", "9.99"], ["run", "6.1,9.99"], ["run", "--arch", "vax", "6.1"], \
            ["run", ","], ["fetch", "--arch", "arm64", "5.10"], ["nonsense"], ["list", "--", "test"]:
        result = lab(*words)
        check((words, result.returncode), (words, 2))
        check_in(" error: ", result.stderr)
    check_in("there are 5.10, 6.1,", lab("run", "9.99").stderr)


@test
def series_are_lists():
    check(cli.parse_series("6.1,newest", "amd64"), ["6.1", "newest"])
    check(cli.parse_series("all", "arm64"), ["6.12", "newest"])
    check("newest" in cli.parse_series("all", "amd64"), False)


@test
def packages_are_named():
    words = lab("packages").stdout.split()
    for name in "qemu-system-x86", "qemu-system-arm", "qemu-system-misc", "e2fsprogs":
        check_in(name, words)


# ---- what is missing ----

@test
def no_qemu():
    with tempfile.TemporaryDirectory() as empty:
        for arch, name in ("amd64", "qemu-system-x86"), ("arm64", "qemu-system-arm"):
            result = lab("run", "--arch", arch, "6.12", PATH=empty)
            check(result.returncode, 3)
            check_in(f"is not installed (Debian package {name})", result.stderr)


@test
def no_apt():
    with tempfile.TemporaryDirectory() as empty:
        result = lab("fetch", "6.1", PATH=empty, ORING_LAB_CACHE=empty)
        check(result.returncode, 3)
        check_in("missing: 6.1 amd64: ", result.stderr)


def with_sources(text, *words):
    """The lab where apt's only source is this one."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in ("sources.list", text), \
                ("apt.conf", f'Dir::Etc::sourcelist "{folder}/sources.list";\n'
                             'Dir::Etc::sourceparts "/dev/null";\n'):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(content)
        return lab(*words, APT_CONFIG=f"{folder}/apt.conf", ORING_LAB_CACHE=f"{folder}/cache")


@test
def no_mirror():
    result = with_sources("", "fetch", "6.1,newest")
    check(result.returncode, 3)
    check_in("missing: 6.1 amd64: no kernel 6.1 for amd64: apt is not configured with a Debian mirror",
             result.stderr)
    check_in("missing: newest amd64: ", result.stderr)


@test
def broken_mirror():
    result = with_sources(f"deb file:///nowhere/debian {debian.release()} main\n", "list", "--arch", "amd64")
    check(result.returncode, 3)
    check_in("5.10    amd64    missing: ", result.stdout)
    check_in("the index of bookworm (amd64) cannot be fetched", result.stdout)


@test
def cache_that_cannot_be_written():
    result = lab("fetch", "6.1", ORING_LAB_CACHE="/proc/nowhere")
    check(result.returncode, 3)
    check_in("the cache folder /proc/nowhere cannot be written", result.stderr)


# ---- which kernel ----

@test
def newest_point_release():
    suites = {"trixie": [package("linux-image-6.12.9+deb13-cloud-amd64", "6.12.9-1"),
                         package("linux-image-6.12.107+deb13-cloud-amd64", "6.12.107-1"),
                         package("linux-image-6.12.200+deb13-amd64", "6.12.200-1"),
                         package("linux-image-6.1.300+deb13-cloud-amd64", "6.1.300-1")]}
    kernel = kernels.resolve(FakeLab(suites), "6.12", "amd64", lambda text: None)
    check(kernel.release, "6.12.107+deb13-cloud-amd64")
    check(kernel.extra, [])


@test
def old_names_and_new_ones():
    suites = {"bookworm": [package("linux-image-6.1.0-9-cloud-amd64", "6.1.27-1"),
                           package("linux-image-6.1.0-47-cloud-amd64", "6.1.170-1")],
              "trixie-backports": [package("linux-image-7.1.3+deb13-cloud-amd64", "7.1.3-1"),
                                   package("linux-binary-7.1.3+deb13-cloud-amd64", "7.1.3-1"),
                                   package("linux-binary-unsigned-7.3.4+deb13-cloud-amd64", "7.3.4-1",
                                           "trixie-backports"),
                                   package("linux-modules-7.3.4+deb13-cloud-amd64", "7.3.4-1")]}

    def resolved(series):
        return kernels.resolve(FakeLab(suites), series, "amd64", lambda text: None)
    check(resolved("6.1").release, "6.1.0-47-cloud-amd64")
    check(resolved("7.1").package.name, "linux-binary-7.1.3+deb13-cloud-amd64")
    check(resolved("newest").release, "7.3.4+deb13-cloud-amd64")
    check(resolved("newest").extra[0].name, "linux-modules-7.3.4+deb13-cloud-amd64")


@test
def one_broken_suite_does_not_stop_another():
    said = []
    suites = {"trixie-backports": "no index", "sid": [package("linux-binary-7.2.1-cloud-amd64", "7.2.1-1")]}
    check(kernels.resolve(FakeLab(suites), "newest", "amd64", said.append).release, "7.2.1-cloud-amd64")
    check(said, ["newest: chosen without one suite, since no index"])
    try:
        kernels.resolve(FakeLab({"trixie-backports": "no index"}), "7.2", "amd64", said.append)
    except debian.LabError as error:
        check(str(error), "no kernel 7.2 for amd64: no index")
    else:
        raise AssertionError("no error")


@test
def modules_in_loading_order():
    with tempfile.TemporaryDirectory() as tree:
        def module(name, needs, compressed):
            path = os.path.join(tree, "kernel", "drivers", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            content = b"\x7fELF\0license=GPL\0depends=" + needs + b"\0name=x\0"
            with (lzma.open(path + ".ko.xz", "wb") if compressed else open(path + ".ko", "wb")) as file:
                file.write(content)
        module("ext4", b"jbd2,crc-16", True)
        module("crc-16", b"", False)
        module("jbd2", b"", True)
        module("other", b"", True)
        loaded = kernels.modules([tree], ["ext4", "crc_16", "not_there"])
    check([name for name, _ in loaded], ["jbd2", "crc_16", "ext4"])
    check(loaded[2][1][:4], b"\x7fELF")


@test
def archive_has_folders_and_files():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "initrd")
        with initramfs.Archive(path) as archive:
            archive.add("/a/b/file", b"12345", 0o755)
            archive.device("dev/console", 5, 1)
        with open(path, "rb") as file:
            data = file.read()
    names, place = [], 0
    while place < len(data):
        check(data[place:place + 6], b"070701")
        size, name_size = int(data[place + 54:place + 62], 16), int(data[place + 94:place + 102], 16)
        names.append(data[place + 110:place + 110 + name_size - 1].decode())
        place += -(-(110 + name_size) // 4) * 4
        place += -(-size // 4) * 4
    check(names, ["a", "a/b", "a/b/file", "dev", "dev/console", "TRAILER!!!"])


# ---- what a guest tells ----

def told(text):
    report = guest.Report()
    for line in text.splitlines():
        report.take(line)
    report.finish()
    return report


def judged(outcome):
    program = tap_summary.Program(outcome.entry("x"))
    return len(program.passed), len(program.failed), len(program.skipped)


@test
def tap_between_frames():
    report = told("noise\n@lab boot 6.1.0\n@lab without a drive\n@lab begin one\n1..3\nok 1 - a\n"
                  "ok 2 - b # SKIP why: not\nnot ok 3 - c\n  message\n@lab stderr words here\n@lab end one 1 7\n"
                  "@lab begin two\n1..1\nok 1 - d\n@lab end two 0 1\n@lab done\n")
    check(report.release, "6.1.0")
    check(report.done, True)
    check(report.notes, ["without a drive"])
    check([judged(outcome) for outcome in report.outcomes], [(1, 1, 1), (1, 0, 0)])
    check(report.outcomes[0].errors, ["words here"])
    check((report.outcomes[0].code, report.outcomes[0].seconds), (1, 7))


@test
def a_program_that_was_ended_has_failed():
    report = told("@lab boot 6.1.0\n@lab begin one\n1..3\nok 1 - a\n@lab end one limit 300\n"
                  "@lab begin two\n1..2\nok 1 - b\n")
    check([judged(outcome) for outcome in report.outcomes], [(1, 1, 0), (1, 1, 0)])
    check(report.done, False)
    silent = told("@lab boot 6.1.0\n@lab begin one\n@lab end one 0 0\n@lab done\n")
    check(judged(silent.outcomes[0]), (0, 1, 0))


@test
def names_choose_and_patterns_filter():
    built = [programs.Program("test_a", "/a", ["-x"]), programs.Program("test_b", "/b", [])]
    check(programs.choose(built, []), (built, False))
    check(programs.choose(built, ["test_b"]), ([built[1]], False))
    chosen, filtered = programs.choose(built, ["test_a", "ring/*"])
    check((chosen[0].args, len(chosen), filtered), (["-x", "--filter", "ring/*"], 1, True))


def follow(script, limit=20):
    report = guest.Report()
    return guest.run(["sh", "-c", script], report, limit, 300), report


@test
def a_machine_that_hangs_is_ended():
    problem, report = follow("echo @lab boot 6.1; echo @lab begin one; echo ok 1 - a; sleep 1000", limit=2)
    check(problem, "not finished after 2 s")
    check(judged(report.outcomes[0])[:2], (1, 1))


@test
def a_machine_that_ends_early():
    check(follow("echo qemu: no such drive >&2; exit 1")[0], "did not boot (QEMU: qemu: no such drive)")
    check(follow("echo @lab boot 6.1")[0], "ended before its tests did")
    check(follow("echo @lab boot 6.1; echo @lab done; sleep 1000")[0], None)


@test
def complaints_of_the_kernel():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("[ 1.0] all is well\n[ 2.0] WARNING: CPU: 0 PID: 1 at io_uring\n")
        file.flush()
        check(guest.complaints(file.name), ["[ 2.0] WARNING: CPU: 0 PID: 1 at io_uring"])
    check(guest.complaints("/nowhere"), [])


@test
def each_drive_has_a_file():
    with tempfile.TemporaryDirectory() as folder:
        try:
            guest.need("amd64")
        except debian.LabError as error:
            raise Skip(str(error))
        guest.make_drives(folder)
        check(sorted(os.listdir(folder)), sorted(guest.DRIVES))
        line = guest.command("amd64", "image", "initrd", folder)
    for name in guest.DRIVES:
        drive = f"if=none,id={name},file={folder}/{name},format=raw,cache=unsafe,discard=unmap"
        check_in(drive, line)
        check(len([word for word in line if f"serial={name}," in word + ","]), 1)


# ---- with QEMU ----

def cached(pattern):
    found = glob.glob(os.path.join(debian.default_cache(), "packages", pattern))
    if not found:
        raise Skip(f"no {pattern} in the lab's cache: tools/kernel-lab fetch")
    return sorted(found)[-1]


def need_qemu():
    try:
        guest.need("amd64")
    except debian.LabError as error:
        raise Skip(str(error))


def boot(image, init, limit):
    """(problem, what the console says) of a kernel with an init of one shell script."""
    busybox = glob.glob(os.path.join(cached("busybox-static_*_amd64"), "*bin", "busybox"))
    with tempfile.TemporaryDirectory() as folder:
        initrd = os.path.join(folder, "initrd")
        with initramfs.Archive(initrd) as archive:
            archive.copy("bin/busybox", busybox[0])
            archive.add("init", b"#!/bin/busybox sh\n" + init, 0o755)
            archive.device("dev/console", 5, 1)
        guest.make_drives(folder)
        problem = guest.run(guest.command("amd64", image, initrd, folder), guest.Report(), limit, 300)
        with open(os.path.join(folder, "console"), encoding="utf-8", errors="replace") as file:
            return problem, file.read()


def cached_image():
    need_qemu()
    return glob.glob(os.path.join(cached("linux-image-6.1.0-*-cloud-amd64_*_amd64"), "boot", "vmlinuz-*"))[0]


@test
def a_guest_that_hangs():
    problem, console = boot(cached_image(), b"echo here I am\nwhile :; do /bin/busybox sleep 100; done\n", 25)
    check(problem, "not finished after 25 s")
    check_in("here I am", console)


@test
def a_guest_that_panics():
    problem, console = boot(cached_image(), b"exit 1\n", 100)
    check(problem, "did not boot")
    check_in("Kernel panic", console)


@test
def an_image_that_is_garbage():
    need_qemu()
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(1 << 20))
        file.flush()
        problem, _ = boot(file.name, b"", 15)
    if not problem or not problem.startswith(("did not boot", "not finished")):
        raise AssertionError(problem)


@test
def drives_that_a_guest_finds():
    init = b"""bin() { /bin/busybox "$@"; }
bin mkdir /sys
bin mount -t sysfs sysfs /sys
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -e /sys/block/nvme2n1 ] && break
	bin sleep 0.5
done
for drive in /sys/block/nvme*n1; do
	echo "drive $(bin cat $drive/device/serial) $(bin cat $drive/integrity/format) $(bin cat $drive/size)"
	echo "discard $(bin cat $drive/queue/discard_max_bytes)"
done
bin poweroff -f
"""
    _, console = boot(cached_image(), init, 100)
    lines = [" ".join(line.split()) for line in console.splitlines()]
    check(sorted(line.split()[1:3] for line in lines if line.startswith("drive ")),
          [["ext4", "none"], ["pi", "T10-DIF-TYPE1-CRC"], ["raw", "none"]])
    check_in(f"drive raw none {guest.DRIVE_BYTES // 512}", lines)
    check(len([line for line in lines if line.startswith("discard ") and int(line[8:]) > 0]), 3)


@test
def console_of_an_unfinished_guest_is_kept():
    cached_image()
    folder = os.path.basename(cached("linux-image-6.1.0-*-cloud-amd64_*_amd64"))
    name, version, _ = folder.split("_")
    kernel = kernels.Kernel("6.1", "amd64", name.removeprefix("linux-image-"),
                            package(name, version.replace("%3a", ":"), "bookworm"), [])
    busybox = glob.glob(os.path.join(cached("busybox-static_*_amd64"), "*bin", "busybox"))[0]
    options = types.SimpleNamespace(arch="amd64", command="run", keep=False, timeout=1, program_timeout=300)
    said, saved = io.StringIO(), (kernels.resolve, initramfs.busybox)
    kernels.resolve, initramfs.busybox = lambda *_: kernel, lambda *_: busybox
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            status, entries = cli.Run(debian.Debian(), "6.1", options).tests([], ["/"])
    finally:
        kernels.resolve, initramfs.busybox = saved
    check(status, 4)
    check(tap_summary.Program(entries[-1]).failed, [("no plan, 0 results, exit 1",
                                                     ["the guest not finished after 1 s"])])
    check_in("the guest not finished after 1 s; its console is ", said.getvalue())
    console = said.getvalue().partition("its console is ")[2].splitlines()[0]
    check(os.path.exists(console), True)
    for path in glob.glob(os.path.join(os.path.dirname(console), "*")):
        os.unlink(path)
    os.rmdir(os.path.dirname(console))


# ---- what goes into a log ----

def logged(tests, built=lambda *_: ([], ["/"]), asked=None, **options):
    """(exit status, entries) of a run in which these are the guests' ends; @asked: of which programs."""
    asked = [] if asked is None else asked
    options = types.SimpleNamespace(**{"arch": "amd64", "series": ["6.1", "newest"], "test": [], "tries": 1,
                                       **options})
    saved = guest.need, programs.programs_for, cli.Run.tests

    def run(_, chosen, __):
        asked.append(chosen)
        return tests()

    guest.need, programs.programs_for, cli.Run.tests = lambda _: None, built, run
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return cli.run_all(None, options)
    finally:
        guest.need, programs.programs_for, cli.Run.tests = saved


def raise_error(error):
    raise error


@test
def what_is_missing_is_a_skip():
    status, entries = logged(lambda: raise_error(debian.LabError("no mirror")))
    check(status, 3)
    check([tap_summary.Program(entry).skipped for entry in entries], [[("all", "no mirror")]] * 2)


@test
def what_does_not_build_is_a_failure():
    status, entries = logged(None, lambda *_: raise_error(programs.BuildError("error: ;")))
    check(status, 1)
    check([len(tap_summary.Program(entry).failed) for entry in entries], [1])
    try:
        programs.build(["false"], "it")
    except programs.BuildError:
        return
    raise AssertionError("no error")


@test
def a_guest_that_does_not_finish_is_booted_again():
    ends = [(4, ["unfinished"]), (0, ["first"]), (4, ["unfinished"]), (4, ["second"])]
    status, entries = logged(lambda: ends.pop(0), tries=2)
    check((status, entries, ends), (4, ["first", "second"], []))


def program_of_6_1(name, *lines, code=0):
    """A program's entry, as a guest of 6.1 tells it."""
    return {"name": f"linux-6.1/{name}", "result": "TAP", "returncode": code,
            "stdout": "\n".join(lines + (f"1..{len(lines)}", ""))}


@test
def what_failed_runs_once_more():
    good, bad = program_of_6_1("test_a", "ok 1 - a"), program_of_6_1("test_b", "not ok 1 - b", "ok 2 - c", code=1)
    mended = program_of_6_1("test_b", "ok 1 - b", "ok 2 - c")
    chosen = [programs.Program(name, name, []) for name in ("test_a", "test_b")]
    asked = []

    def run(*second):
        ends = [(1, [good, bad]), second]
        asked.clear()
        return logged(lambda: ends.pop(0), lambda *_: (chosen, ["/"]), tries=2, series=["6.1"], asked=asked)

    status, entries = run(0, [mended])
    check((status, [[program.name for program in some] for some in asked]), (0, [["test_a", "test_b"], ["test_b"]]))
    check([tap_summary.Program(entry).failed for entry in entries], [[], []])
    check([tap_summary.Program(entry).failed_at_first for entry in entries], [[], ["b"]])
    for second in (1, [bad]), (4, []):
        status, entries = run(*second)
        check((status, entries), (1, [good, bad]))


@test
def a_failure_weighs_more_than_what_is_missing():
    ends = [lambda: (1, []), lambda: raise_error(debian.LabError("no mirror"))]
    check(logged(lambda: ends.pop(0)())[0], 1)


# ---- the matrix ----

def series_log(folder, series, release, *lines):
    path = os.path.join(folder, series + ".json")
    text = "\n".join([f"1..{len(lines)}", *lines]) + "\n"
    failed = int(any(line.startswith("not ok") for line in lines))
    matrix.save(path, release, [{"name": f"linux-{series}/test_prep", "result": "TAP",
                                 "returncode": failed, "stdout": text, "stderr": ""}])
    return path


@test
def the_matrix_says_what_works_where():
    with tempfile.TemporaryDirectory() as folder:
        logs = {
            "5.10": series_log(folder, "5.10", "5.10.1-x", "ok - prep::nop__plain  (0.00s)",
                               "ok - prep::nop__cqe32  # SKIP setup flags 0x800: not on this kernel",
                               "ok - prep::bind__plain  # SKIP operation bind: not on this kernel"),
            "7.3": series_log(folder, "7.3", "7.3.4-x", "ok - prep::nop__plain  (0.00s)",
                              "not ok - prep::bind__plain  (0.01s)", "ok - prep::bind__cqe32  (0.01s)",
                              "ok - prep::futex_wait  (0.00s)", "ok - prep::nop__cqe32  # SKIP NOPs of 32: not on this kernel"),
        }
        made = matrix.collect(logs)
        check([kernel["release"] for kernel in made["kernels"]], ["5.10.1-x", "7.3.4-x"])
        states = {feature["feature"]: {series: on["state"] for series, on in feature["on"].items()}
                  for feature in made["features"]}
        check(states, {"nop": {"5.10": "passed", "7.3": "partly"},
                       "bind": {"5.10": "absent", "7.3": "failed"}, "futex_wait": {"7.3": "passed"}})
        check(matrix.floors(made), [("test_prep", [1, 2], "5.10", "7.3")])
        matrix.write(made, folder)
        with open(os.path.join(folder, "matrix.md"), encoding="utf-8") as file:
            text = file.read()
        for part in ("| prep: bind | – | **failed** |", "| prep: futex wait | ? | yes |",
                     "- operation bind: not on this kernel (5.10)", "- 7.3: 7.3.4-x"):
            check_in(part, text)


@test
def one_program_of_a_series_is_run_again():
    with tempfile.TemporaryDirectory() as folder:
        path = series_log(folder, "6.1", "6.1.9-x", "ok - prep::nop__plain  (0.00s)")
        for line in "not ok - sq::push  (0.00s)", "ok - sq::push  (0.00s)":
            matrix.save(path, "6.1.9-x", [{"name": "linux-6.1/test_sq", "result": "TAP", "returncode": 0,
                                           "stdout": f"1..1\n{line}\n", "stderr": ""}], keep_others=True)
        made = matrix.collect({"6.1": path})
        check({feature["feature"]: feature["on"]["6.1"]["state"] for feature in made["features"]},
              {"nop": "passed", "push": "passed"})


@test
def the_readme_has_the_floors():
    with tempfile.TemporaryDirectory() as folder:
        log = series_log(folder, "6.1", "6.1.9-x", "ok - prep::nop__plain  (0.00s)")
        path = os.path.join(folder, "README.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write("before\n" + matrix.MARKERS[0] + "old\n" + matrix.MARKERS[1] + "\nafter\n")
        matrix.write_readme(matrix.collect({"6.1": log}), path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        check_in("| `prep.h`: files | 1 | 6.1 | 6.1 |\n", text)
        check(("old" in text, text.startswith("before\n"), text.endswith("-->\nafter\n")), (False, True, True))


# ---- costs ----

def cost_row(case="nop", shape="plain", since=("5.10", "5.10"), **result):
    return {"case": case, "batch": 32, "shape": shape, "since": list(since), "copied": 0, **result}


def counted(least, middle=None, **row):
    return cost_row(instructions=64 * least, middle=64 * (middle or least), operations=64, kept=60, dropped=1, **row)


def broken(series, *runs):
    try:
        cost.merge(series, runs)
    except cost.Broken as problem:
        return str(problem)
    raise AssertionError("not noticed")


@test
def costs_of_two_runs_are_one_row():
    rows, (difference, where) = cost.merge("6.1", [[counted(200, 203)], [counted(201, 202)]])
    check([(row["cost"], row["middle"]) for row in rows], [(200.0, 203.0)])
    check((round(difference, 4), where), (0.005, ("nop", 32, "plain")))


@test
def a_cost_that_is_missing_needs_a_reason():
    late = cost_row(since=("6.10", "5.19"), absent="Invalid argument")
    check(cost.merge("6.1", [[late], [late]])[0][0]["absent"], "Invalid argument")
    check_in("came with 6.10", broken("6.12", [late], [late]))
    check_in("not the same", broken("6.1", [late], [counted(200)]))
    device = cost_row(absent="No such device")
    check(cost.merge("7.0", [[device], [device]])[0][0]["absent"], "No such device")


@test
def costs_become_a_table_and_a_page():
    def result(series, *rows):
        return {"series": series, "release": series + ".1-x", "runs": 2, "difference": 0.0012, "mitigations": {},
                "rows": cost.merge(series, [rows])[0]}

    costs = cost.collect([result("5.10", counted(339), cost_row(shape="fast", since=("5.10", "6.6"), absent="no")),
                          result("7.3", counted(356), counted(1234, 1300, shape="fast"))])
    check(costs["rows"][1]["cost"], {"7.3": 1234.0})
    text = cost.markdown(costs)
    for part in ("| nop × 32 | – | 339 | 356 |", "| nop × 32 | – | – | 1,234 |", "| nop × 32 | 356 | 1,234 |",
                 "| 7.3 | 7.3.1-x | 0.12% |", "- nop × 32, fast, 7.3: 1,234 to 1,300\n"):
        check_in(part, text)
    lines = plot.script(costs, "page.svg")
    check_in('title "32 a call, no flags"', lines)
    check_in("7.3 356.0 1234.0", lines)


@test
def a_trace_becomes_instructions_by_function():
    symbols = where.functions("ffffffff81000000 T _text\nffffffff81000100 t io_nop\n"
                              "ffffffff81000200 T io_issue_sqe\nffffffff81000300 D data\n")
    one = [0x401000, 0x401002, 0x401002, 0xffffffff81000104, 0xffffffff81000108, 0xffffffff81000204]
    late = one[:3] + [0xffffffff81000000] * 50 + one[3:]  # an interrupt: not of the loop
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace")
        with open(path, "w", encoding="utf-8") as file:
            for pc in one * 5 + late + one * 5:
                file.write(f"Trace 0: 0x7f00aa [{0:016x}/{pc:016x}/00000001/ff000000] \n")
            file.write("no instruction\n")
        found, rounds = where.by_function(where.addresses(path), (0x401000, 0x401002), symbols, 2)
    check(rounds, 9)
    check(found, [(1.5, where.USER), (1.0, "io_nop"), (0.5, "io_issue_sqe")])


# ---- stand-ins ----

@test
def a_stand_in_fails_whatever_it_is_asked():
    libraries = glob.glob("/usr/lib/*/libcriterion.so.3")
    if not libraries:
        raise Skip("Criterion is not installed")
    path = programs.make_stand_in("libgit2.so.1.5", libraries[0], debian.architecture())
    symbols = debian.run(["readelf", "-W", "--dyn-syms", path], "binutils are needed")
    check_in("git_libgit2_init", symbols)
    check(programs.dynamic_parts(path), (None, []))


def main():
    failed = False
    for number, one in enumerate(TESTS, 1):
        name = one.__name__.replace("_", " ")
        try:
            one()
            print(f"ok {number} - {name}")
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}")
        except Exception as error:  # a test that fails, however
            failed = True
            print(f"not ok {number} - {name}")
            for line in f"{type(error).__name__}: {error}".splitlines():
                print(f"# {line}")
        sys.stdout.flush()
    print(f"1..{len(TESTS)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
