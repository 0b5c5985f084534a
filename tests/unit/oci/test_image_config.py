"""Image configs: hostile JSON in, a validated document out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.oci import document, image_config

DIFF_ID = "sha256:" + "2" * 64


def config(**more: Any) -> dict[str, Any]:
    return {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}} | more


def parse(value: object) -> image_config.ImageConfigDocument:
    return image_config.parse(json.dumps(value).encode())


def test_whole_document() -> None:
    run = {
        "User": "1000:4294967296",
        "Env": ["A=b"],
        "Cmd": ["sh"],
        "Entrypoint": "one",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/v": None},
        "Labels": {"io.containerd.runc.v2": "binary:///bin/x"},
        "Healthcheck": {"Test": ["NONE"], "Interval": 5},
        "ArgsEscaped": True,
        "Hostname": "dropped",
    }
    history = [{"created_by": "a", "junk": 1}, {"empty_layer": True}]
    parsed = parse(config(config=run, history=history, created="2020-01-01T00:00:00Z"))
    assert parsed["config"]["Entrypoint"] == ["one"]
    assert parsed["config"]["Volumes"] == {"/v": {}}
    assert parsed["config"]["User"] == "1000:4294967296"
    assert "Hostname" not in parsed["config"]
    assert parsed["history"] == [{"created_by": "a"}, {"empty_layer": True}]
    assert image_config.parse(document.encode(parsed)) == parsed
    assert str(image_config.platform_of(parsed)) == "linux/amd64"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"architecture": "amd64", "os": "linux"}, "no RootFS key"),
        ({"rootfs": {"type": "layers", "diff_ids": []}}, "architecture and os are required"),
        (config(rootfs={"type": "x", "diff_ids": []}), "rootfs.type"),
        (config(rootfs={"type": "layers", "diff_ids": ["sha256:../../x"]}), "invalid checksum"),
        (config(rootfs={"type": "layers", "diff_ids": ["sha512:" + "0" * 128]}), "only sha256"),
        (config(rootfs={"type": "layers", "diff_ids": [DIFF_ID] * 513}), "more than the limit"),
        (config(history=[{}, {}]), "too many non-empty layers in History section"),
        (config(history=[{"empty_layer": "yes"}]), "must be a boolean"),
        (config(history=[1]), "expected an object"),
        (config(history={}), "must be a list"),
        (config(config=[]), "expected an object"),
        (config(config={"Env": [1]}), "Env must be a list of strings"),
        (config(config={"user": "root"}), "can be mistaken for 'User'"),
        (config(config={"Labels": {"a": {}}}), "Labels must be an object with string values"),
        (config(config={"Volumes": {"/v": "x"}}), "Volumes must be an object of objects"),
        (config(config={"User": "a\0b"}), "NUL"),
        (config(config={"Healthcheck": {"Interval": -1}}), "Interval must be a whole number"),
        (config(config={"ArgsEscaped": 1}), "must be a boolean"),
        (config(os=None), "architecture and os are required"),
    ],
)
def test_refused(value: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        parse(value)


def test_size_limit() -> None:
    with pytest.raises(InvalidArgument, match="more than the limit"):
        image_config.parse(b" " * ((8 << 20) + 1))


RUN_KEYS = ["User", "Env", "Cmd", "Entrypoint", "Labels", "Volumes", "Healthcheck", "ExposedPorts", "WorkingDir"]
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.text(max_size=4) | st.integers() | st.lists(st.text(max_size=3), max_size=2) | st.just({})
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(RUN_KEYS), VALUES))
def test_what_passes_has_the_right_kinds(run: dict[str, Any]) -> None:
    try:
        parsed = parse(config(config=run))["config"]
    except InvalidArgument:
        return
    assert all(isinstance(item, str) for item in parsed.get("Env", []))
    assert isinstance(parsed.get("User", ""), str)
    assert isinstance(parsed.get("Labels", {}), dict)
