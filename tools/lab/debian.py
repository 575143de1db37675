# SPDX-License-Identifier: MIT
"""Packages of other Debian suites, without touching the machine's own apt.

The mirror and its key come from the machine's apt configuration. Each suite and
architecture has a private apt of its own in a cache folder, so that one
unreachable or inconsistent index does not stop the rest. Nothing is installed.
"""

import collections
import contextlib
import fcntl
import functools
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

DAY = 24 * 60 * 60

Mirror = collections.namedtuple("Mirror", "uri signed_by")
# arch: whose index it was found in, also for packages that fit all
Package = collections.namedtuple("Package", "name version arch suite")


class LabError(Exception):
    """What could not be had, in one sentence."""


def run(command, what, **options):
    """The command's output; LabError(what: its last complaint) if it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, **options)
    except OSError as error:
        raise LabError(f"{what}: {command[0]} cannot be started ({error.strerror})")
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        lines = errors or result.stderr.splitlines() or [f"exit code {result.returncode}"]
        raise LabError(f"{what}: {lines[0].removeprefix('E:').strip()}")
    return result.stdout


def architecture():
    """This machine's, in Debian's words."""
    return run(["dpkg", "--print-architecture"], "this is no Debian machine").strip()


def release():
    """The code name of the running release."""
    with contextlib.suppress(OSError), open("/etc/os-release", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.strip().partition("=")
            if name == "VERSION_CODENAME":
                return value.strip('"')
    raise LabError("the running release has no code name in /etc/os-release")


def deb822_entries(text):
    """(uris, suites, key) of each enabled stanza. A key may be a whole block of lines."""
    for stanza in re.split(r"\n[ \t]*\n", re.sub(r"^#.*\n?", "", text, flags=re.M)):
        fields = {name.lower(): value.strip() for name, value in
                  re.findall(r"^(\S+):(.*(?:\n[ \t].*)*)", stanza, flags=re.M)}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            yield (fields.get("uris", "").split(), fields.get("suites", "").split(),
                   fields.get("signed-by", ""))


def classic_entries(text):
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            options, uri, suite = match.groups()
            key = re.search(r"signed-by=(\S+)", options or "", flags=re.I)
            yield [uri], [suite], key.group(1).replace(",", " ") if key else ""


def find_mirror(texts, codename):
    """The mirror of Debian proper among (file name, text) pairs."""
    for name, text in texts:
        entries = deb822_entries if name.endswith(".sources") else classic_entries
        for uris, suites, key in entries(text):
            for uri in uris:
                if uri.rstrip("/").endswith("/debian") and codename in suites:
                    return Mirror(uri, key)
    raise LabError(f"apt is not configured with a Debian mirror that carries {codename}")


def host_mirror():
    """The mirror that this machine's own apt uses."""
    def setting(name):
        return run(["apt-config", "shell", "value", name],
                   "apt's configuration cannot be read").strip()[len("value='"):-1]

    parts = setting("Dir::Etc::sourceparts/d")
    names = [setting("Dir::Etc::sourcelist/f")]
    names += sorted(glob.glob(os.path.join(parts, "*.sources"))
                    + glob.glob(os.path.join(parts, "*.list")))
    texts = []
    for name in names:
        with contextlib.suppress(OSError), open(name, encoding="utf-8") as file:
            texts.append((name, file.read()))
    return find_mirror(texts, release())


def default_cache():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("ORING_LAB_CACHE") or os.path.join(cache, "oring-lab")


def compare_versions(left, right):
    """As sorting wants it: negative, zero or positive, by dpkg's rules."""
    def holds(relation):
        return subprocess.run(["dpkg", "--compare-versions", left, relation, right]).returncode == 0
    return -1 if holds("lt") else int(holds("gt"))


def newest_of(packages):
    """The package with the highest version, or None."""
    return max(packages, default=None,
               key=lambda package: functools.cmp_to_key(compare_versions)(package.version))


# Read after the machine's own settings (proxies stay in force), and replaces
# what would leave the cache folder: its sources, lists, pins and hooks.
CONFIGURATION = """\
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Default-Release "";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "archives/";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{folder}/suite.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
"""


