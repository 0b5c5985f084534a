"""Whole Dockerfiles."""

import pytest

from carrack.dockerfile import commands as c
from carrack.dockerfile import file
from carrack.dockerfile.problem import DockerfileError

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
