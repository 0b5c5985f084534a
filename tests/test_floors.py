"""The law of the house (ARCHITECTURE.md): imports go down, towers meet at the socket, doors have one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "carrack"

FLOORS = {
    "errors": 0, "oci": 0, "model": 0, "dockerfile": 0,
    "linux": 1, "http": 1,
    "storage": 2, "network": 2, "registry": 2, "runtime": 2, "shim": 2, "etcd": 2,
    "engine": 3, "registry_server": 3,
    "api": 4,
    "daemon": 5,
}  # fmt: skip
CLIENT = {"client": 0, "compose": 1, "cli": 2}
# Inside a floor nobody imports a sibling, but for these.
SIBLINGS = {
    ("model", "errors"),
    ("oci", "errors"),
    ("dockerfile", "errors"),
    ("dockerfile", "model"),
    ("model", "oci"),
    ("shim", "runtime"),
}
ENGINE_STEPS = {
    "jobs": 0, "events": 0, "meter": 0, "defaults": 0, "whole": 0, "health": 0,
    "pump": 1, "cdi": 1, "selinux": 1, "plugins": 1, "runtimes": 1, "storage_options": 1,
    "resources": 2, "discards": 2, "device_requests": 2, "privileges": 2, "authorization": 2, "userns": 2,
    "images": 2, "volumes": 2, "networks": 2,
    "containers": 3, "spec": 3,
    "build": 4, "swarm": 4,
    "system": 5,
}  # fmt: skip
# `manifest` makes lists of manifests without the daemon, as docker's command does; loaded when it is called.
CLIENT_EXCEPTIONS = {("cli", "registry")}
# Who may be imported by whom besides the floors: a third-party module and the packages that may use it.
DOORS = {
    "ctypes": {"linux/syscalls.py", "linux/crypt.py"},
    "aiohttp": {"http", "api", "registry", "etcd"},
    "sqlite3": {"storage/records.py", "storage/salvage.py"},
}
# The runtime and the shim start fast: standard library only and no event loop (but the daemon's side of the shim).
LIGHT = ("runtime", "shim", "linux")
DAEMON_SIDE = {"shim/client.py", "shim/connection.py", "shim/running.py", "shim/requests.py", "shim/holding.py"}


def _files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py" or path.parent != SOURCE)


def _imports(path: Path, *, typing: bool) -> Iterator[str]:
    """Full names of the modules that a file imports; without ``typing`` those of TYPE_CHECKING blocks are left out."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                skipped.update(id(child) for statement in node.body for child in ast.walk(statement))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            if node.module.count(".") < 2:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _allowed(own: str, other: str) -> bool:
    if own == other:
        return True
    if own in CLIENT:
        if other in CLIENT:
            return CLIENT[other] <= CLIENT[own]
        return other in ("http", "__version__") or FLOORS.get(other) == 0 or (own, other) in CLIENT_EXCEPTIONS
    if own == "__main__" or other not in FLOORS:
        return other == "__version__" or own == "__main__"
    return FLOORS[other] < FLOORS[own] or (own, other) in SIBLINGS


def test_imports_go_down() -> None:
    wrong = []
    for path in _files():
        for name in _imports(path, typing=True):
            parts = name.split(".")
            if parts[0] == "carrack" and len(parts) > 1 and not _allowed(_package(path), parts[1]):
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_client_tower_uses_only_the_small_http_client() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in _files()
        if _package(path) in CLIENT
        for name in _imports(path, typing=True)
        if name.startswith("carrack.http.") and name.split(".")[2] not in ("client", "client_tls", "framing", "stdcopy")
    ]
    assert not wrong, "\n".join(wrong)


def test_steps_inside_the_engine() -> None:
    wrong = []
    for path in _files():
        if _package(path) != "engine" or (path.parent == SOURCE / "engine" and path.name == "__init__.py"):
            continue
        own = path.relative_to(SOURCE / "engine").parts[0].removesuffix(".py")
        for name in _imports(path, typing=False):
            parts = name.split(".")
            if parts[:2] == ["carrack", "engine"] and len(parts) > 2 and parts[2] != own:
                assert own in ENGINE_STEPS, f"engine/{own} has no step"
                if ENGINE_STEPS[parts[2]] >= ENGINE_STEPS[own] and {own, parts[2]} != {"containers", "spec"}:
                    wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", DOORS)
def test_doors(module: str) -> None:
    allowed = DOORS[module]
    wrong = [
        str(path.relative_to(SOURCE))
        for path in _files()
        if any(name.split(".")[0] == module for name in _imports(path, typing=False))
        and _package(path) not in allowed
        and str(path.relative_to(SOURCE)) not in allowed
    ]
    assert not wrong, f"{module} is imported by {wrong}"


def test_runtime_and_shim_are_light() -> None:
    wrong = []
    for path in _files():
        name = str(path.relative_to(SOURCE))
        if _package(path) not in LIGHT or name in DAEMON_SIDE:
            continue
        for module in _imports(path, typing=False):
            if module.split(".")[0] in ("asyncio", "aiohttp", "isal", "zstandard", "logging", "dataclasses"):
                wrong.append(f"{name} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_environment_is_read_in_one_place_per_program() -> None:
    allowed = {"daemon/config.py", "cli/main.py", "cli/terminal.py", "runtime/main.py"}
    wrong = [
        str(path.relative_to(SOURCE))
        for path in _files()
        if "os.environ" in path.read_text() and str(path.relative_to(SOURCE)) not in allowed
    ]
    assert not wrong, f"os.environ is read in {wrong}"
