"""Docker's plugin for builds as a verb: which words are its own, where it is, and which daemon it is told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carrack.cli import plugins
from carrack.cli.command import Session
from carrack.errors import InvalidArgument, NotFound


def session(folder: Path, aliases: dict[str, str] | None = None, **environment: str) -> Session:
    (folder / "config.json").write_text(json.dumps({"aliases": aliases} if aliases else {}))
    made = Session({"DOCKER_CONFIG": str(folder), **environment})
    made.verb = "buildx"
    return made


@pytest.mark.parametrize(
    ("words", "alone", "aliased"),
    [
        ("buildx ls", "buildx ls", "buildx ls"),
        ("bake -f x", "buildx bake -f x", "buildx bake -f x"),
        ("build -t a .", None, "buildx build -t a ."),
        ("builder prune", None, "buildx prune"),
        ("image build .", None, "buildx build ."),
        ("image ls", None, None),
    ],
)
def test_whose_words_they_are(words: str, alone: str | None, aliased: str | None, tmp_path: Path) -> None:
    for made, expected in ((None, alone), ({"builder": "buildx"}, aliased)):
        found = plugins.forwarded(session(tmp_path, made), words.split())
        assert (found and " ".join(found)) == expected
    classic = session(tmp_path, {"builder": "buildx"}, DOCKER_BUILDKIT="0")
    assert plugins.forwarded(classic, ["build", "."]) is None


@pytest.mark.parametrize("aliases", [{"ps": "buildx"}, {"builder": "ps"}, {"builder": "network"}, {"builder": "../x"}])
def test_aliases_that_are_refused(aliases: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not allowed to alias"):
        plugins.forwarded(session(tmp_path, aliases), ["build", "."])


def test_what_it_is_run_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("os.execve", lambda *words: seen.append(words))
    made = session(tmp_path, CARRACK_HOST="unix:///c")
    with pytest.raises(NotFound, match=rf"no docker-none in {tmp_path}/cli-plugins"):
        plugins.find(made, "none")
    (tmp_path / "cli-plugins").mkdir()
    program = tmp_path / "cli-plugins" / "docker-buildx"
    program.touch(0o755)
    plugins.run(made, ["-D"], ["buildx", "ls"])
    made.host = "unix:///d"
    plugins.run(made, ["-H", "unix:///d"], ["buildx", "ls"])
    made = session(tmp_path, DOCKER_CONTEXT="far")
    plugins.run(made, [], ["buildx", "ls"])
    plugins.run(session(tmp_path), [], ["buildx", "ls"])
    assert [(path, words) for path, words, _ in seen[:2]] == [
        (str(program), [str(program), "-D", "buildx", "ls"]),
        (str(program), [str(program), "-H", "unix:///d", "buildx", "ls"]),
    ]
    hosts = [environment.get("DOCKER_HOST") for *_, environment in seen]
    assert hosts == ["unix:///c", None, None, "unix:///run/carrack.sock"]
    assert all("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND" in environment for *_, environment in seen)
