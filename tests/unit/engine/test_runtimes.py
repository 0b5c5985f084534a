"""Which runtimes there are, by configuration and by what is installed."""

from pathlib import Path

import pytest

from carrack.engine.runtimes import Runtime, Runtimes
from carrack.errors import InvalidArgument
from carrack.shim.client import StartFailed


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which runc is and crun is not."""
    (tmp_path / "runc").write_text("#!/bin/sh\n")
    (tmp_path / "runc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_what_is_installed_is_offered(programs: Path) -> None:
    known = Runtimes({})
    assert list(known.document()) == ["carrack", "io.containerd.runc.v2", "runc"]
    assert known.words("io.containerd.runc.v2") == [f"{programs}/runc"]
    assert known.check("") == "carrack"
    assert known.check("runc") == "runc"
    with pytest.raises(InvalidArgument, match=r"^unknown or invalid runtime name: crun$"):
        known.check("crun")


def test_a_configured_one_goes_before_one_that_was_found(programs: Path) -> None:
    known = Runtimes({"runc": Runtime("/elsewhere/runc", ("--debug",))}, "runc")
    assert known.check("") == "runc"
    assert known.document()["runc"] == {"path": "/elsewhere/runc", "runtimeArgs": ["--debug"]}
    with pytest.raises(StartFailed, match="/elsewhere/runc: executable file not found") as caught:
        known.words("runc")
    assert caught.value.exit_code == 127


def test_arguments_follow_the_program(programs: Path) -> None:
    assert Runtimes({"mine": Runtime("runc", ("--debug",))}).words("mine") == [f"{programs}/runc", "--debug"]


def test_a_change_that_cannot_be_changes_nothing(programs: Path) -> None:
    known = Runtimes({"mine": Runtime("runc")}, "mine")
    with pytest.raises(InvalidArgument, match="default runtime 'gone' does not exist"):
        known.change({}, "gone")
    assert known.check("") == "mine"
    known.change({})
    with pytest.raises(InvalidArgument, match="unknown or invalid runtime name: mine"):
        known.check("mine")
    with pytest.raises(StartFailed, match="unknown or invalid runtime name: mine"):
        known.words("mine")  # of a container that was made before
