"""From requests for devices to what a spec gets of their descriptions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from carrack.engine.device_requests import inject
from carrack.errors import InvalidArgument


def request(**changes: Any) -> dict[str, Any]:
    return {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": None, "Options": None, **changes}


def spec() -> Any:
    return {
        "process": {"env": ["PATH=/bin", "A=old"], "user": {"uid": 0}},
        "mounts": [{"destination": "/opt/lib", "type": "tmpfs", "source": "t", "options": []}],
        "linux": {"devices": [{"path": "/dev/x", "type": "c"}], "resources": {"devices": []}},
    }


def directory(path: Path, kind: str, **edits: Any) -> list[str]:
    devices = [{"name": name, "containerEdits": {"env": [f"GPU{name}=1"]}} for name in ("0", "1", "all")]
    document = {"cdiVersion": "0.6.0", "kind": kind, "containerEdits": edits, "devices": devices}
    (path / f"{kind.replace('/', '-')}.json").write_text(json.dumps(document))
    return [str(path)]


def test_everything_a_description_may_ask_for(tmp_path: Path) -> None:
    node = {"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "permissions": "r", "gid": 7}
    quiet = {"path": "/dev/quiet", "hostPath": "/dev/zero", "permissions": "none"}
    found = directory(
        tmp_path,
        "vendor.com/device",
        env=["A=new"],
        deviceNodes=[node, {"path": "/dev/null"}, quiet],
        mounts=[{"hostPath": "/usr/lib", "containerPath": "/opt/lib", "options": ["ro"]}],
        additionalGids=[44, 0],
        hooks=[{"hookName": "createContainer", "path": "/bin/true", "args": ["true"], "env": ["B=c"], "timeout": 3}],
    )
    document = spec()
    inject(document, [request(Driver="cdi", DeviceIDs=["vendor.com/device=1"])], found)
    assert document["process"]["env"] == ["PATH=/bin", "A=new", "GPU1=1"]
    assert document["process"]["user"]["additionalGids"] == [44]
    mount = {"destination": "/opt/lib", "type": "bind", "source": "/usr/lib", "options": ["rbind", "ro"]}
    assert document["mounts"] == [mount]
    own, null, silent = document["linux"]["devices"]
    assert own == {"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "gid": 7}
    assert (null["type"], null["major"], null["minor"]) == ("c", 1, 3)
    assert (silent["path"], silent["minor"]) == ("/dev/quiet", os.minor(os.stat("/dev/zero").st_rdev))
    rules = document["linux"]["resources"]["devices"]
    assert [(rule["minor"], rule["access"]) for rule in rules] == [(5, "r"), (3, "rwm")]
    hook = {"path": "/bin/true", "args": ["true"], "env": ["B=c"], "timeout": 3}
    assert document["hooks"] == {"createContainer": [hook]}


@pytest.mark.parametrize(
    ("asked", "variables"),
    [
        (request(Count=-1, Capabilities=[["gpu"]]), ["GPUall=1"]),
        (request(Count=2, Capabilities=[["gpu", "utility"]]), ["GPU0=1", "GPU1=1"]),
        (request(DeviceIDs=["1"], Capabilities=[["gpu"]]), ["GPU1=1"]),
        (request(Driver="nvidia", DeviceIDs=["nvidia.com/gpu=0"], Capabilities=[["tpu"], ["gpu"]]), ["GPU0=1"]),
    ],
)
def test_gpus(tmp_path: Path, asked: dict[str, Any], variables: list[str]) -> None:
    document = spec()
    inject(document, [asked], directory(tmp_path, "nvidia.com/gpu"))
    assert document["process"]["env"][2:] == variables


def test_gpus_of_another_vendor(tmp_path: Path) -> None:
    document = spec()
    inject(document, [request(Count=1, Capabilities=[["gpu"]])], directory(tmp_path, "amd.com/gpu"))
    assert document["process"]["env"][2:] == ["GPU0=1"]


@pytest.mark.parametrize(
    ("asked", "kind", "text"),
    [
        (request(Count=-1, Capabilities=[["gpu"]]), "", 'could not select device driver "" with capabilities: [[gpu]]'),
        (request(Driver="x"), "nvidia.com/gpu", 'could not select device driver "x" with capabilities: []'),
        (request(Count=1, Capabilities=[["tpu", "gpu"]]), "nvidia.com/gpu", "with capabilities: [[tpu gpu]]"),
        (
            request(Count=1, DeviceIDs=["0"], Capabilities=[["gpu"]]),
            "nvidia.com/gpu",
            "cannot set both Count and DeviceIDs",
        ),
        (request(Count=9, Capabilities=[["gpu"]]), "nvidia.com/gpu", "unresolvable CDI devices nvidia.com/gpu=2"),
        (
            request(Driver="cdi", DeviceIDs=["a.b/c=d"]),
            "",
            "CDI device injection failed: unresolvable CDI devices a.b/c=d",
        ),
    ],
)
def test_requests_that_cannot_be_served(tmp_path: Path, asked: dict[str, Any], kind: str, text: str) -> None:
    found = directory(tmp_path, kind) if kind else [str(tmp_path)]
    with pytest.raises(InvalidArgument) as failure:
        inject(spec(), [asked], found)
    assert text in str(failure.value)


def test_without_directories_there_is_no_such_driver() -> None:
    with pytest.raises(InvalidArgument, match='could not select device driver "cdi"'):
        inject(spec(), [request(Driver="cdi", DeviceIDs=["a.b/c=d"])], [])


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        ({"deviceNodes": [{"path": "/dev/nosuch"}]}, "failed to stat CDI host device /dev/nosuch"),
        ({"deviceNodes": [{"path": "/etc/passwd"}]}, "is not the device described"),
        ({"deviceNodes": [{"path": "/dev/null", "type": "b"}]}, "is not the device described"),
        ({"hooks": [{"hookName": "never", "path": "/x"}]}, "unknown hook 'never'"),
    ],
)
def test_descriptions_of_what_there_is_not(tmp_path: Path, edits: dict[str, Any], text: str) -> None:
    asked = request(Driver="cdi", DeviceIDs=["vendor.com/device=0"])
    with pytest.raises(InvalidArgument, match=text):
        inject(spec(), [asked], directory(tmp_path, "vendor.com/device", **edits))
