"""CVE-2024-24557: an image that only looks as if it were the result of a step is taken from the cache for it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.cli.running import Cli, Result

pytestmark = pytest.mark.root

STEP = "echo good > /f"


def test_an_image_with_the_config_of_a_result_is_not_the_result(
    build: Callable[..., Result], docker: Cli, image: str
) -> None:
    """As the classic builder looked for it: a child of the base whose config has the command that is to be run."""
    change = "CMD " + json.dumps(["/bin/sh", "-c", STEP])
    docker("run", "--name", "poison", image, "sh", "-c", "echo evil > /f")
    docker("commit", "--change", change, "-m", f"/bin/sh -c {STEP}", "poison", "poisoned")
    docker("rm", "poison")
    shown = build(f"FROM {image}\nRUN {STEP}\nRUN cat /f").stdout
    assert "Using cache" not in shown
    assert "\ngood\n" in shown


def test_the_same_config_on_other_files_is_another_base(build: Callable[..., Result], docker: Cli) -> None:
    for number in "12":
        build(f"FROM busybox\nCOPY <<E /f\nwritten by {number}\nE\n", "-t", f"base:{number}")
    shown = [json.loads(docker("inspect", f"base:{number}").stdout)[0] for number in "12"]
    assert shown[0]["Config"] == shown[1]["Config"]
    for number in "12":
        docker("tag", f"base:{number}", "base:now")
        assert f"written by {number}\n" in build("FROM base:now\nRUN cat /f").stdout
    assert "Using cache" in build("FROM base:now\nRUN cat /f").stdout


def test_an_image_named_as_a_cache_is_one_for_its_own_files_alone(build: Callable[..., Result], docker: Cli) -> None:
    """Its history and its config are those of the build; the files below are others."""
    for number in "12":
        build(f"FROM busybox\nCOPY <<E /f\nwritten by {number}\nE\n", "-t", f"base:{number}")
    for number in "12":
        docker("tag", f"base:{number}", "base:now")
        docker("builder", "prune", "-af")
        shown = build("FROM base:now\nRUN cat /f > /g", "--cache-from", "built:1", "-t", f"built:{number}").stdout
        assert "Using cache" not in shown
        assert docker("run", "--rm", f"built:{number}", "cat", "/g").stdout == f"written by {number}\n"
    docker("tag", "base:1", "base:now")
    docker("builder", "prune", "-af")
    assert "Using cache" in build("FROM base:now\nRUN cat /f > /g", "--cache-from", "built:1").stdout


def test_what_came_of_a_named_image_is_not_remembered_for_others(build: Callable[..., Result], docker: Cli) -> None:
    text = "FROM busybox\nRUN date +%N > /f"
    build(text, "-t", "built:1")
    docker("builder", "prune", "-af")
    assert "Using cache" in build(text, "--cache-from", "built:1").stdout
    assert "Using cache" not in build(text).stdout
