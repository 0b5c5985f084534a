"""Questions to a Dockerfile, answered without a daemon."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest

from carrack.cli.build_calls import answer
from carrack.cli.command import Session
from carrack.cli.exit import Exit
from carrack.client.transport import Unreachable

TEXT = """# V the version
ARG V=1
FROM scratch AS first
MAINTAINER me
# check what is built
FROM app:$V AS check
LABEL home=$HOME
RUN --mount=type=secret,id=token,required --mount=type=ssh x
"""


@pytest.fixture
def session() -> Session:
    """One whose daemon is not there."""
    found = Session({})
    found.host = "unix:///nonexistent/socket"
    return found


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "Dockerfile").write_text(TEXT)
    return str(tmp_path)


def test_check(session: Session, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(session, "check", folder, "", {}, "") == 1
    assert capsys.readouterr().out == (
        "Check complete, 1 warning has been found!\n\n"
        "WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/\n"
        "Maintainer instruction is deprecated in favor of using label\nDockerfile:4\n--------------------\n"
        "   2 |     ARG V=1\n   3 |     FROM scratch AS first\n   4 | >>> MAINTAINER me\n"
        "   5 |     # check what is built\n"
        "   6 |     FROM app:$V AS check\n--------------------\n"
    )


def test_check_as_json(session: Session, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(session, "check,format=json", folder, "", {}, "") == 1
    warning = json.loads(capsys.readouterr().out)["warnings"][0]
    assert (warning["ruleName"], warning["location"]["ranges"][0]["start"]["line"]) == ("MaintainerDeprecated", 4)
    skipped = {"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}
    assert answer(session, "check,format=json", folder, "", skipped, "") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] is None


def test_a_repository_comes_with_what_the_user_lends(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    document = {"Name": "Dockerfile", "Data": base64.b64encode(b"FROM scratch AS one\n").decode()}

    class Daemon:
        def upload(self, method: str, path: str, query: object, data: object, *, headers: object) -> io.BytesIO:
            asked.append((path, query, headers))
            return io.BytesIO(json.dumps(document).encode())

    monkeypatch.setattr(Session, "daemon", Daemon())
    secret = ("X-Carrack-Build-Secrets", "e30=")
    assert answer(session, "targets", "https://h/r.git", "", {}, "", (), [secret]) == 0
    assert asked == [("/build/dockerfile", {"remote": "https://h/r.git", "dockerfile": None}, [secret])]
    assert "one" in capsys.readouterr().out
    with pytest.raises(Exit, match="SSH_AUTH_SOCK is not set"):
        answer(session, "targets", "git@h:r.git", "", {}, "", ["default"])


def test_variables_of_an_image_that_the_daemon_knows(
    session: Session, folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Daemon:
        def get(self, path: str) -> object:
            asked.append(path)
            return {"Config": {"Env": ["PATH=/bin"]}}

    monkeypatch.setattr(Session, "daemon", Daemon())
    assert answer(session, "check", folder, "", {}, "") == 1
    assert "Usage of undefined variable '$HOME'" in capsys.readouterr().out
    assert asked == ["/images/app:1/json"]


def test_violation(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").write_text("# check=error=true\nFROM scratch\nMAINTAINER x\n")
    assert answer(session, "check", str(tmp_path), "other", {}, "") == 1
    assert capsys.readouterr().err == "\nERROR: lint violation found for rules: MaintainerDeprecated\n"


def test_file_on_standard_input(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"FROM scratch\nFOO x\n")))
    assert answer(session, "check", "-", "", {}, "") == 1
    assert capsys.readouterr().err == (
        "ERROR: dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)\nDockerfile:2\n"
        "--------------------\n   1 |     FROM scratch\n   2 | >>> FOO x\n   3 |     \n--------------------\n"
    )


def test_an_archive_takes_a_daemon(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\x1f\x8b...")))
    for source in ("-", "https://example.org/context.tar"):
        with pytest.raises(Unreachable):
            answer(session, "check", source, "", {}, "")


def test_ignored_files(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Dockerfile").write_text("# check=experimental=all\nFROM scratch\nCOPY a.txt /\n")
    (tmp_path / ".dockerignore").write_text("*.txt\n")
    assert answer(session, "check", str(tmp_path), "", {}, "") == 1
    assert 'Attempting to Copy file "a.txt" that is excluded by .dockerignore' in capsys.readouterr().out


def test_targets(session: Session, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(session, "targets", folder, "", {}, "") == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert lines == [["TARGET", "DESCRIPTION"], ["first"], ["check", "(default)   what is built"]]
    answer(session, "targets,format=json", folder, "", {}, "")
    first, second = json.loads(capsys.readouterr().out)["targets"]
    assert (first["name"], first["base"], second["default"]) == ("first", "scratch", True)


def test_outline(session: Session, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(session, "outline", folder, "", {"V": "2"}, "") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["TARGET:", "check"], [], ["BUILD", "ARG", "VALUE", "DESCRIPTION"], ["V", "2", "the", "version"],
        [], ["SECRET", "REQUIRED"], ["token", "true"], [], ["SSH", "REQUIRED"], ["default"],
    ]  # fmt: skip
    answer(session, "outline,format=json", folder, "", {}, "first")
    assert json.loads(capsys.readouterr().out) == {"name": "first"}


@pytest.mark.parametrize(("call", "said"), [("lint", "is not known"), ("check,format=xml", "format=json")])
def test_unknown_calls(session: Session, folder: str, call: str, said: str) -> None:
    with pytest.raises(Exit, match=said):
        answer(session, call, folder, "", {}, "")


def test_no_file(session: Session, tmp_path: Path) -> None:
    with pytest.raises(Exit, match="unable to read the Dockerfile"):
        answer(session, "check", str(tmp_path), "", {}, "")
