"""Debian's kernels for the guest: downloaded once, unpacked beside each other in a cache folder, never installed.

<cache>/linux-image-6.1.0-56-cloud-amd64/boot/vmlinuz-…
                                        /lib/modules/<release>/…   with modules.dep, so that modprobe works
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Debian 12's kernel for clouds: cgroup v2, AppArmor, no EROFS from files, no lowerdir+
USUAL = "6.1"
#: of series that other Debians have than Debian 12; 5.10 mounts no EROFS of blocks smaller than a page
_ELSEWHERE = {
    "5.10": "http://deb.debian.org/debian-security bullseye-security main",
    "6.12": "http://deb.debian.org/debian trixie main",
    "7.2": "http://deb.debian.org/debian sid main",
}
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Lacking(Exception):
    """What the guest needs cannot be had on this machine; the text says what and why."""


@dataclass(frozen=True)
class GuestKernel:
    """An unpacked kernel package; ``modules`` is its /lib/modules/<release>."""

    release: str
    image: Path
    modules: Path


def kernel(series: str, cache: Path) -> GuestKernel:
    """The newest cloud kernel of a series (``6.1``) from Debian's packages, or one that the cache has already.

    Lacking when there is neither.
    """
    cached = newest([path.name for path in cache.glob("linux-image-*")] if cache.is_dir() else [], series)
    if not cached:
        with _sources(series) as options:
            package = newest(_packages(series, options), series)
            if not package:
                raise Lacking(f"apt knows no cloud kernel of the {series} series")
            cached = _unpack(package, cache, options)
    return _opened(cache / cached)


@contextmanager
def _sources(series: str) -> Iterator[list[str]]:
    """Options by which apt finds a series: none, or those of lists of its own for another Debian's."""
    if series not in _ELSEWHERE or not shutil.which("apt-get"):
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="crk-apt-") as place:
        Path(place, "sources.list").write_text(f"deb [signed-by={_KEYS}] {_ELSEWHERE[series]}\n")
        for name in ("lists/partial", "archives/partial"):
            Path(place, name).mkdir(parents=True)
        where = {"Etc::sourcelist": f"{place}/sources.list", "Etc::sourceparts": "/dev/null", "Cache": place}
        where |= {"State::lists": f"{place}/lists"}
        options = [word for name, path in where.items() for word in ("-o", f"Dir::{name}={path}")]
        _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *options, "update"])
        yield options


def newest(packages: list[str], series: str) -> str | None:
    """The package of the highest version among those named linux-image-<series>.…-cloud-amd64."""
    pattern = re.compile(rf"linux-image-{re.escape(series)}[.+]\S*-cloud-amd64")
    fitting = [name for name in packages if pattern.fullmatch(name)]
    return max(fitting, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], default=None)


def default_cache() -> Path:
    """Outside of the repository, kept between runs: $CARRACK_GUEST_CACHE, else root's or the user's cache folder."""
    if named := os.environ.get("CARRACK_GUEST_CACHE"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/carrack/guest")
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "carrack/guest"


def _packages(series: str, options: list[str]) -> list[str]:
    if not shutil.which("apt-cache"):
        raise Lacking("kernels for the guest come from Debian's packages, and there is no apt here")
    command = ["apt-cache", *options, "--names-only", "search", rf"^linux-image-{re.escape(series)}[.+].*-cloud-amd64$"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line.partition(" ")[0] for line in done.stdout.splitlines()]


def _unpack(package: str, cache: Path, options: list[str]) -> str:
    """Download and unpack beside the place, then rename: what is in the cache is whole."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as new:
        parts = _parts(package, options)
        _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *options, "download", package, *parts], cwd=new)
        tree = Path(new, "tree")
        for archive in Path(new).glob("*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(tree)])
        modules = _modules(tree)
        _run(["depmod", "-b", str(modules.parents[2]), modules.name])
        tree.rename(cache / package)
    return package


def _parts(package: str, options: list[str]) -> list[str]:
    done = subprocess.run(["apt-cache", *options, "show", package], capture_output=True, text=True, check=False)
    return sorted(set(re.findall(r"linux-(?:binary|modules)-[^ ,]+", done.stdout)))


def _run(command: list[str], cwd: str | None = None) -> None:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, check=False)
    except FileNotFoundError as error:
        raise Lacking(f"{command[0]} is not installed: scripts/setup --dev installs it") from error
    if done.returncode:
        raise Lacking(f"{' '.join(command)}: {done.stderr.strip()}")


def _opened(tree: Path) -> GuestKernel:
    modules = _modules(tree)
    image = next(iter([*tree.glob("boot/vmlinuz-*"), *modules.glob("vmlinuz*")]))
    return GuestKernel(modules.name, image, modules)


def _modules(tree: Path) -> Path:
    return next(iter([*tree.glob("usr/lib/modules/*"), *tree.glob("lib/modules/*")]))
