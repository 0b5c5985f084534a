"""The clients under test: installed from their registries at pinned versions, apart from the project's own packages.

They are kept in `/var/cache/carrack/clients` (`CARRACK_CLIENTS_CACHE`), below a name made of what is pinned, so that a
changed pin installs anew. Where a registry has no such package the tests that need it are skipped, saying so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("CARRACK_CLIENTS_CACHE", "/var/cache/carrack/clients"))
_PYTHON_PINS = HERE / "requirements.txt"
_NODE_PINS = (HERE / "package.json", HERE / "package-lock.json")
_NODE_AT_LEAST = 20


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


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise NotToBeHad(f"{' '.join(command[:4])} ... failed: {' '.join(lines)}")
    return done.stdout
