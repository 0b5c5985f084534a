"""Checks: each golden file has the warnings that BuildKit 0.25 gave for it, every image there being one with a PATH."""

from __future__ import annotations

import json

import pytest
from tests.fakes import dockerfiles

from carrack.dockerfile import file
from carrack.dockerfile.checks import Breach, check, settings
from carrack.dockerfile.ignore import Ignored
from carrack.dockerfile.problem import DockerfileError
from carrack.dockerfile.rules import RULES

CASES = [case for case in dockerfiles.cases("good") if (dockerfiles.GOLDEN / "good" / case / "checks.json").exists()]


def told(found: list[Breach]) -> list[list[object]]:
    return sorted(([each.place.line, each.rule.name, each.detail] for each in found), key=str)


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    folder = dockerfiles.GOLDEN / "good" / case
    parsed = file.parse((folder / "Dockerfile").read_bytes())
    found = check(parsed, dockerfiles.arguments(folder), lambda image: ("PATH",))
    assert told(found) == sorted(json.loads((folder / "checks.json").read_text()), key=str)


def test_nothing_is_said_about_variables_of_unknown_images() -> None:
    parsed = file.parse("FROM app AS a\nLABEL x=$HOME\nFROM scratch\nLABEL y=$HOME\nFROM a\nLABEL z=$OTHER\n")
    assert told(check(parsed)) == [[4, "UndefinedVar", "Usage of undefined variable '$HOME'"]]
    known = check(parsed, {}, lambda image: ("PATH", "HOME"))
    assert [each.place.line for each in known] == [4, 6]


def test_ignored_files_copied() -> None:
    text = "# check=experimental=CopyIgnoredFile\nFROM scratch\nCOPY node_modules ./a.txt keep.txt /x/\nADD b.txt /y\n"
    text += "COPY --from=other a.txt /\nADD https://example.org/a.txt /\n"
    found = check(file.parse(text), ignored=Ignored(["node_modules", "*.txt", "!keep.txt"]))
    said = 'Attempting to {} file "{}" that is excluded by .dockerignore'
    assert told(found) == [
        [3, "CopyIgnoredFile", said.format("Copy", "a.txt")],
        [3, "CopyIgnoredFile", said.format("Copy", "node_modules")],
        [4, "CopyIgnoredFile", said.format("Add", "b.txt")],
    ]


def test_settings() -> None:
    parsed = file.parse("# check=skip=UndefinedVar\nFROM scratch\n")
    assert settings(parsed, {}).skip == {"UndefinedVar"}
    assert settings(parsed, {"BUILDKIT_DOCKERFILE_CHECK": "error=true"}).error
    with pytest.raises(DockerfileError, match="invalid check option"):
        check(parsed, {"BUILDKIT_DOCKERFILE_CHECK": "what"})


@pytest.mark.parametrize("text", ["FROM a\nENV a=${", "FROM ${x", "ARG a=${x:?}\nFROM a"])
def test_words_that_cannot_be_read(text: str) -> None:
    with pytest.raises(DockerfileError):
        check(file.parse(text))


def test_every_rule_is_found_by_some_case() -> None:
    found = set()
    for case in CASES:
        documents = json.loads((dockerfiles.GOLDEN / "good" / case / "checks.json").read_text())
        found |= {name for _, name, _ in documents}
    # one is seen above, and platforms of images are known only where images are
    assert found == set(RULES) - {"CopyIgnoredFile", "InvalidBaseImagePlatform"}
