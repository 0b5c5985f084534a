"""What is shipped: the lock is complete, the package holds its data, and the units start what there is."""

from __future__ import annotations

import fnmatch
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from carrack.daemon.config import load

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
UNITS = ROOT / "packaging"


def locked() -> dict[str, str]:
    lines = (line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())
    return {canonicalize_name(name): version for name, version in lines}


def wanted(texts: list[str], extra: str = "") -> dict[str, Requirement]:
    """The requirements and, through what is installed, theirs."""
    found: dict[str, Requirement] = {}
    for text in texts:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            name = canonicalize_name(requirement.name)
            found[name] = requirement
            for more in requirement.extras or {""}:
                found = wanted(metadata.requires(name) or [], more) | found
    return found


def test_the_lock_has_all_that_is_needed() -> None:
    project = PROJECT["project"]
    needed = wanted([*project["dependencies"], *project["optional-dependencies"]["dev"]])
    assert set(needed) - set(locked()) == set(), "add these to requirements.lock"
    for name, requirement in needed.items():  # as far as this interpreter and machine need it
        assert requirement.specifier.contains(locked()[name]), (
            f"{name} {locked()[name]} is locked, wanted {requirement}"
        )


def test_every_dependency_has_an_upper_bound() -> None:
    project = PROJECT["project"]
    for text in [
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *PROJECT["build-system"]["requires"],
    ]:
        assert "<" in str(Requirement(text).specifier), f"{text} may break us by its next release"


def test_files_beside_the_code_are_packaged() -> None:
    globs = PROJECT["tool"]["setuptools"]["package-data"]["carrack"]
    top = ROOT / "src" / "carrack"
    others = [
        path for path in top.rglob("*") if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    ]
    assert others
    names = [str(path.relative_to(top)) for path in others]
    assert [name for name in names if not any(fnmatch.fnmatch("x/" + name, "x/" + g) for g in globs)] == []
    assert [path for path in top.rglob("*.py") if not (path.parent / "__init__.py").exists()] == []


@pytest.mark.parametrize(("program", "entry"), sorted(PROJECT["project"]["scripts"].items()))
def test_programs_start(program: str, entry: str) -> None:
    module, _, function = entry.partition(":")
    assert callable(getattr(import_module(module), function))
    code = f"import sys; from {module} import {function}; sys.argv[0] = {program!r}; sys.exit({function}())"
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version" in done.stdout


def test_the_daemon_takes_the_options_of_its_unit() -> None:
    lines = (UNITS / "carrack.service").read_text().splitlines()
    command = next(line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    program, *options = shlex.split(command)
    assert f"bin/{Path(program).name}" in PROJECT["tool"]["setuptools"]["script-files"]
    config = load(options, {}).config
    assert config.cgroup_parent == "/carrack.slice/carrack-containers.service"
    assert [address.kind for address in config.addresses] == ["fd"]


def test_units_are_well_formed(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for path in UNITS.glob("carrack*"):
        if path.suffix in (".service", ".socket", ".slice"):
            (tmp_path / path.name).write_text(path.read_text().replace("/usr/bin/carrackd", "/bin/true"))
    units = [str(path) for path in tmp_path.iterdir()]
    assert len(units) == 4
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "carrack" in line]
    assert (done.returncode, ours) == (0, [])
