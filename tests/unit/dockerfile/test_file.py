"""Whole Dockerfiles."""

import json

import pytest
from tests.fakes import dockerfiles

from carrack.dockerfile import commands as c
from carrack.dockerfile import file
from carrack.dockerfile.problem import DockerfileError
from carrack.errors import InvalidArgument

TWO = b"""# syntax=docker/dockerfile:1
ARG V=1
FROM a:$V AS Build
RUN x
FROM scratch
COPY --from=build /x /
"""


def test_stages() -> None:
    found = file.parse(TWO)
    assert found.directives.syntax == "docker/dockerfile:1"
    assert [arg.pairs[0].key for arg in found.globals] == ["V"]
    assert [(stage.index, stage.name, len(stage.commands)) for stage in found.stages] == [(0, "build", 1), (1, "1", 1)]
    assert len(found.statements) == 5


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"RUN x", "line 1: no build stage in current context"),
        (b"ARG a", "no FROM"),
        (b"FROM a\nRUN \xff", "line 2: the file is not UTF-8"),
        (b"#" * (3 << 20), "the limit is"),
        (b"", "no instructions"),
    ],
)
def test_refused(data: bytes, said: str) -> None:
    with pytest.raises(DockerfileError, match=said):
        file.parse(data)


def test_triggers() -> None:
    assert isinstance(file.parse_trigger("RUN <<E\nhi\nE"), c.Run)
    for text in ("FROM a", "MAINTAINER a", "ONBUILD RUN a"):
        with pytest.raises(DockerfileError, match="isn't allowed"):
            file.parse_trigger(text)
    with pytest.raises(DockerfileError, match="one instruction"):
        file.parse_trigger("RUN a\nRUN b")


@pytest.mark.parametrize("case", dockerfiles.cases("good"))
def test_good(case: str, request: pytest.FixtureRequest) -> None:
    folder = dockerfiles.GOLDEN / "good" / case
    data = (folder / "Dockerfile").read_bytes()
    found = dockerfiles.commands(data)
    found["states"] = dockerfiles.states(file.parse(data), dockerfiles.arguments(folder))
    expected = folder / "expected.json"
    if request.config.getoption("--update-golden"):
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert json.loads(json.dumps(found)) == json.loads(expected.read_text())


@pytest.mark.parametrize("case", dockerfiles.cases("bad"))
def test_bad(case: str, request: pytest.FixtureRequest) -> None:
    folder = dockerfiles.GOLDEN / "bad" / case
    data = (folder / "Dockerfile").read_bytes()
    with pytest.raises(InvalidArgument) as failed:
        dockerfiles.states(file.parse(data), dockerfiles.arguments(folder))
    place = getattr(failed.value, "place", None)
    where = f"{place.line}:{place.column}" if place else "?"
    found = f"Dockerfile:{where}: {failed.value}\n"
    expected = folder / "expected.txt"
    if request.config.getoption("--update-golden"):
        expected.write_text(found)
    assert found == expected.read_text()


def test_very_many_instructions_and_comments() -> None:
    file.parse("FROM x\n" + "# a\n" * 100_000 + "RUN a\n" * 9_999)
    with pytest.raises(DockerfileError, match="more than 10000 instructions"):
        file.parse("FROM x\n" + "RUN a\n" * 10_000)
