"""Where a container's files lie: all below the two roots, named by its id."""

from __future__ import annotations

from carrack.engine.containers.paths import Paths


def test_places() -> None:
    paths = Paths("/data", "/run/x")
    assert paths.data("ab") == "/data/containers/ab"
    assert paths.run("ab") == "/run/x/containers/ab"
    assert paths.log("ab") == "/data/containers/ab/ab-json.log"
    assert paths.file("ab", "hosts") == "/data/containers/ab/hosts"
    assert paths.data("") == "/data/containers/"
