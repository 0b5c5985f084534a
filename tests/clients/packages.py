"""The clients under test: installed from their registries at pinned versions, apart from the project's own packages.

Compose and buildx are Debian's `docker-compose` and `docker-buildx`, taken as they are from a root file system of other
engines (`CARRACK_PEERS`) where there is one, else out of their packages. They are kept in `/var/cache/carrack/clients`
(`CARRACK_CLIENTS_CACHE`), below a name made of what is pinned, so that a changed pin installs anew. Where a registry
has no such package the tests that need it are skipped, saying so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("CARRACK_CLIENTS_CACHE", "/var/cache/carrack/clients"))
_PYTHON_PINS = HERE / "requirements.txt"
_NODE_PINS = (HERE / "package.json", HERE / "package-lock.json")
_NODE_AT_LEAST = 20
_PEERS = Path(os.environ.get("CARRACK_PEERS", "/opt/peers"))
_COMPOSE_IN_ROOT = "usr/libexec/docker/cli-plugins/docker-compose"
_BUILDX = "usr/libexec/docker/cli-plugins/docker-buildx"
_BUILDX_OF_DEBIAN = "/usr/lib/docker/cli-plugins/docker-buildx"
_COMPOSE_PIN, _BUILDX_PIN = HERE / "compose.pin", HERE / "buildx.pin"
_SUITES = ("forky", "sid")
_OF_DEBIAN = Path("/etc/debian_version")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


# Sockets that clients leave open, and warnings of their own, are theirs.
OF_OTHERS = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class NotToBeHad(Exception):
    """A client cannot be installed here; the text says which and why."""


def python_packages() -> Path:
    """The folder to import the Python clients from. Raises NotToBeHad."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _cached(f"python{version}", [_PYTHON_PINS], _install_python)


def node_packages() -> Path:
    """The folder that holds node_modules. Raises NotToBeHad."""
    if shutil.which("npm") is None:
        raise NotToBeHad("the clients for node need node and npm, which are not installed")
    version = _output(["node", "--version"]).strip().removeprefix("v")
    if int(version.partition(".")[0]) < _NODE_AT_LEAST:
        raise NotToBeHad(f"the clients for node need version {_NODE_AT_LEAST}; this machine has {version}")
    return _cached("node", list(_NODE_PINS), _install_node)


def compose() -> Path:
    """The program docker-compose of the pinned version. Raises NotToBeHad."""
    installed = _PEERS / "root" / _COMPOSE_IN_ROOT
    if installed.exists():
        return installed
    return _cached("compose", [_COMPOSE_PIN], partial(_unpack, _COMPOSE_PIN)) / _COMPOSE_IN_ROOT


def buildx() -> Path:
    """The program docker-buildx: what CARRACK_TEST_BUILDX names, one that is installed, or the pinned version.

    Raises NotToBeHad."""
    named = os.environ.get("CARRACK_TEST_BUILDX", "")
    for place in (named, str(_PEERS / "root" / _BUILDX), f"/{_BUILDX}", _BUILDX_OF_DEBIAN):
        if place and os.path.isfile(place):
            return Path(place)
    return _cached("buildx", [_BUILDX_PIN], partial(_unpack, _BUILDX_PIN)) / _BUILDX


def sshd() -> tuple[Path, Path]:
    """OpenSSH's server, and the folder of what it needs besides what is here: as it is installed, or unpacked out of
    the packages of this Debian. Raises NotToBeHad."""
    installed = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if installed:
        return Path(installed), Path("/usr/lib")
    if not _OF_DEBIAN.exists():
        raise NotToBeHad("sshd is not installed, and is unpacked on Debian only")
    folder = _cached("sshd", [_OF_DEBIAN], _unpack_sshd)
    return folder / "usr/sbin/sshd", next(iter(folder.glob("usr/lib/*/libwrap.so.0"))).parent


def _unpack_sshd(folder: Path) -> None:
    _output(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "openssh-server", "libwrap0"], folder)
    for package in folder.glob("*.deb"):
        _output(["dpkg-deb", "-x", str(package), str(folder)])
        package.unlink()
    if (folder / "usr/lib/openssh/sshd-session").exists():
        raise NotToBeHad("this Debian's sshd has parts that are looked for in /usr/lib/openssh alone")


def _cached(name: str, pins: list[Path], install: Callable[[Path], None]) -> Path:
    """A folder that `install` filled for these pins; half a folder is never taken for a whole one."""
    digest = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob(f"{name}-*"):
        shutil.rmtree(old, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
    try:
        install(unfinished)
        unfinished.rename(folder)
    except OSError:
        if not folder.exists():  # else another process of the same run was the first
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _install_python(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-deps"]
    _output([*pip, "--target", str(folder), "-r", str(_PYTHON_PINS)])


def _install_node(folder: Path) -> None:
    for pin in _NODE_PINS:
        shutil.copy(pin, folder)
    _output(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)])


def _mirror() -> str:
    """Where this machine has Debian's packages from. Raises NotToBeHad."""
    told = _output(["apt-get", "indextargets", "--format", "$(ORIGIN) $(SUITE) $(REPO_URI)", "Created-By: Packages"])
    for line in told.splitlines():
        origin, suite, address = line.split()
        if origin == "Debian" and not suite.endswith("-security"):
            return address
    raise NotToBeHad("plugins are taken from packages of Debian, of which this machine's apt knows no source")


def _unpack(pin: Path, folder: Path) -> None:
    """Unpack a plugin's package out of the first of Debian's suites that has it, by an apt that leaves the machine's
    alone."""
    if not Path(_KEYRING).exists() or shutil.which("apt-get") is None:
        raise NotToBeHad(f"{pin.stem} is taken from a package of Debian, whose apt-get or {_KEYRING} is not here")
    work = folder / "apt"
    (work / "lists/partial").mkdir(parents=True)
    sources = work / "sources.list"
    lines = [f"deb [signed-by={_KEYRING}] {_mirror()} {suite} main\n" for suite in _SUITES]
    sources.write_text("".join(lines))
    places = {
        "Etc::sourcelist": sources,
        "Etc::sourceparts": "/dev/null",
        "State::lists": work / "lists",
        "Cache": work,
    }
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]
    apt += [word for name, place in places.items() for word in ("-o", f"Dir::{name}={place}")]
    _output([*apt, "update"])
    _output([*apt, "download", f"docker-{pin.stem}={pin.read_text().strip()}"], work)
    (package,) = work.glob(f"docker-{pin.stem}_*.deb")
    _output(["dpkg-deb", "-x", str(package), str(folder)])
    shutil.rmtree(work)


def _output(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise NotToBeHad(f"{' '.join(command[:4])} ... failed: {' '.join(lines)}")
    return done.stdout
