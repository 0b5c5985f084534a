"""Runtimes as the daemon's configuration has them."""

from typing import Any

import pytest

from carrack.daemon import runtimes
from carrack.daemon.config import load
from carrack.engine.runtimes import Runtime
from carrack.errors import InvalidArgument


def test_paths_and_arguments() -> None:
    given = {
        "a": {"path": "/usr/bin/a", "runtimeArgs": ["--x", "1"]},
        "b": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/usr/bin/b"}},
        "c": {"runtimeType": "io.containerd.runc.v2"},
    }
    assert runtimes.parse(given) == {
        "a": Runtime("/usr/bin/a", ("--x", "1")),
        "b": Runtime("/usr/bin/b"),
        "c": Runtime("runc"),
    }


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "either a runtimeType or a path must be configured"),
        ("/usr/bin/x", "not a JSON object"),
        ({"path": 1}, "path: not a field"),
        ({"path": "/x", "colour": "red"}, "colour: not a field"),
        ({"path": "/x", "runtimeArgs": [1]}, "not a list of words"),
        ({"path": "/x", "options": {}}, "options go with runtimeType"),
        ({"path": "/x", "runtimeType": "io.containerd.runc.v2"}, "cannot configure both"),
        ({"runtimeType": "io.containerd.kata.v2"}, "io.containerd.kata.v2 needs containerd's shim of that name"),
        ({"runtimeType": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}, "only BinaryName"),
    ],
)
def test_what_cannot_be_is_refused(document: Any, told: str) -> None:
    with pytest.raises(InvalidArgument, match="runtimes: mine: .*" + told):
        runtimes.parse({"mine": document})


def test_our_own_name_is_not_for_others() -> None:
    with pytest.raises(InvalidArgument, match="reserved"):
        runtimes.parse({"carrack": {"path": "/x"}})


def test_flags() -> None:
    config = load(["--add-runtime", "A=/x/a", "--add-runtime=b=c", "--default-runtime", "a"], {}).config
    assert (config.runtimes, config.default_runtime) == ({"a": Runtime("/x/a"), "b": Runtime("c")}, "a")


@pytest.mark.parametrize(("word", "told"), [("x", "invalid runtime argument: x"), ("=y", "invalid runtime argument")])
def test_bad_flags(word: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        runtimes.add({}, word)
    with pytest.raises(InvalidArgument, match="'a' was already defined"):
        runtimes.add({"a": {}}, "a=b")
