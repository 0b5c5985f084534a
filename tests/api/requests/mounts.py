"""Mounts of containers and options of volumes: what is refused and how, and what is shown of the rest."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from typing import Any

from tests.api.steps import Scenario, Step

_REFUSED: dict[str, dict[str, Any]] = {
    "a type that is none": {"Type": "cake"},
    "no type": {},
    "of Windows": {"Type": "npipe", "Source": "x"},
    "of clusters": {"Type": "cluster", "Source": "x"},
    "a relative target": {"Type": "volume", "Source": "vol", "Target": "m"},
    "the root as target": {"Type": "volume", "Source": "vol", "Target": "/"},
    "an empty target": {"Type": "volume", "Source": "vol", "Target": ""},
    "a bind of nothing": {"Type": "bind"},
    "a bind of what is not there": {"Type": "bind", "Source": "/nosuch/here"},
    "a relative bind": {"Type": "bind", "Source": "cake"},
    "a bind with options of volumes": {"Type": "bind", "Source": "/tmp", "VolumeOptions": {}},
    "a bind with options of tmpfs": {"Type": "bind", "Source": "/tmp", "TmpfsOptions": {}},
    "a bind with options of images": {"Type": "bind", "Source": "/tmp", "ImageOptions": {}},
    "a bad propagation": {"Type": "bind", "Source": "/tmp", "BindOptions": {"Propagation": "cake"}},
    "a volume with options of binds": {"Type": "volume", "Source": "vol", "BindOptions": {}},
    "a volume with a path as its name": {"Type": "volume", "Source": "/abs"},
    "an anonymous one that is read-only": {"Type": "volume", "ReadOnly": True},
    "a part of an anonymous one": {"Type": "volume", "VolumeOptions": {"Subpath": "a"}},
    "a part that leads out": {"Type": "volume", "Source": "vol", "VolumeOptions": {"Subpath": "../a"}},
    "a part that is absolute": {"Type": "volume", "Source": "vol", "VolumeOptions": {"Subpath": "/a"}},
    "an option that the driver does not know": {"Type": "volume", "Source": "vol", "VolumeOptions": {"DriverConfig": {"Options": {"cake": "1"}}}},
    "half the options": {"Type": "volume", "Source": "vol", "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "tmpfs"}}}},
    "a tmpfs of something": {"Type": "tmpfs", "Source": "x"},
    "a tmpfs with options of volumes": {"Type": "tmpfs", "VolumeOptions": {}},
    "a tmpfs with an owner": {"Type": "tmpfs", "TmpfsOptions": {"Options": [["uid", "1"]]}},
    "a tmpfs with an empty option": {"Type": "tmpfs", "TmpfsOptions": {"Options": [[]]}},
    "an image of nothing": {"Type": "image"},
    "an image with options of volumes": {"Type": "image", "Source": "golden/run:1", "VolumeOptions": {}},
    "a part of an image that leads out": {"Type": "image", "Source": "golden/run:1", "ImageOptions": {"Subpath": "../a"}},
}  # fmt: skip
_BINDS = {
    "a mode that is none": "vol:/m:cake",
    "a mode twice": "vol:/m:ro,ro",
    "two labels": "vol:/m:z,Z",
    "a bind that copies nothing": "/tmp:/m:nocopy",
    "a volume that is passed on": "vol:/m:shared",
    "a relative target": "vol:m",
    "the root as target": "vol:/",
    "nothing": "",
    "too many parts": "a:/b:ro:c",
    "a short name": "v:/m",
}
_OPTIONS = {
    "type and device": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"},
    "size": {"size": "10m"},
    "no size": {"size": "cake"},
    "device alone": {"device": "tmpfs"},
    "words alone": {"o": "size=1m"},
}


def steps() -> Scenario:
    """Each refusal, then what inspect shows of one container that has them all."""

    def create(name: str, host: dict[str, Any], **more: Any) -> Step:
        return Step(
            name,
            "POST",
            "/containers/create?name=full",
            json={"Image": "golden/run:1", "Cmd": ["true"], "HostConfig": host},
            **more,
        )

    mounts = [
        {"Type": "bind", "Source": "/tmp", "Target": "/b/", "ReadOnly": True, "Consistency": "cached",
         "BindOptions": {"Propagation": "rprivate", "NonRecursive": True, "ReadOnlyForceRecursive": True}},
        {"Type": "volume", "Source": "vol", "Target": "/v", "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}, "Subpath": "a/b"}},
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 448, "Options": [["exec"]]}},
    ]  # fmt: skip
    full = {"Mounts": mounts, "Binds": ["vol:/w:ro,z", "/tmp:/c:rslave", "other:/d:nocopy"], "Tmpfs": {"/x": "size=1m"}}
    return [
        *(create(f"mount: {name}", {"Mounts": [{"Target": "/m", **mount}]}) for name, mount in _REFUSED.items()),
        *(create(f"bind: {name}", {"Binds": [text]}) for name, text in _BINDS.items()),
        create("tmpfs: a relative target", {"Tmpfs": {"m": ""}}),
        create("the same target twice", {"Tmpfs": {"/m": ""}, "Binds": ["/tmp:/m"]}),
        create("volumes from nobody", {"VolumesFrom": ["cake"]}),
        create("volumes from somebody, badly", {"VolumesFrom": ["cake:cake"]}),
        *(Step(f"options: {name}", "POST", "/volumes/create", json={"Name": f"o{name.replace(' ', '')}", "DriverOpts": options})
          for name, options in _OPTIONS.items()),
        Step("inspect with options", "GET", "/volumes/otypeanddevice"),
        create("make", full, hidden=True, save={"full": "Id"}),
        Step("inspect", "GET", "/containers/{full}/json", versions=("1.41", "1.51")),
        Step("list", "GET", "/containers/json?all=1"),
        Step("volumes", "GET", "/volumes"),
    ]  # fmt: skip
