from typing import Any

from carrack.engine.images.config_diff import differences


def config(**members: Any) -> Any:
    return {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": members}


def test_lists_and_maps_are_compared_by_their_members() -> None:
    old = config(Env=["A=1", "B=2"], Labels={"x": "1"}, ExposedPorts={"80/tcp": {}}, Cmd=["sh"], User="")
    new = config(Env=["B=2", "A=3=4"], Labels={"y": "1"}, ExposedPorts={"80/tcp": {}, "81/tcp": {}}, Cmd=["sh", "-l"])
    assert differences(old, new) == [
        {"Field": "Cmd", "Before": ["sh"], "After": ["sh", "-l"]},
        {"Field": "Env.A", "Before": "1", "After": "3=4"},
        {"Field": "ExposedPorts.81/tcp", "Before": None, "After": True},
        {"Field": "Labels.x", "Before": "1", "After": None},
        {"Field": "Labels.y", "Before": None, "After": "1"},
    ]


def test_the_platform_counts() -> None:
    other: Any = {**config(), "architecture": "arm64", "variant": "v8"}
    assert differences(config(), other) == [
        {"Field": "architecture", "Before": "amd64", "After": "arm64"},
        {"Field": "variant", "Before": None, "After": "v8"},
    ]
    assert differences(config(), config()) == []
