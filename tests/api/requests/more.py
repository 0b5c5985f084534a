"""What the other scenarios do not set: rarer fields of containers as inspect shows them, commits, checks, parameters."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

import io
import tarfile
from typing import Any

from tests.api.requests.containers import RUN
from tests.api.steps import Scenario, Step

_CHECK: dict[str, Any] = {
    "Test": ["CMD", "echo", "fine"],
    "Interval": 50_000_000,
    "Timeout": 30_000_000_000,
    "Retries": 2,
    "StartPeriod": 10_000_000_000,
    "StartInterval": 50_000_000,
}


def fields() -> Scenario:
    """Containers that are made, not started, with the fields of their host that others leave out."""
    blkio = {
        "BlkioDeviceReadBps": [{"Path": "/dev/null", "Rate": 1000}],
        "BlkioDeviceWriteBps": [{"Path": "/dev/null", "Rate": 2000}],
        "BlkioDeviceReadIOps": [{"Path": "/dev/null", "Rate": 30}],
        "BlkioDeviceWriteIOps": [{"Path": "/dev/null", "Rate": 40}],
    }
    requests = [{"Driver": "", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {"a": "b"}}]
    return [
        Step("create with devices' limits", "POST", "/containers/create?name=blkio", json={**RUN, "HostConfig": blkio}),
        Step("inspect devices' limits", "GET", "/containers/blkio/json"),
        Step("create with device requests", "POST", "/containers/create?name=gpu", json={**RUN, "HostConfig": {"DeviceRequests": requests}}),
        Step("inspect device requests", "GET", "/containers/gpu/json"),
        Step("create with mounts", "POST", "/containers/create?name=mounts", json={**RUN, "HostConfig": {"Mounts": _mounts()}}),
        Step("inspect mounts", "GET", "/containers/mounts/json"),
        Step("create without network", "POST", "/containers/create?name=offline", json={**RUN, "NetworkDisabled": True}),
        Step("inspect without network", "GET", "/containers/offline/json"),
        Step("wait for what runs not", "POST", "/containers/offline/wait?condition=not-running"),
    ]  # fmt: skip


def _mounts() -> list[dict[str, Any]]:
    return [
        {"Type": "bind", "Source": "/tmp", "Target": "/a", "BindOptions": {"NonRecursive": True}, "Consistency": "cached"},
        {"Type": "bind", "Source": "/tmp", "Target": "/b", "BindOptions": {"CreateMountpoint": True}},
        {"Type": "bind", "Source": "/tmp", "Target": "/c", "ReadOnly": True, "BindOptions": {"ReadOnlyForceRecursive": True, "Propagation": "rprivate"}},
        {"Type": "volume", "Source": "driven", "Target": "/d", "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}}},
        {"Type": "volume", "Source": "part", "Target": "/e", "VolumeOptions": {"Subpath": "sub"}},
        {"Type": "tmpfs", "Target": "/f", "TmpfsOptions": {"Options": [["noexec"]]}},
    ]  # fmt: skip


def noted() -> Scenario:
    """One container with annotations and a port, as the use of the disk tells it."""
    return [
        Step("create", "POST", "/containers/create?name=noted", json={**RUN, "ExposedPorts": {"80/tcp": {}}, "HostConfig": {"Annotations": {"a": "b"}, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40124"}]}}}),
        Step("start", "POST", "/containers/noted/start"),
        Step("use of the disk", "GET", "/system/df?type=container"),
    ]  # fmt: skip


def health() -> Scenario:
    """A container that is checked, and an image that says how."""
    return [
        Step("create checked", "POST", "/containers/create?name=sound", json={**RUN, "Healthcheck": _CHECK}, save={"sound": "Id"}),
        Step("inspect created", "GET", "/containers/sound/json"),
        Step("start", "POST", "/containers/sound/start"),
        Step("inspect healthy", "GET", "/containers/sound/json", eventually='"healthy"', types=True),
        Step("commit", "POST", "/commit?container=sound&repo=golden/checked&tag=1&pause=0", save={"checked": "Id"}),
        Step("inspect the image", "GET", "/images/golden%2Fchecked:1/json"),
    ]  # fmt: skip


def commits() -> Scenario:
    """An image from a container, with everything of its configuration given anew."""
    config = {
        "Hostname": "h", "Domainname": "d", "User": "7", "AttachStdin": True, "AttachStdout": True, "AttachStderr": True,
        "ExposedPorts": {"9/udp": {}}, "Tty": True, "OpenStdin": True, "StdinOnce": True, "Env": ["A=b"],
        "Cmd": ["x"], "Healthcheck": _CHECK, "Image": "other", "Volumes": {"/v": {}}, "WorkingDir": "/w",
        "Entrypoint": ["/e"], "NetworkDisabled": True, "OnBuild": ["RUN x"], "Labels": {"l": "m"},
        "StopSignal": "SIGUSR1", "StopTimeout": 4, "Shell": ["/s"],
    }  # fmt: skip
    return [
        Step("create", "POST", "/containers/create?name=from", json=RUN),
        Step("start", "POST", "/containers/from/start"),
        Step("commit", "POST", "/commit?container=from&repo=golden/full&tag=1&pause=true&author=me&comment=why&changes=ENV%20C=d", json=config),
        Step("inspect", "GET", "/images/golden%2Ffull:1/json"),
        Step("history", "GET", "/images/golden%2Ffull:1/history", types=True),
        Step("create from it", "POST", "/containers/create?name=full", json={"Image": "golden/full:1"}),
        Step("inspect what it gives", "GET", "/containers/full/json"),
        Step("remove by force", "DELETE", "/images/golden%2Ffull:1?force=1"),
        Step("remove without pruning", "DELETE", "/images/golden%2Ffull:1?noprune=1"),
    ]  # fmt: skip


def parameters() -> Scenario:
    """Parameters of verbs that others leave out."""
    hears = {**RUN, "Cmd": ["sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done"]}
    return [
        Step("create", "POST", "/containers/create?name=hears", json=hears, save={"hears": "Id"}),
        Step("start", "POST", "/containers/hears/start"),
        Step("ready", "GET", "/containers/hears/logs?stdout=1", eventually="ready", hidden=True),
        Step("stop by a signal", "POST", "/containers/hears/stop?signal=USR1&t=5"),
        Step("wait", "POST", "/containers/hears/wait?condition=not-running"),
        Step("start again", "POST", "/containers/hears/start"),
        Step("restart by a signal", "POST", "/containers/hears/restart?signal=KILL&t=5"),
        Step("kill", "POST", "/containers/hears/kill"),
        Step("put a directory over a file", "PUT", "/containers/hears/archive?path=/etc&noOverwriteDirNonDir=1", body=_tar(("passwd/", 0)), headers={"Content-Type": "application/x-tar"}),
        Step("put a file of another user", "PUT", "/containers/hears/archive?path=/&copyUIDGID=1", body=_tar(("theirs", 1234)), headers={"Content-Type": "application/x-tar"}),
        Step("changes", "GET", "/containers/hears/changes"),
        Step("sizes of what wrote", "GET", "/containers/json?all=1&size=1"),
        Step("use of the disk", "GET", "/system/df?type=container"),
        Step("list of exited by id", "GET", "/containers/json?all=1&filters=%7B%22id%22%3A%5B%22{hears}%22%5D%7D"),
        Step("remove with its volumes", "DELETE", "/containers/hears?v=1&force=1&link=0"),
        Step("history of a platform", "GET", "/images/golden%2Frun:1/history?platform=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22amd64%22%7D", types=True),
        Step("remove of another platform", "DELETE", "/images/golden%2Fdata:1?platforms=%7B%22os%22%3A%22windows%22%2C%22architecture%22%3A%22amd64%22%7D"),
        Step("remove of two platforms", "DELETE", "/images/golden%2Fdata:1?platforms=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22amd64%22%7D&platforms=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22arm64%22%7D"),
        Step("remove of a platform", "DELETE", "/images/golden%2Fdata:1?platforms=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22amd64%22%7D"),
    ]  # fmt: skip


def _tar(*entries: tuple[str, int]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, owner in entries:
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.uid = entry.gid = owner
            archive.addfile(entry)
    return file.getvalue()
