from __future__ import annotations

from pathlib import Path

import pytest

from carrack.cli.command import Command, Session, each, execute
from carrack.cli.flags import Parsed
from carrack.client.transport import Refused, Unreachable


def run(_: Session, parsed: Parsed) -> int:
    return len(parsed.arguments)


def session() -> Session:
    made = Session({})
    made.verb = "thing"
    return made


@pytest.mark.parametrize(
    ("least", "most", "words", "message"),
    [
        (1, None, [], "carrack: 'carrack thing' requires at least 1 argument"),
        (2, 2, ["a"], "carrack: 'carrack thing' requires 2 arguments"),
        (1, 1, ["a", "b"], "carrack: 'carrack thing' requires 1 argument"),
        (0, 0, ["a"], "carrack: 'carrack thing' accepts no arguments"),
        (0, 1, ["a", "b"], "carrack: 'carrack thing' requires at most 1 argument"),
        (1, 2, [], "carrack: 'carrack thing' requires at least 1 and at most 2 arguments"),
    ],
)
def test_counts(
    capsys: pytest.CaptureFixture[str], least: int, most: int | None, words: list[str], message: str
) -> None:
    assert execute(session(), Command("X", "does", run, least=least, most=most), words) == 1
    told = capsys.readouterr().err
    assert told.startswith(message + "\n\nUsage:  carrack thing X\n")
    assert f"{'See' if most is None else 'Run'} 'carrack thing --help'" in told


def test_flags_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command("X", "does", run, most=None)
    assert execute(session(), command, ["a", "b"]) == 2
    assert execute(session(), command, ["--wrong"]) == 125
    assert capsys.readouterr().err.startswith("unknown flag: --wrong\n\nUsage:")


def test_each_goes_on_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def act(name: str) -> str | None:
        if name == "bad":
            raise Refused(404, "No such container: bad")
        return {"silent": "", "told": "42"}.get(name)

    assert each(session(), ["a", "bad", "silent", "told", " "], act) == 1
    out = capsys.readouterr()
    assert out.out == "a\n42\n"
    assert out.err.splitlines() == [
        "Error response from daemon: No such container: bad",
        "invalid container name or ID: value is empty",
    ]


def test_each_gives_up_without_a_daemon() -> None:
    def act(_: str) -> None:
        raise Unreachable("unix:///x", OSError(2, "gone"))

    with pytest.raises(Unreachable):
        each(session(), ["a", "b"], act)


def test_a_session_connects_where_it_is_told(tmp_path: Path) -> None:
    made = Session({"DOCKER_HOST": "tcp://box:1", "DOCKER_API_VERSION": "1.44"})
    assert (made.daemon.host.url, made.daemon.version) == ("tcp://box:1", "1.44")
    other = Session({"DOCKER_HOST": "tcp://box:1"})
    other.host = f"unix://{tmp_path}/s"
    assert other.daemon.host.address == f"{tmp_path}/s"
