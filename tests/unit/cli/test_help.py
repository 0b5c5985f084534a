from __future__ import annotations

import pytest

from carrack.cli import help as manual
from carrack.cli.main import main


@pytest.mark.census("help")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["Usage:  carrack [OPTIONS] COMMAND", "Common Commands:", "run ", "Management Commands:", "--host"]),
        (["--help"], ["Usage:  carrack [OPTIONS] COMMAND"]),
        (["container"], ["Usage:  carrack container COMMAND", "Remove all stopped containers"]),
        (["image", "--help"], ["bootstrap"]),
        (["help", "run"], ["Usage:  carrack run", "--publish list", "Examples:"]),
        (["run", "--help"], ["carrack container run, carrack run", "-p, --publish list"]),
        (["container", "ls", "--help"], ["carrack ps", "-a, --all  "]),
    ],
)
def test_help(capsys: pytest.CaptureFixture[str], words: list[str], expected: list[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    for text in expected:
        assert text in out


def test_hidden_flags_stay_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "--net " not in capsys.readouterr().out
    assert main(["help", "nothing"]) == 1


def test_options_are_wrapped() -> None:
    flags = (("name", "n", "string", "one two three four five six seven eight nine ten"), ("old", "", "int", ""))
    lines = manual.option_lines(flags, 50).splitlines()
    assert lines[0].startswith("  -n, --name string   one two")
    assert len(lines) > 1
    assert all(line.startswith(" " * 22) for line in lines[1:])
