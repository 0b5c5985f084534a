"""Checks beside a build: what is told when, and what stops it."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.building import FakeBases, NoAgents, Watcher, Workshop
from tests.fakes.images import HOST
from tests.unit.engine.build.test_service import builder, request

from carrack.dockerfile import file
from carrack.engine.build import stages
from carrack.engine.build.checking import Checking, variables
from carrack.engine.build.request import Request
from carrack.engine.build.results import Result
from carrack.engine.build.scope import global_scope
from carrack.engine.build.state import State
from carrack.errors import InvalidArgument
from carrack.oci import platform as platforms

ARM = platforms.parse("linux/arm64")


def checking(text: str, bases: FakeBases, watcher: Watcher, **more: object) -> Checking:
    parsed = file.parse(text)

    async def context() -> None:
        raise AssertionError("checks open no context")

    made = Request(parsed, context, HOST, HOST, NoAgents(), **more)  # type: ignore[arg-type]
    scope = global_scope(parsed.globals, made.arguments, HOST, HOST, made.target, "\\")
    return Checking(made, stages.plan(parsed, scope, made.target), bases, watcher)


def told(text: str, **more: object) -> list[str]:
    watcher = Watcher()
    asyncio.run(checking(text, FakeBases(), watcher, **more).before())
    return watcher.warnings


def test_variables_of_images_that_are_here() -> None:
    undefined = "UndefinedVar: Usage of undefined variable '$NONE'"
    assert told("FROM base\nENV X=$A$NONE") == [undefined]
    assert told("FROM elsewhere\nENV X=$A$NONE") == []
    assert told("FROM base\nENV X=$NONE", style="classic") == []
    assert variables(Result(State({"Env": ["A=1", "B="]}), HOST)) == ["A", "B"]


def test_what_stages_do_that_are_not_built_is_not_told() -> None:
    text = "FROM base AS one\nCMD x\nFROM base AS Two\nCMD y\n"
    assert [each.partition(":")[0] for each in told(text, target="one")] == ["JSONArgsRecommended", "StageNameCasing"]


def test_a_file_that_wants_no_breach() -> None:
    with pytest.raises(InvalidArgument, match="lint violation found for rules: JSONArgsRecommended, StageNameCasing"):
        told("# check=error=true\nFROM base AS A\nCMD x")
    assert told("# check=skip=all;error=true\nFROM base AS A\nCMD x") == []
    assert told("# check=error=true\nFROM base AS a\nCMD x", arguments={"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}) == []


def test_an_image_of_another_platform() -> None:
    watcher, bases = Watcher(), FakeBases()
    bases.far = {"base"}
    made = checking("FROM base\nENV X=$NONE", bases, watcher)
    asyncio.run(made.before())
    assert watcher.warnings == []
    made.after({f"base {HOST}": Result(State({}), ARM)})
    said = 'Base image base was pulled with platform "linux/arm64", expected "linux/amd64" for current build'
    assert watcher.warnings[0] == f"InvalidBaseImagePlatform: {said}"
    assert watcher.warnings[1].startswith("UndefinedVar")
    skipped = checking("# check=skip=InvalidBaseImagePlatform\nFROM base", bases, watcher)
    asyncio.run(skipped.before())
    skipped.after({f"base {HOST}": Result(State({}), ARM)})
    assert len(watcher.warnings) == 2


def test_builds_are_checked(workshop: Workshop) -> None:
    workshop.bases.far = {"base"}

    async def run() -> None:
        watcher = Watcher()
        await builder(workshop).build(request(workshop, "FROM base\nRUN x\nENV X=$NONE"), (), watcher)
        assert [each.partition(":")[0] for each in watcher.warnings] == ["UndefinedVar"]
        with pytest.raises(InvalidArgument, match="lint violation"):
            await builder(workshop).build(request(workshop, "# check=error=true\nFROM base AS A\nRUN y"))
        assert workshop.runner.ran == ["x"]

    asyncio.run(run())
