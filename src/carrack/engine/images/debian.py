"""The `debian` base images, made from the distribution's own packages by mmdebstrap or debootstrap.

The tool fills a directory; what differs from run to run (logs, caches, package lists, backups, the host's name and
resolver, days of installation) is taken out, and every time later than the newest file that a package shipped becomes
that time. So the same packages give the same tar.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from carrack.storage import tarwriter
from carrack.storage.differ import Packer
from carrack.storage.tarwriter import Write
from carrack.storage.walk import walk

SUITES = ("bookworm", "trixie")
TOOLS = ("mmdebstrap", "debootstrap")

# Directories whose content goes, and names that go, relative to the root.
_EMPTIED = (
    b"dev/", b"proc/", b"run/", b"sys/", b"tmp/", b"var/cache/apt/", b"var/cache/debconf/", b"var/cache/ldconfig/",
    b"var/lib/apt/lists/", b"var/log/", b"var/tmp/",
)  # fmt: skip
_DROPPED = re.compile(
    rb"etc/(?:hostname|resolv\.conf|machine-id|\.pwd\.lock|mtab|(?:passwd|group|shadow|gshadow|subuid|subgid)-)"
    rb"|var/lib/dbus/machine-id"
    rb"|var/lib/systemd/random-seed"
    rb"|var/lib/dpkg/(?:lock|lock-frontend|.*-old|triggers/Lock)"
    rb"|var/lib/apt/(?:daily_lock|extended_states\.tmp)"
    rb"|debootstrap(?:/.*)?"
    rb"|.*\.pyc"
)
_SECURITY = "http://security.debian.org/debian-security"
MIRROR = "http://deb.debian.org/debian"
_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
_DAY = 86400
# The tool ends with the daemon (pdeathsig), all its processes with it (kill-child), its mounts with them.
_APART = (
    "env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=0 setpriv --pdeathsig KILL "
    "unshare --mount --propagation private --pid --fork --kill-child --mount-proc"
).split()


def command(tool: str, suite: str, target: str) -> list[str]:
    """The tool's command line. It runs in mount and process namespaces of its own, so that nothing of it stays."""
    if tool.endswith("mmdebstrap"):
        options = ["--mode=root", "--variant=minbase", "--format=directory"]
        if suite == "bookworm":
            # Of its alternatives apt would take the package that brings all of perl.
            options += ["--include=usr-is-merged", f"--hook-dir={_MERGED_USR}"]
        return [*_APART, tool, *options, suite, target]
    return [*_APART, tool, "--variant=minbase", suite, target, MIRROR]


def write(out: Write, root: Path, suite: str) -> int:
    """Settle the tree in `root` (it is changed) and write it as a tar; returns its newest time in seconds."""
    newest = settle(root, suite)
    packer = Packer(out, newest=newest)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for node in walk(fd):
            if not dropped(node.path):
                packer.add(node, node.path)
    finally:
        os.close(fd)
    tarwriter.finish(out)
    return newest


def settle(root: Path, suite: str) -> int:
    """Rewrite the files that hold the installation's day or mirror; returns the newest packaged file's time."""
    newest = _newest_packaged(root)
    for name in ("shadow", "shadow-"):
        path = root / "etc" / name
        if path.exists():
            _rewrite(path, re.sub(r"(?m)^([^:\n]*:[^:\n]*):\d+:", rf"\g<1>:{newest // _DAY}:", path.read_text()))
    sources = [
        f"deb {MIRROR} {suite} main",
        f"deb {MIRROR} {suite}-updates main",
        f"deb {_SECURITY} {suite}-security main",
    ]
    _rewrite(root / "etc" / "apt" / "sources.list", "\n".join(sources) + "\n")
    return newest


def dropped(path: bytes) -> bool:
    """Whether a path of the tree is left out of the image."""
    return path.startswith(_EMPTIED) or _DROPPED.fullmatch(path) is not None


def _newest_packaged(root: Path) -> int:
    """The newest time among the files that the packages' checksum lists name."""
    newest = 0
    for listing in sorted((root / "var" / "lib" / "dpkg" / "info").glob("*.md5sums")):
        for line in listing.read_text("utf-8", "surrogateescape").splitlines():
            try:
                found = os.lstat(root / line.partition("  ")[2])
            except OSError:
                continue  # a package's file may have been diverted or removed by another
            if stat.S_ISREG(found.st_mode):
                newest = max(newest, int(found.st_mtime))
    if not newest:
        raise OSError(None, "the bootstrapped tree holds no packages", str(root))
    return newest


def _rewrite(path: Path, text: str) -> None:
    """New content in the old file, so that owner and mode stay."""
    with path.open("r+" if path.exists() else "w", encoding="utf-8") as file:
        file.truncate()
        file.write(text)
