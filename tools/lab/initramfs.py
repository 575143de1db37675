# SPDX-License-Identifier: MIT
"""The file system that a guest starts with: a cpio archive, written here."""

import os
import shlex
import stat

import debian
import kernels
import programs

BUSYBOX_SUITE = {"riscv64": "trixie"}  # else bookworm
# Loaded where they are not built in; what is in neither is done without.
# (ext4 needs a crc32c that it does not name.)
MODULES = ["virtio_pci", "virtio_console", "nvme", "crc32c_generic", "ext4", "loop", "dummy", "null_blk",
           "ublk_drv", "fuse"]
PARAMETERS = {"nvme": "poll_queues=1"}
HERE = os.path.dirname(os.path.abspath(__file__))


class Archive:
    """A cpio archive in the kernel's "newc" form, not compressed: unpacking is what is slow."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.folders = {""}
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.entry("TRAILER!!!", 0, b"")
        self.file.close()

    def entry(self, name, mode, content, device=(0, 0)):
        self.count += 1
        encoded = name.encode() + b"\0"
        fields = [self.count, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0]
        self.file.write(b"070701" + "".join(f"{field:08X}" for field in fields).encode() + encoded)
        self.pad()
        self.file.write(content)
        self.pad()

    def pad(self):
        self.file.write(b"\0" * (-self.file.tell() % 4))

    def folder(self, name):
        name = name.strip("/")
        if name not in self.folders:
            self.folder(os.path.dirname(name))
            self.folders.add(name)
            self.entry(name, stat.S_IFDIR | 0o755, b"")

    def add(self, name, content, mode=0o644):
        name = name.strip("/")
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFREG | mode, content)

    def copy(self, name, path):
        with open(path, "rb") as file:
            self.add(name, file.read(), 0o755)

    def device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))


def busybox(lab, arch):
    package = lab.newest(BUSYBOX_SUITE.get(arch, "bookworm"), "busybox-static", arch)
    folder = lab.extract(package)
    for name in "bin/busybox", "usr/bin/busybox":
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise debian.LabError(f"{package.name} {package.version} holds no busybox")


def script(chosen, limit):
    """What the guest's init reads: one line for each program."""
    return "".join(f"program {shlex.join([program.name, str(limit), *program.args])}\n"
                   for program in chosen)


def base(lab, arch, archive):
    """busybox and init."""
    archive.copy("bin/busybox", busybox(lab, arch))
    archive.copy("init", os.path.join(HERE, "init"))
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)


def write(lab, path, kernel, chosen, roots, limit, first=""):
    """The initramfs for this kernel with these programs; returns the names of its modules.

    @first: what the guest's shell does before them
    """
    _, trees = kernels.files_of(lab, kernel)
    loaded = kernels.modules(trees, MODULES)
    with Archive(path) as archive:
        base(lab, kernel.arch, archive)
        for name, content in loaded:
            archive.add(f"lab/modules/{name}.ko", content)
        archive.add("lab/order", "".join(f"{name} {PARAMETERS.get(name, '')}\n"
                                         for name, _ in loaded).encode())
        archive.add("lab/programs", (first + script(chosen, limit)).encode())
        for program in chosen:
            archive.copy(f"tests/{program.name}", program.path)
        found = programs.libraries([program.path for program in chosen], roots, kernel.arch)
        for name, source in sorted(found.items()):
            archive.copy(name, source)
    return [name for name, _ in loaded]
