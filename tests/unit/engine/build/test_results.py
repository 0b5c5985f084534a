"""What a finished stage is as an image."""

from carrack.engine.build import results
from carrack.engine.build.results import Result
from carrack.engine.build.state import State
from carrack.oci.platform import Platform

PLATFORM = Platform("linux", "arm64", "v8")
STATE = State({"Env": ["A=1"], "User": ""}, author="me")
SECOND = 1_000_000_000


def test_history() -> None:
    result = Result(STATE, PLATFORM)
    result = result.then(STATE, "sha256:a", "RUN /bin/sh -c x", SECOND, "buildkit")
    result = result.then(STATE, "", "ENV A=1", SECOND, "buildkit")
    assert result.layers == ("sha256:a",)
    assert [(entry["created_by"], entry.get("empty_layer", False)) for entry in result.history] == [
        ("RUN /bin/sh -c x # buildkit", False), ("ENV A=1", True),
    ]  # fmt: skip
    classic = Result(STATE, PLATFORM).then(STATE, "sha256:a", "/bin/sh -c x", SECOND, "classic")
    assert [entry["created_by"] for entry in classic.history] == ["/bin/sh -c x"]


def test_config() -> None:
    result = Result(STATE, PLATFORM, ("sha256:a",), image={"os.version": "7"})
    document = results.config(result, SECOND, {"l": "1"})
    assert document["config"] == {"Env": ["A=1"], "Labels": {"l": "1"}}
    assert (document["architecture"], document["variant"], document["author"]) == ("arm64", "v8", "me")
    assert document["created"] == "1970-01-01T00:00:01Z"
    assert document["os.version"] == "7"
    assert document["rootfs"] == {"type": "layers", "diff_ids": ["sha256:a"]}


def test_squashed() -> None:
    result = Result(STATE, PLATFORM, ("base",), ({"created_by": "base"},))
    result = result.then(STATE, "one", "RUN x", 0, "classic").then(STATE, "two", "RUN y", 0, "classic")
    flat = results.squashed(result, ("base",), 1, "all", 0)
    assert flat.layers == ("base", "all")
    assert [entry.get("empty_layer", False) for entry in flat.history] == [False, True, True, False]
