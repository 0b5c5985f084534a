"""ufw out of Debian's packages, not installed: seen in a mount namespace of its own, over the machine's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("CARRACK_CLIENTS_CACHE", "/var/cache/carrack/clients")) / "ufw"
_PACKAGES = [
    *("ufw", "iptables", "libip4tc2", "libip6tc2", "libxtables12", "libnetfilter-conntrack3"),
    *("libnfnetlink0", "libnftnl11", "libmnl0"),
]
_ENTER = """
set -e
tree=$1 state=$2; shift 2
mount --make-rprivate /
mount -t overlay -o "lowerdir=$tree/usr:/usr" overlay /usr
mount -t overlay -o "lowerdir=$tree/etc:/etc,upperdir=$state/etc,workdir=$state/work" overlay /etc
mount -t tmpfs tmpfs /run
exec sh -ec "$1"
"""


class NotToBeHad(Exception):
    """The text says why."""


def unpacked() -> Path:
    """The packages' files, downloaded once. Raises NotToBeHad."""
    if CACHE.exists():
        return CACHE
    if shutil.which("apt-get") is None:
        raise NotToBeHad("ufw is taken from Debian's packages, and there is no apt-get here")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent, prefix=".ufw-") as work:
        _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *_PACKAGES], work)
        tree = Path(work, "tree")
        for package in Path(work).glob("*.deb"):
            _run(["dpkg-deb", "-x", str(package), str(tree)], work)
        _arrange(tree)
        tree.rename(CACHE)
    return CACHE


def _arrange(tree: Path) -> None:
    """What installing would do: folders of the root are those of /usr, iptables is that of nftables, ufw has files."""
    for name in ("lib", "sbin", "bin"):
        if (tree / name).is_dir():
            shutil.copytree(tree / name, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / name)
    for name in ("iptables", "ip6tables"):
        for end in ("", "-restore", "-save"):
            place = tree / "usr/sbin" / f"{name}{end}"
            place.unlink(missing_ok=True)
            place.symlink_to("xtables-nft-multi")
    shared = tree / "usr/share/ufw"
    for file in [shared / "ufw.conf", *shared.glob("*.rules"), *shared.glob("iptables/*.rules")]:
        shutil.copy(file, tree / "etc/ufw" / file.name)


def _run(command: list[str], folder: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotToBeHad(f"{command[0]} does not give ufw: {done.stderr.strip()[-300:]}")


class Ufw:
    """One ufw with settings of its own, below ``state``, for the network of a process."""

    def __init__(self, state: Path, pid: int) -> None:
        self._tree, self._state, self._pid = unpacked(), state, pid
        for name in ("etc", "work"):
            (state / name).mkdir()

    def __call__(self, command: str) -> str:
        """Run a shell's command where ufw is installed; what it prints."""
        inside = ["nsenter", "--net", "--target", str(self._pid), "unshare", "--mount"]
        words = [*inside, "sh", "-c", _ENTER, "ufw", str(self._tree), str(self._state), command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
