"""The documents that answer questions about a Dockerfile."""

from __future__ import annotations

import base64

import pytest

from carrack.dockerfile import answers, checks, file
from carrack.dockerfile.problem import DockerfileError

TEXT = """# all what is made
FROM scratch AS all
ARG version=1
RUN --mount=type=secret,id=token,required --mount=type=ssh x
FROM all AS Last
MAINTAINER me
"""


def test_lint() -> None:
    told = answers.lint(checks.check(file.parse(TEXT)), "Dockerfile", TEXT.encode())
    assert [each["ruleName"] for each in told["warnings"]] == ["StageNameCasing", "MaintainerDeprecated"]
    assert told["warnings"][1]["location"] == {"ranges": [{"start": {"line": 6}, "end": {"line": 6}}]}
    assert base64.b64decode(told["sources"][0]["data"]).decode() == TEXT
    assert answers.lint([], "D") == {"warnings": None, "sources": [{"filename": "D"}]}


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(DockerfileError) as caught:
        file.parse("FROM scratch\nFOO x")
    told = answers.unreadable(caught.value, "D", b"")
    assert told["buildError"]["message"].startswith("dockerfile parse error on line 2: unknown instruction")
    assert told["buildError"]["location"]["ranges"][0]["start"] == {"line": 2}


def test_targets_and_what_they_take() -> None:
    parsed = file.parse(TEXT)
    first, last = answers.targets(parsed)["targets"]
    assert (first["name"], first["description"], first["base"]) == ("all", "what is made", "scratch")
    assert (last["name"], last["default"]) == ("last", True)
    told = answers.taken(parsed, {"version": "2"}, "")
    assert told["args"][0] | {"location": None} == {"name": "version", "value": "2", "location": None}
    assert [each["name"] for each in told["secrets"] + told["ssh"]] == ["token", "default"]
