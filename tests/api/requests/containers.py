"""Containers: their documents in every version, and the verbs that move them."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from typing import Any

from tests.api.steps import ALL, Scenario, Step

RUN: dict[str, Any] = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}
_BODY = {"Content-Type": "application/json"}


def steps() -> Scenario:
    """A plain container through its life, its documents at each station."""
    return [
        Step("list of none", "GET", "/containers/json?all=1", versions=ALL),
        Step("create", "POST", "/containers/create?name=web", json=RUN, save={"web": "Id"}),
        Step("inspect created", "GET", "/containers/web/json", versions=ALL),
        Step("list created", "GET", "/containers/json?all=1", versions=ALL),
        Step("list running of none", "GET", "/containers/json"),
        Step("top of what does not run", "GET", "/containers/web/top"),
        Step("stats of what does not run", "GET", "/containers/web/stats?stream=0&one-shot=1", versions=ALL),
        Step("start", "POST", "/containers/web/start"),
        Step("start again", "POST", "/containers/web/start"),
        Step("inspect running", "GET", "/containers/web/json", versions=ALL),
        Step("inspect with sizes", "GET", "/containers/{web}/json?size=1", versions=("1.41", "1.51")),
        Step("list running", "GET", "/containers/json", versions=ALL),
        Step("list with sizes", "GET", "/containers/json?size=1", versions=("1.41", "1.51")),
        Step("stats", "GET", "/containers/web/stats?stream=0&one-shot=1", versions=ALL, types=True),
        Step("stats, two samples", "GET", "/containers/web/stats?stream=0", types=True),
        Step("top", "GET", "/containers/web/top", types=True),
        Step("top with arguments", "GET", "/containers/web/top?ps_args=-o%20pid,comm"),
        Step("changes of none", "GET", "/containers/web/changes"),
        Step("pause", "POST", "/containers/web/pause"),
        Step("inspect paused", "GET", "/containers/web/json"),
        Step("list paused", "GET", "/containers/json"),
        Step("pause again", "POST", "/containers/web/pause"),
        Step("unpause", "POST", "/containers/web/unpause"),
        Step("unpause again", "POST", "/containers/web/unpause"),
        Step("rename", "POST", "/containers/web/rename?name=site"),
        Step(
            "update",
            "POST",
            "/containers/site/update",
            json={"CpuShares": 512, "RestartPolicy": {"Name": "on-failure"}},
        ),
        Step("kill", "POST", "/containers/site/kill"),
        Step("wait", "POST", "/containers/site/wait"),
        Step("inspect exited", "GET", "/containers/site/json", versions=ALL, eventually='"exited"'),
        Step("list exited", "GET", "/containers/json?all=1", versions=("1.41", "1.51")),
        Step("events", "GET", "/events?since={now}&until={clock}", versions=ALL),
        Step("remove", "DELETE", "/containers/site"),
        Step("remove again", "DELETE", "/containers/site"),
        Step(
            "events of the removal",
            "GET",
            "/events?since={now}&until={clock}&filters=%7B%22event%22%3A%5B%22destroy%22%5D%7D",
        ),
    ]


def rich() -> Scenario:
    """A container with as many fields set as there are, created in each version."""
    result: list[Step] = []
    for version in ALL:
        name = "rich" + version.replace(".", "")
        result += [
            Step(
                f"create in {version}",
                "POST",
                f"/containers/create?name={name}",
                json=_rich(),
                save={name: "Id"},
                versions=(version,),
            ),
            Step(f"inspect of {version}", "GET", f"/containers/{name}/json", versions=(version,)),
        ]
    image = {"Image": "golden/data:1"}
    own = {**image, "Entrypoint": ["/other"], "Env": ["COLOUR=red", "SIZE=big"], "Labels": {"org.example.a": "own"},
           "Volumes": {"/own": {}}, "ExposedPorts": {"9/tcp": {}}, "StopSignal": "9", "User": "7"}  # fmt: skip
    privileged = {**RUN, "HostConfig": {"Privileged": True, "NetworkMode": "none", "PidMode": "host", "IpcMode": "host",
                  "UTSMode": "host", "ReadonlyRootfs": True, "AutoRemove": True}}  # fmt: skip
    return [
        *result,
        Step("inspect of 1.51 as 1.41", "GET", "/containers/rich151/json", versions=("1.41", "1.43", "1.44", "1.46")),
        Step("list", "GET", "/containers/json?all=1&limit=1", versions=ALL),
        Step("start", "POST", "/containers/rich151/start"),
        Step("inspect running", "GET", "/containers/rich151/json", versions=ALL),
        Step("list running", "GET", "/containers/json", versions=ALL),
        Step("create of data", "POST", "/containers/create?name=data", json=image),
        Step("inspect of data", "GET", "/containers/data/json", versions=("1.41", "1.51")),
        Step("create of data with own", "POST", "/containers/create?name=own", json=own),
        Step("inspect of data with own", "GET", "/containers/own/json"),
        Step(
            "create privileged",
            "POST",
            "/containers/create?name=privileged",
            json=privileged,
            save={"privileged": "Id"},
        ),
        Step("inspect privileged", "GET", "/containers/privileged/json", versions=("1.41", "1.51")),
        *_networked(),
    ]


def _networked() -> list[Step]:
    result = []
    for mode in ("host", "none", "default", "bridge", "container:rich151", ""):
        name = "net-" + (mode.partition(":")[0] or "empty")
        body = {**RUN, "Cmd": ["true"], "HostConfig": {"NetworkMode": mode}}
        result += [
            Step(f"create with {mode or 'no'} network", "POST", f"/containers/create?name={name}", json=body),
            Step(
                f"inspect with {mode or 'no'} network",
                "GET",
                f"/containers/{name}/json",
                versions=("1.41", "1.44", "1.51"),
            ),
        ]
    endpoint = {"EndpointsConfig": {"bridge": {"MacAddress": "02:42:ac:11:00:77"}}}
    return [
        *result,
        Step(
            "create with a mac",
            "POST",
            "/containers/create?name=mac",
            json={**RUN, "MacAddress": "02:42:ac:11:00:78"},
            versions=("1.43",),
        ),
        Step("inspect with a mac", "GET", "/containers/mac/json", versions=("1.43", "1.44", "1.51")),
        Step(
            "create with an endpoint's mac",
            "POST",
            "/containers/create?name=endmac",
            json={**RUN, "NetworkingConfig": endpoint},
        ),
        Step("inspect with an endpoint's mac", "GET", "/containers/endmac/json", versions=("1.43", "1.44", "1.51")),
        Step("start with an endpoint's mac", "POST", "/containers/endmac/start"),
        Step("inspect running with an endpoint's mac", "GET", "/containers/endmac/json", versions=("1.43", "1.51")),
    ]


def _rich() -> dict[str, Any]:
    return {
        "Hostname": "richhost",
        "Domainname": "example.org",
        "User": "nobody",
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Tty": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Env": ["A=1", "B"],
        "Cmd": ["-c", "sleep 1000"],
        "Image": "golden/run:1",
        "Volumes": {"/anonymous": {}},
        "WorkingDir": "/srv/",
        "Entrypoint": "sh",
        "Labels": {"z": "1", "a": ""},
        "StopSignal": "SIGINT",
        "StopTimeout": 3,
        "Shell": ["/bin/sh"],
        "HostConfig": _rich_host(),
        "NetworkingConfig": {"EndpointsConfig": {}},
    }


def _rich_host() -> dict[str, Any]:
    return {
        "Binds": ["/tmp:/host:ro", "named:/named"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40123"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
        "Annotations": {"note": "yes"},
        "CapAdd": ["NET_ADMIN", "CAP_SYS_PTRACE"],
        "CapDrop": ["mknod"],
        "ConsoleSize": [30, 100],
        "Dns": ["192.0.2.1"],
        "DnsOptions": ["ndots:2"],
        "DnsSearch": ["example.org"],
        "ExtraHosts": ["other:192.0.2.2"],
        "GroupAdd": ["nogroup"],
        "OomScoreAdj": 100,
        "ReadonlyRootfs": False,
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": {"/scratch": "size=1m"},
        "ShmSize": 1048576,
        "Sysctls": {"net.ipv4.ip_forward": "0"},
        "CpuShares": 256,
        "Memory": 67108864,
        "MemoryReservation": 33554432,
        "CpuPeriod": 100000,
        "CpuQuota": 50000,
        "CpusetCpus": "0",
        "CpusetMems": "0",
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rw"}],
        "DeviceCgroupRules": ["c 1:3 r"],
        "PidsLimit": 100,
        "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
        "Mounts": [
            {
                "Type": "volume",
                "Source": "named2",
                "Target": "/v",
                "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}},
            },
            {
                "Type": "bind",
                "Source": "/tmp",
                "Target": "/b",
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rprivate"},
            },
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 448}},
        ],
        "Init": False,
    }


def verbs() -> Scenario:
    """Restart, stop, kill, wait, prune, filters."""
    quick = {**RUN, "Cmd": ["sh", "-c", "exit 3"], "Labels": {"kind": "quick"}}
    deaf = {**RUN, "StopTimeout": 0}
    return [
        Step("create", "POST", "/containers/create?name=quick", json=quick, save={"quick": "Id"}),
        Step("wait for the next exit: start", "POST", "/containers/quick/start"),
        Step("wait", "POST", "/containers/quick/wait", versions=("1.41", "1.51")),
        Step("inspect exited", "GET", "/containers/quick/json", eventually='"exited"'),
        Step("create deaf", "POST", "/containers/create?name=deaf", json=deaf, save={"deaf": "Id"}),
        Step("stop what does not run", "POST", "/containers/deaf/stop"),
        Step("restart what does not run", "POST", "/containers/deaf/restart?t=0"),
        Step("restart", "POST", "/containers/deaf/restart?t=0"),
        Step("stop", "POST", "/containers/deaf/stop?t=0"),
        Step("stop again", "POST", "/containers/deaf/stop?t=0"),
        Step("inspect stopped", "GET", "/containers/deaf/json"),
        Step("start deaf", "POST", "/containers/deaf/start"),
        Step("kill by name", "POST", "/containers/deaf/kill?signal=KILL"),
        Step("wait deaf", "POST", "/containers/deaf/wait"),
        Step("start deaf again", "POST", "/containers/deaf/start"),
        Step("resize without a terminal", "POST", "/containers/deaf/resize?h=10&w=20"),
        Step("update memory", "POST", "/containers/deaf/update", json={"Memory": 33554432, "MemorySwap": 33554432}),
        Step("inspect updated", "GET", "/containers/deaf/json"),
        *(Step(f"list by {name}", "GET", "/containers/json?all=1&filters=" + text) for name, text in _FILTERS.items()),
        Step("list of one", "GET", "/containers/json?limit=1"),
        Step("list of a negative number", "GET", "/containers/json?limit=-1"),
        Step("list of no number", "GET", "/containers/json?limit=cake"),
        Step("events", "GET", "/events?since={now}&until={clock}"),
        Step("events of one container", "GET", "/events?since={now}&until={clock}&filters=%7B%22container%22%3A%5B%22quick%22%5D%7D"),
        Step("prune", "POST", "/containers/prune"),
        Step("prune of none", "POST", "/containers/prune"),
        Step("prune with a filter", "POST", "/containers/prune?filters=%7B%22label%22%3A%5B%22a%22%5D%7D"),
        Step("remove running", "DELETE", "/containers/deaf"),
        Step("remove by force", "DELETE", "/containers/deaf?force=1"),
    ]  # fmt: skip


_FILTERS = {
    "name": "%7B%22name%22%3A%5B%22quick%22%5D%7D",
    "old form": "%7B%22name%22%3A%7B%22quick%22%3Atrue%7D%7D",
    "label": "%7B%22label%22%3A%5B%22kind%3Dquick%22%5D%7D",
    "exit code": "%7B%22exited%22%3A%5B%223%22%5D%7D",
    "no exit code": "%7B%22exited%22%3A%5B%22cake%22%5D%7D",
    "status": "%7B%22status%22%3A%5B%22running%22%5D%7D",
    "no status": "%7B%22status%22%3A%5B%22cake%22%5D%7D",
    "health": "%7B%22health%22%3A%5B%22none%22%5D%7D",
    "no health": "%7B%22health%22%3A%5B%22cake%22%5D%7D",
    "no filter": "%7B%22cake%22%3A%5B%22a%22%5D%7D",
    "ancestor": "%7B%22ancestor%22%3A%5B%22golden/run%3A1%22%5D%7D",
    "no ancestor": "%7B%22ancestor%22%3A%5B%22cake%22%5D%7D",
    "before": "%7B%22before%22%3A%5B%22deaf%22%5D%7D",
    "before nothing": "%7B%22before%22%3A%5B%22cake%22%5D%7D",
    "since": "%7B%22since%22%3A%5B%22quick%22%5D%7D",
    "network": "%7B%22network%22%3A%5B%22bridge%22%5D%7D",
    "no port": "%7B%22publish%22%3A%5B%22cake%22%5D%7D",
    "no task": "%7B%22is-task%22%3A%5B%22cake%22%5D%7D",
    "a list": "%5B%5D",
    "a wrong value": "%7B%22name%22%3A1%7D",
    "nonsense": "cake",
    "nothing": "%7B%7D",
    "null": "null",
}
