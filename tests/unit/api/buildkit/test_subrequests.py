"""Questions about a Dockerfile, as buildx asks them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.fakes.building import FakeBases
from tests.fakes.images import HOST

from carrack.api.buildkit import subrequests
from carrack.api.buildkit.attributes import Wanted
from carrack.errors import NotSupported

TEXT = b"FROM base AS one\nARG V=1\nLABEL l=$A$NONE\nCOPY a.txt /\nFROM elsewhere\nLABEL l=$OTHER\n"


def asked(request: str, text: bytes = TEXT, **more: Any) -> Any:
    answer = asyncio.run(subrequests.answer(Wanted(request=request, **more), text, ["*.txt"], FakeBases(), HOST))
    return json.loads(answer["result.json"]), answer


def test_lint() -> None:
    told, answer = asked(subrequests.LINT, arguments={"BUILDKIT_DOCKERFILE_CHECK": "experimental=all"})
    assert [each["ruleName"] for each in told["warnings"]] == ["UndefinedVar", "CopyIgnoredFile"]
    assert answer["result.statuscode"] == b"1"
    told, answer = asked(subrequests.LINT, b"FROM scratch")
    assert (told["warnings"], answer["result.statuscode"]) == (None, b"0")


def test_lint_of_what_is_no_dockerfile() -> None:
    told, answer = asked(subrequests.LINT, b"FROM scratch\nFOO")
    assert "unknown instruction: FOO" in told["buildError"]["message"]
    assert answer["result.statuscode"] == b"1"


def test_targets_outline_and_what_can_be_asked() -> None:
    assert [each["base"] for each in asked(subrequests.TARGETS)[0]["targets"]] == ["base", "elsewhere"]
    told = asked(subrequests.OUTLINE, target="one", arguments={"V": "2"})[0]
    assert (told["name"], told["args"][0]["value"]) == ("one", "2")
    assert {each["name"] for each in asked(subrequests.DESCRIBE)[0]} >= {subrequests.LINT, subrequests.OUTLINE}
    with pytest.raises(NotSupported, match=r"frontend\.other is not supported"):
        asked("frontend.other")