class Debian:
    """Private apts in one cache folder. say(text) is told what takes long."""

    def __init__(self, cache=None, say=None):
        self.cache = os.path.abspath(cache or default_cache())
        self.say = say or (lambda text: None)

    @contextlib.contextmanager
    def locked(self, name):
        """Tests run side by side and share the cache: one at a time for each thing in it."""
        folder = os.path.join(self.cache, "locks")
        try:
            os.makedirs(folder, exist_ok=True)
            file = open(os.path.join(folder, name), "w")
        except OSError as error:
            raise LabError(f"the cache folder {self.cache} cannot be written ({error.strerror})")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def configuration(self, suite, arch):
        """The private apt's configuration file, written anew each time."""
        folder = os.path.join(self.cache, "apt", f"{suite}-{arch}")
        for name in "lists/partial", "cache/archives/partial":
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        mirror = host_mirror()
        source = f"Types: deb\nURIs: {mirror.uri}\nSuites: {suite}\nComponents: main\n"
        if mirror.signed_by:
            source += f"Signed-By: {mirror.signed_by}\n"
        text = CONFIGURATION.format(architecture=arch, folder=folder)
        for name, content in ("suite.sources", source), ("apt.conf", text), ("status", ""):
            path = os.path.join(folder, name)
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(content)
            os.replace(path + ".new", path)  # another process may be reading it
        return os.path.join(folder, "apt.conf")

    def update(self, suite, arch, force=False):
        """Fetch the suite's index if it is older than a day; returns the configuration file.

        An index from before serves when a newer one cannot be had.
        """
        with self.locked(f"{suite}-{arch}"):
            configuration = self.configuration(suite, arch)
            stamp = os.path.join(os.path.dirname(configuration), "updated")
            had = os.path.getmtime(stamp) if os.path.exists(stamp) else None
            if had and not force and 0 <= time.time() - had < DAY:
                return configuration
            self.say(f"fetching the index of {suite} ({arch})")
            try:
                run(["apt-get", "-c", configuration, "-q", "update"],
                    f"the index of {suite} ({arch}) cannot be fetched")
            except LabError as error:
                if not had:
                    raise
                self.say(f"{error}; the one of {time.strftime('%F', time.localtime(had))} serves")
                return configuration
            with open(stamp, "w"):
                os.utime(stamp)
            return configuration

    def packages(self, suite, pattern, arch=None, force=False):
        """All packages whose whole name matches the pattern, in every version that the suite has."""
        arch = arch or architecture()
        configuration = self.update(suite, arch, force)
        what = f"the index of {suite} ({arch}) cannot be read"
        names = run(["apt-cache", "-c", configuration, "pkgnames"], what).split()
        names = sorted(name for name in names if re.fullmatch(pattern, name))
        packages = []
        if names:
            text = run(["apt-cache", "-c", configuration, "show", *names], what)
            for stanza in text.split("\n\n"):
                fields = dict(re.findall(r"^(Package|Version): (\S+)", stanza, re.M))
                if len(fields) == 2:
                    packages.append(Package(fields["Package"], fields["Version"], arch, suite))
        return packages

    def newest(self, suite, pattern, arch=None, force=False):
        """The newest package whose whole name matches the pattern, over all such names."""
        newest = newest_of(self.packages(suite, pattern, arch, force))
        if not newest:
            raise LabError(f"{suite} ({arch or architecture()}) has no package {pattern}")
        return newest

    def closure(self, suite, names, arch):
        """These packages and all that they depend on, in their newest versions."""
        configuration = self.update(suite, arch)
        text = run(["apt-cache", "-c", configuration, "depends", "--recurse", "--no-recommends",
                    "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces",
                    "--no-enhances", *names],
                   f"{suite} ({arch}) does not have {', '.join(names)}")
        found = sorted(set(re.findall(r"^([\w.+-]+)$", text, re.M)))
        pattern = "|".join(map(re.escape, found))
        newest = {}
        for package in self.packages(suite, pattern, arch):
            newest[package.name] = newest_of([package, newest.get(package.name, package)])
        return list(newest.values())

    def folder_of(self, package):
        """Where extract() puts the package's files."""
        version = package.version.replace(":", "%3a")  # as apt names the file
        return os.path.join(self.cache, "packages", f"{package.name}_{version}_{package.arch}")

    def extract(self, package):
        """The folder with the package's files; downloads it unless it is there already."""
        target = self.folder_of(package)
        with self.locked(os.path.basename(target)):
            if os.path.isdir(target):
                return target
            configuration = self.update(package.suite, package.arch)
            self.say(f"downloading {package.name} {package.version} of {package.suite}")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # Whole or not at all: unpacked beside the target and then renamed.
            work = tempfile.mkdtemp(dir=os.path.dirname(target), prefix=".new-")
            try:
                run(["apt-get", "-c", configuration, "-q", "download",
                     f"{package.name}={package.version}"],
                    f"{package.name} {package.version} of {package.suite} cannot be downloaded",
                    cwd=work)
                files = glob.glob(os.path.join(work, "*.deb"))
                unpacked = os.path.join(work, "files")
                run(["dpkg-deb", "-x", *files, unpacked],
                    f"{package.name} {package.version} cannot be unpacked")
                os.rename(unpacked, target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return target
