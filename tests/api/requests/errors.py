"""Refusals of the container endpoints, by text."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.api.steps import Scenario, Step

_RUN: dict[str, Any] = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}


def steps() -> Scenario:
    """What is not there, what cannot be, and what contradicts itself."""
    return [
        Step("make", "POST", "/containers/create?name=taken", json=_RUN, hidden=True, save={"taken": "Id"}),
        *_absent(),
        *(Step(f"create: {name}", "POST", f"/containers/create{query}", json=body) for name, query, body in _creates()),
        *(
            Step(f"create: {name}", "POST", "/containers/create", json={**_RUN, "HostConfig": host})
            for name, host in _HOSTS.items()
        ),
        *(
            Step(f"create: {name}", "POST", "/containers/create", json={**_RUN, **body})
            for name, body in _CONFIGS.items()
        ),
        *_verbs(),
        *_starts(),
    ]


def _absent() -> list[Step]:
    verbs = [
        ("GET", "json"), ("GET", "top"), ("GET", "stats"), ("GET", "logs?stdout=1"), ("GET", "changes"), ("GET", "export"),
        ("GET", "archive?path=/"), ("HEAD", "archive?path=/"), ("PUT", "archive?path=/"), ("POST", "start"), ("POST", "stop"),
        ("POST", "restart"), ("POST", "kill"), ("POST", "pause"), ("POST", "unpause"), ("POST", "rename?name=b"),
        ("POST", "resize?h=1&w=1"), ("POST", "wait"), ("POST", "attach?stream=1"), ("GET", "attach/ws?stream=1"),
    ]  # fmt: skip
    return [
        *(Step(f"absent: {verb}", method, f"/containers/cake/{verb}") for method, verb in verbs),
        Step("absent: update", "POST", "/containers/cake/update", json={}),
        Step("absent: exec", "POST", "/containers/cake/exec", json={"Cmd": ["true"]}),
        Step("absent: remove", "DELETE", "/containers/cake"),
        Step("absent: remove by force", "DELETE", "/containers/cake?force=1"),
        Step("absent: prefix of nothing", "GET", "/containers/ffffffffffff/json"),
    ]


def _creates() -> list[tuple[str, str, Any]]:
    return [
        ("name taken", "?name=taken", _RUN),
        ("name of one letter", "?name=a", _RUN),
        ("name with a slash", "?name=" + quote("a/b"), _RUN),
        ("name that begins badly", "?name=-ab", _RUN),
        ("no image", "", {"Cmd": ["true"]}),
        ("nothing", "", {}),
        ("absent image", "", {"Image": "cake:1"}),
        ("absent image by digest", "", {"Image": "cake@sha256:" + "0" * 64}),
        ("bad image", "", {"Image": "Cake::1"}),
        ("bad platform", "?platform=a/b/c/d", _RUN),
        ("other platform", "?platform=windows/amd64", _RUN),
        ("other architecture", "?platform=linux/arm64", _RUN),
        ("same platform", "?platform=linux/amd64&name=same", _RUN),
        ("absent command", "?name=absent-command", {**_RUN, "Cmd": ["/cake"]}),
    ]


_HOSTS: dict[str, dict[str, Any]] = {
    "absent network": {"NetworkMode": "cake"},
    "absent container's network": {"NetworkMode": "container:cake"},
    "no container's network": {"NetworkMode": "container:"},
    "absent container's processes": {"PidMode": "container:cake"},
    "bad pid mode": {"PidMode": "cake"},
    "absent container's ipc": {"IpcMode": "container:cake"},
    "bad ipc mode": {"IpcMode": "cake"},
    "bad uts mode": {"UTSMode": "cake"},
    "bad cgroup namespace": {"CgroupnsMode": "cake"},
    "bad user namespace": {"UsernsMode": "cake"},
    "bad restart policy": {"RestartPolicy": {"Name": "cake"}},
    "negative retries": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
    "retries without failure": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
    "restart and removal": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True},
    "too little memory": {"Memory": 1000},
    "swap below memory": {"Memory": 33554432, "MemorySwap": 1000},
    "swap without memory": {"MemorySwap": 33554432},
    "reservation above memory": {"Memory": 33554432, "MemoryReservation": 67108864},
    "too little reservation": {"MemoryReservation": 1000},
    "bad swappiness": {"MemorySwappiness": 101},
    "too many cpus": {"NanoCpus": 999_000_000_000},
    "cpus and quota": {"NanoCpus": 1_000_000_000, "CpuQuota": 50_000},
    "cpus and period": {"NanoCpus": 1_000_000_000, "CpuPeriod": 50_000},
    "bad period": {"CpuPeriod": 1},
    "bad quota": {"CpuQuota": 1},
    "bad cpuset": {"CpusetCpus": "cake"},
    "absent cpus": {"CpusetCpus": "99"},
    "bad mems": {"CpusetMems": "cake"},
    "negative shares": {"CpuShares": -1},
    "bad blkio weight": {"BlkioWeight": 5},
    "bad oom score": {"OomScoreAdj": 5000},
    "bad shm size": {"ShmSize": -1},
    "bad runtime": {"Runtime": "cake"},
    "bad isolation": {"Isolation": "cake"},
    "bad log driver": {"LogConfig": {"Type": "cake"}},
    "bad log option": {"LogConfig": {"Type": "json-file", "Config": {"cake": "1"}}},
    "bad log size": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "cake"}}},
    "bad log count": {"LogConfig": {"Type": "json-file", "Config": {"max-file": "cake"}}},
    "bad log mode": {"LogConfig": {"Type": "json-file", "Config": {"mode": "cake"}}},
    "log count without a size": {"LogConfig": {"Type": "json-file", "Config": {"max-file": "3"}}},
    "log file of none": {"LogConfig": {"Type": "none", "Config": {"max-size": "1m"}}},
    "bad capability": {"CapAdd": ["CAKE"]},
    "bad capability dropped": {"CapDrop": ["CAKE"]},
    "bad security option": {"SecurityOpt": ["cake"]},
    "unknown security option": {"SecurityOpt": ["cake=1"]},
    "bad no-new-privileges": {"SecurityOpt": ["no-new-privileges=cake"]},
    "bad seccomp": {"SecurityOpt": ["seccomp={cake"]},
    "bad sysctl": {"Sysctls": {"cake": "1"}},
    "sysctl of the host's network": {"NetworkMode": "host", "Sysctls": {"net.ipv4.ip_forward": "1"}},
    "bad bind": {"Binds": ["cake"]},
    "bind of too many parts": {"Binds": ["/a:/b:ro:cake"]},
    "bad bind mode": {"Binds": ["/tmp:/b:cake"]},
    "relative target": {"Binds": ["/tmp:b"]},
    "bind of the root": {"Binds": ["/tmp:/"]},
    "relative source": {"Binds": ["./a:/b"]},
    "two binds of one place": {"Binds": ["/tmp:/b", "/srv:/b"]},
    "absent bind mount": {"Mounts": [{"Type": "bind", "Source": "/cake", "Target": "/b"}]},
    "bad mount type": {"Mounts": [{"Type": "cake", "Target": "/b"}]},
    "no mount type": {"Mounts": [{"Target": "/b"}]},
    "no mount target": {"Mounts": [{"Type": "volume"}]},
    "relative mount target": {"Mounts": [{"Type": "volume", "Target": "b"}]},
    "no mount source": {"Mounts": [{"Type": "bind", "Target": "/b"}]},
    "relative mount source": {"Mounts": [{"Type": "bind", "Source": "a", "Target": "/b"}]},
    "source of a tmpfs": {"Mounts": [{"Type": "tmpfs", "Source": "/a", "Target": "/b"}]},
    "bind options of a volume": {"Mounts": [{"Type": "volume", "Target": "/b", "BindOptions": {}}]},
    "volume options of a bind": {"Mounts": [{"Type": "bind", "Source": "/tmp", "Target": "/b", "VolumeOptions": {}}]},
    "bad propagation": {"Mounts": [{"Type": "bind", "Source": "/tmp", "Target": "/b", "BindOptions": {"Propagation": "cake"}}]},
    "mount twice": {"Mounts": [{"Type": "tmpfs", "Target": "/b"}, {"Type": "tmpfs", "Target": "/b"}]},
    "bad volume name": {"Binds": ["ca!ke:/b"]},
    "bad volume driver": {"VolumeDriver": "cake", "Binds": ["drivers:/b"]},
    "bad tmpfs option": {"Tmpfs": {"/b": "cake"}},
    "relative tmpfs": {"Tmpfs": {"b": ""}},
    "volumes of an absent container": {"VolumesFrom": ["cake"]},
    "bad volumes mode": {"VolumesFrom": ["taken:cake"]},
    "bad port": {"PortBindings": {"cake/tcp": [{}]}},
    "port zero": {"PortBindings": {"0/tcp": [{}]}},
    "bad port protocol": {"PortBindings": {"80/cake": [{}]}},
    "bad host port": {"PortBindings": {"80/tcp": [{"HostPort": "cake"}]}},
    "host port above all": {"PortBindings": {"80/tcp": [{"HostPort": "70000"}]}},
    "bad host address": {"PortBindings": {"80/tcp": [{"HostIp": "cake"}]}},
    "bad extra host": {"ExtraHosts": ["cake"]},
    "bad extra address": {"ExtraHosts": ["cake:cake"]},
    "bad dns": {"Dns": ["cake"]},
    "bad link": {"Links": ["cake"]},
    "bad device": {"Devices": [{"PathOnHost": "/cake", "PathInContainer": "/c", "CgroupPermissions": "rwm"}]},
    "bad device permissions": {"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/c", "CgroupPermissions": "cake"}]},
    "bad device rule": {"DeviceCgroupRules": ["cake"]},
    "bad device request": {"DeviceRequests": [{"Driver": "cake", "Count": -1, "Capabilities": [["gpu"]]}]},
    "bad ulimit": {"Ulimits": [{"Name": "cake", "Soft": 1, "Hard": 1}]},
    "soft limit above": {"Ulimits": [{"Name": "nofile", "Soft": 3, "Hard": 1}]},
    "bad storage option": {"StorageOpt": {"cake": "1"}},
    "bad annotation": {"Annotations": {"": "1"}},
    "negative console": {"ConsoleSize": [1, 2, 3]},
    "hostname of the host": {"UTSMode": "host"},
}  # fmt: skip

_CONFIGS: dict[str, dict[str, Any]] = {
    "hostname of another": {"Hostname": "a", "HostConfig": {"NetworkMode": "container:taken"}},
    "ports of another": {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"NetworkMode": "container:taken"}},
    "published ports of another": {"HostConfig": {"NetworkMode": "container:taken", "PublishAllPorts": True}},
    "dns of another": {"HostConfig": {"NetworkMode": "container:taken", "Dns": ["192.0.2.1"]}},
    "links of another": {"HostConfig": {"NetworkMode": "container:taken", "Links": ["a:b"]}},
    "hosts of another": {"HostConfig": {"NetworkMode": "container:taken", "ExtraHosts": ["a:192.0.2.1"]}},
    "mac of another": {"MacAddress": "02:42:ac:11:00:78", "HostConfig": {"NetworkMode": "container:taken"}},
    "hostname and the host's": {"Hostname": "a", "HostConfig": {"UTSMode": "host"}},
    "bad mac": {"MacAddress": "cake"},
    "bad signal": {"StopSignal": "CAKE"},
    "negative timeout": {"StopTimeout": -5},
    "relative directory": {"WorkingDir": "srv"},
    "empty variable": {"Env": [""]},
    "variable without a name": {"Env": ["=a"]},
    "bad exposed port": {"ExposedPorts": {"cake": {}}},
    "bad exposed protocol": {"ExposedPorts": {"80/cake": {}}},
    "range of exposed ports": {"ExposedPorts": {"80-82/tcp": {}}},
    "volume at the root": {"Volumes": {"/": {}}},
    "relative volume": {"Volumes": {"a": {}}},
    "short health check": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 1}},
    "negative health check": {"Healthcheck": {"Test": ["CMD", "true"], "Retries": -1}},
    "bad health check": {"Healthcheck": {"Test": ["CAKE"]}},
    "no health check": {"Healthcheck": {"Test": ["NONE"]}},
    "no command": {"Cmd": [], "Entrypoint": [""]},
    "absent network of an endpoint": {"NetworkingConfig": {"EndpointsConfig": {"cake": {}}}},
    "address on the bridge": {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"IPAMConfig": {"IPv4Address": "172.29.0.9"}}}}},
    "bad endpoint mac": {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "cake"}}}},
    "aliases on the bridge": {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": ["cake"]}}}},
    "two endpoints": {"NetworkingConfig": {"EndpointsConfig": {"bridge": {}, "host": {}}}},
}  # fmt: skip


def _verbs() -> list[Step]:
    return [
        Step("bad signal", "POST", "/containers/taken/kill?signal=CAKE"),
        Step("signal zero", "POST", "/containers/taken/kill?signal=0"),
        Step("signal above all", "POST", "/containers/taken/kill?signal=99"),
        Step("kill what does not run", "POST", "/containers/taken/kill"),
        Step("bad stop signal", "POST", "/containers/taken/stop?signal=CAKE"),
        Step("bad stop time", "POST", "/containers/taken/stop?t=cake"),
        Step("bad restart time", "POST", "/containers/taken/restart?t=cake"),
        Step("pause what does not run", "POST", "/containers/taken/pause"),
        Step("unpause what does not run", "POST", "/containers/taken/unpause"),
        Step("rename to nothing", "POST", "/containers/taken/rename"),
        Step("rename to itself", "POST", "/containers/taken/rename?name=taken"),
        Step("rename badly", "POST", "/containers/taken/rename?name=" + quote("a/b")),
        Step("resize without a size", "POST", "/containers/taken/resize"),
        Step("resize badly", "POST", "/containers/taken/resize?h=cake&w=1"),
        Step("resize negatively", "POST", "/containers/taken/resize?h=-1&w=1"),
        Step("resize above all", "POST", "/containers/taken/resize?h=4294967296&w=1"),
        Step("resize what does not run", "POST", "/containers/taken/resize?h=1&w=1"),
        Step("wait badly", "POST", "/containers/taken/wait?condition=cake"),
        Step("logs of no stream", "GET", "/containers/taken/logs"),
        Step("logs since nonsense", "GET", "/containers/taken/logs?stdout=1&since=cake"),
        Step("logs until nonsense", "GET", "/containers/taken/logs?stdout=1&until=cake"),
        Step("logs of a bad tail", "GET", "/containers/taken/logs?stdout=1&tail=cake"),
        Step("attach with bad keys", "POST", "/containers/taken/attach?stream=1&detachKeys=cake"),
        Step("attach with a web socket of none", "GET", "/containers/taken/attach/ws?stream=1"),
        Step("update badly", "POST", "/containers/taken/update", json={"RestartPolicy": {"Name": "cake"}}),
        Step("update to too little", "POST", "/containers/taken/update", json={"Memory": 1000}),
        Step("update to nothing", "POST", "/containers/taken/update", json={}),
        Step("exec in what does not run", "POST", "/containers/taken/exec", json={"Cmd": ["true"]}),
        Step("exec of nothing", "POST", "/containers/taken/exec", json={}),
        Step("start with a body", "POST", "/containers/taken/start", json={"Binds": ["/:/host"]}),
        Step("start with a small body", "POST", "/containers/taken/start", json={}),
        Step("start with bad keys", "POST", "/containers/taken/start?detachKeys=cake"),
        Step("start from a checkpoint", "POST", "/containers/taken/start?checkpoint=cake"),
        Step("checkpoints", "GET", "/containers/taken/checkpoints"),
        Step("make a checkpoint", "POST", "/containers/taken/checkpoints", json={"CheckpointID": "a"}),
        Step("remove a link", "DELETE", "/containers/taken?link=1"),
        Step("prune with an unknown filter", "POST", "/containers/prune?filters=%7B%22cake%22%3A%5B%22a%22%5D%7D"),
        Step("prune until nonsense", "POST", "/containers/prune?filters=%7B%22until%22%3A%5B%22cake%22%5D%7D"),
    ]


def _starts() -> list[Step]:
    result = []
    cases: dict[str, dict[str, Any]] = {
        "absent command": {"Cmd": ["/cake"]},
        "absent command on the path": {"Cmd": ["cake"]},
        "command without the right": {"Cmd": ["/srv/hello.txt"]},
        "directory as command": {"Cmd": ["/srv"]},
        "absent user": {"User": "cake"},
        "absent group": {"User": "root:cake"},
        "directory that is a file": {"WorkingDir": "/etc/passwd"},
        "sysctl that does not exist": {"HostConfig": {"Sysctls": {"net.cake": "1"}}},
        "stopped container's network": {"HostConfig": {"NetworkMode": "container:taken"}},
        "stopped container's processes": {"HostConfig": {"PidMode": "container:taken"}},
        "stopped container's ipc": {"HostConfig": {"IpcMode": "container:taken"}},
    }
    for name, body in cases.items():
        made = "s-" + name.replace(" ", "-").replace("'", "")
        result += [
            Step(f"make: {name}", "POST", f"/containers/create?name={made}", json={**_RUN, **body}, save={}),
            Step(f"start: {name}", "POST", f"/containers/{made}/start"),
            Step(f"inspect: {name}", "GET", f"/containers/{made}/json"),
            Step(f"list: {name}", "GET", "/containers/json?all=1&limit=1"),
        ]
    return result
