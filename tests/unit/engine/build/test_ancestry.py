"""Images whose history a classic build follows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.images import HOST

from carrack.engine.build import state
from carrack.engine.build.ancestry import next_layer
from carrack.engine.build.results import Result
from carrack.oci.platform import Platform

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
AT = "2020-01-01T00:00:00Z"


def _entry(line: str, **more: Any) -> Any:
    return {"created": AT, "created_by": line, **more}


def _result(lines: list[Any], layers: list[str], **more: Any) -> Result:
    return Result(state.begin({}), HOST, tuple(layers), tuple(lines), **more)


BASE: Any = _entry("base")
LABEL: Any = _entry("label", empty_layer=True)
IMAGE = _result([BASE, LABEL, _entry("run"), _entry("nothing", empty_layer=True)], [A, B])
BELOW = _result([BASE, _entry("label", empty_layer=True) | {"created": "2024-01-01T00:00:00Z"}], [A])


def test_the_next_layer() -> None:
    assert next_layer(IMAGE, BELOW, "run") == (B, 1577836800 * 10**9)
    above = replace(BELOW, layers=(A, B), history=IMAGE.history[:3])
    found = next_layer(IMAGE, above, "nothing")
    assert found is not None
    assert found[0] == ""


@pytest.mark.parametrize(
    ("image", "below", "line"),
    [
        (IMAGE, BELOW, "other"),
        (IMAGE, replace(BELOW, layers=(C,)), "run"),
        (IMAGE, replace(BELOW, history=(BASE,)), "run"),
        (IMAGE, replace(BELOW, history=(BASE, LABEL | {"author": "me"})), "run"),
        (IMAGE, replace(BELOW, platform=Platform("linux", "arm64")), "run"),
        (IMAGE, replace(BELOW, history=IMAGE.history, layers=IMAGE.layers), "run"),
        (replace(IMAGE, layers=(A,)), BELOW, "run"),
        (_result([_entry("run")], [A, B]), _result([], [A]), "run"),
        (_result([BASE, LABEL, _entry("run")], [A, B]), _result([BASE, LABEL | {"empty_layer": False}], [A]), "run"),
    ],
)
def test_what_is_not_the_same_is_another_image(image: Result, below: Result, line: str) -> None:
    assert next_layer(image, below, line) is None


def test_a_build_follows_it(workshop: Workshop) -> None:
    """And only one that names it: nothing is remembered for others."""
    text = "FROM base\nRUN make\n"

    async def run() -> None:
        known = replace((await workshop.build(text, style="classic"))[0], base="sha256:image")

        async def found(name: str, platform: Platform) -> Result | None:
            return known if name == "mine" else None

        workshop.bases.known = found  # type: ignore[method-assign]
        async with workshop.world.layers.hold(known.layers):
            await workshop.cache.remove(list(workshop.cache))
            second, watcher = await workshop.build(text, style="classic", ancestors=("gone", "mine"))
            assert (second.layers, workshop.runner.ran) == (known.layers, ["make"]), "once, by the first"
            assert second.history[-1] == known.history[-1]
            assert watcher.ends["[2/2] RUN make"][2] == "it came from the cache mine"
            await workshop.build(text, style="classic")
            assert workshop.runner.ran == ["make", "make"]

    asyncio.run(run())
