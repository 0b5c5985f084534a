"""Stages that need not be built, since a cache has what others make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.fakes.building import Watcher
from tests.fakes.caches import Machine

from carrack.engine.build.caching.wanted import CacheAt

MIN = CacheAt("local", {"dest": "folder"})
TEXT = """FROM base AS one
RUN first
FROM base AS two
COPY --from=one /first /y
RUN second
FROM base
COPY a /a
COPY --from=two /second /z
RUN last
"""
Machines = tuple[Machine, Machine]


async def _taken(
    machines: Machines, text: str = TEXT, then: str = "", files: Mapping[str, str] | None = None, **more: Any
) -> tuple[list[str], Watcher, Any]:
    """What had to be run to build ``then`` with what the cache of a build of ``text`` has."""
    here, there = machines
    first, _ = await here.build(text, {"a": "1", "b": "1"}, give=MIN)
    second, watcher = await there.build(then or text, files or {"a": "1", "b": "1"}, imports=(here.store.at(),), **more)
    if not then and files is None:
        assert (second.layers, second.history) == (first.layers, first.history)
    return sorted(there.workshop.runner.ran), watcher, second


def test_stages_that_are_only_copied_from(machines: Machines) -> None:
    ran, watcher, result = asyncio.run(_taken(machines))
    assert (ran, len(watcher.cached())) == ([], 6)
    assert watcher.ends["[stage-2 3/4] COPY --from=two /second /z"][2].startswith("it came from the cache local")
    assert [made.line for made in result.trace.steps[0]] == [2], "provenance tells of it all the same"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("RUN first", "ENV A=1\nRUN first", ["first", "second"]),
        ("RUN last", "RUN other", ["other"]),
        ("COPY a /a", "COPY b /a", ["first", "second"]),  # the same files: by these the rest is found
        ("COPY --from=two /second /z", "COPY --from=two /second /other", ["first", "last", "second"]),
        ("FROM base\nCOPY a", "FROM two\nCOPY a", ["first", "last", "second"]),
    ],
)
def test_what_has_changed_is_done(machines: Machines, old: str, new: str, wanted: list[str]) -> None:
    assert asyncio.run(_taken(machines, then=TEXT.replace(old, new)))[0] == wanted


def test_other_files_in_a_stage(machines: Machines) -> None:
    text = TEXT.replace("RUN first", "COPY b /b\nRUN first")
    assert asyncio.run(_taken(machines, text))[0] == []
    assert asyncio.run(_taken(machines, text, files={"a": "1", "b": "2"}))[0] == ["first", "second"]


def test_stages_that_are_to_be_done_anew(machines: Machines) -> None:
    ran, *_ = asyncio.run(_taken(machines, no_cache_stages=frozenset({"one"})))
    assert "first" in ran


def test_triggers_end_an_outline(machines: Machines) -> None:
    for machine in machines:
        machine.workshop.bases.images["base"] = {"config": {"OnBuild": ["RUN triggered"]}}
    ran, *_ = asyncio.run(_taken(machines))
    assert "first" in ran


def test_very_many_stages_one_for_the_other(machines: Machines) -> None:
    """The deepest are not named ahead of their builds, but built, or found when their turn comes."""
    steps = (f"FROM scratch AS s{number}\nCOPY --from=s{number - 1} /a /a\n" for number in range(1, 130))
    ran, watcher, _ = asyncio.run(_taken(machines, "FROM scratch AS s0\nCOPY a /\n" + "".join(steps)))
    assert (ran, watcher.ends["[s129 1/1] COPY --from=s128 /a /a"][0]) == ([], True)
