"""What the API shows of one container (`inspect`). Pure: record in, document out; the order of fields is Docker's."""

from __future__ import annotations

import hashlib

from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.privileges import USUAL, Security, security
from carrack.model import port_ranges, times
from carrack.model.container import Document

_SHOWN_POINT = ("Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation")


def inspect(
    c: Container, paths: Paths, graph: Document, usual: Security = USUAL, links: list[str] | None = None
) -> Document:
    """The document of `GET /containers/{id}/json`; ``graph`` is its GraphDriver, ``usual`` as with `security`.

    ``links``: what is shown of its links.

    Files are named once somebody has tried to start the container, which makes them.
    """
    tried = bool(c.state.started_at or c.state.error)
    return {
        "Id": c.id,
        "Created": times.rfc3339(c.created),
        "Path": c.path,
        "Args": c.args,
        "State": state(c),
        "Image": c.image_id,
        "ResolvConfPath": paths.file(c.id, "resolv.conf") if tried else "",
        "HostnamePath": paths.file(c.id, "hostname") if tried else "",
        "HostsPath": paths.file(c.id, "hosts") if tried else "",
        "LogPath": paths.log(c.id) if tried and c.host_config["LogConfig"]["Type"] == "json-file" else "",
        "Name": "/" + c.name,
        "RestartCount": c.restart_count,
        "Driver": graph["Name"],
        "Platform": "linux",
        "MountLabel": c.mount_label,
        "ProcessLabel": c.process_label,
        "AppArmorProfile": security(c.host_config, usual).apparmor if tried and usual.apparmor else "",
        "ExecIDs": list(c.exec_ids) or None,
        "HostConfig": {**host_config(c), "Links": links},
        "GraphDriver": graph,
        "Mounts": mounts(c),
        "Config": config(c),
        "NetworkSettings": network_settings(c),
        **image_manifest(c),
    }


def image_manifest(c: Container) -> Document:
    """The descriptor of the manifest of the image it was made from, where that had one."""
    return {"ImageManifestDescriptor": c.image_manifest} if c.image_manifest else {}


def state(c: Container) -> Document:
    """The State object."""
    s = c.state
    checked = {} if s.health is None else {"Health": s.health}
    return {
        "Status": s.status,
        "Running": s.running,
        "Paused": s.status == "paused",
        "Restarting": s.status == "restarting",
        "OOMKilled": s.oom_killed,
        "Dead": s.status == "dead",
        "Pid": s.pid if s.status in ("running", "paused") else 0,
        "ExitCode": s.exit_code,
        "Error": s.error,
        "StartedAt": times.rfc3339(s.started_at),
        "FinishedAt": times.rfc3339(s.finished_at),
        **checked,
    }


def host_config(c: Container) -> Document:
    """The host config without the fields that Docker leaves out when they are empty."""
    shown = {
        **c.host_config,
        "MaskedPaths": c.host_config["MaskedPaths"],
        "ReadonlyPaths": c.host_config["ReadonlyPaths"],
    }
    for name in ("Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Mounts", "Init", "KernelMemory", "KernelMemoryTCP"):
        if not shown.get(name) and shown.get(name) is not False:
            shown.pop(name, None)
    if shown.get("Mounts"):
        shown["Mounts"] = [_without_empty(mount) for mount in shown["Mounts"]]
    return shown


def _without_empty(document: Document) -> Document:
    return {
        k: _without_empty(v) if isinstance(v, dict) else v for k, v in document.items() if v not in (None, "", 0, False)
    }


def config(c: Container) -> Document:
    """The config without the fields that Docker leaves out when they are empty."""
    shown = dict(c.config)
    for name in ("ExposedPorts", "Healthcheck", "ArgsEscaped", "NetworkDisabled", "MacAddress", "StopSignal", "StopTimeout", "Shell"):  # fmt: skip  # noqa: E501
        if not shown.get(name) and not (name == "StopTimeout" and shown[name] == 0):
            shown.pop(name, None)
    return shown


def mounts(c: Container) -> list[Document]:
    """The mount points, by destination."""
    points = [{k: point[k] for k in _SHOWN_POINT if k in point} for point in c.mounts]  # type: ignore[literal-required]
    for point in points:
        if any(word.endswith("recursive") for word in str(point["Mode"]).split(",")):
            point["Mode"] = ""  # notes of the resolver to itself
    return sorted(points, key=lambda point: str(point["Destination"]))


def _sandbox(c: Container) -> str:
    """An id of the network namespace, another one with each start."""
    return hashlib.sha256(f"{c.id} {c.state.started_at}".encode()).hexdigest()


def ports(c: Container) -> Document:
    """Where the ports of a running container are published; nowhere while no network leads out of it."""
    leads = any(endpoint.get("Gateway") or endpoint.get("IPv6Gateway") for endpoint in c.endpoints.values())
    return port_ranges.unfolded(c.ports) if leads and c.state.status in ("running", "paused") else {}


def network_settings(c: Container) -> Document:
    """The NetworkSettings object; the old fields at its top repeat the bridge's."""
    bridge = c.endpoints.get("bridge", {})
    running = c.state.status in ("running", "paused")
    own = running and (c.has_sandbox or c.host_config["NetworkMode"] == "host")  # not another container's
    return {
        "Bridge": "",
        "SandboxID": _sandbox(c) if own else "",
        "SandboxKey": f"/proc/{c.state.pid}/ns/net" if own and c.state.pid else "",
        "Ports": ports(c),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": bridge.get("EndpointID", ""),
        "Gateway": bridge.get("Gateway", ""),
        "GlobalIPv6Address": bridge.get("GlobalIPv6Address", ""),
        "GlobalIPv6PrefixLen": bridge.get("GlobalIPv6PrefixLen", 0),
        "IPAddress": bridge.get("IPAddress", ""),
        "IPPrefixLen": bridge.get("IPPrefixLen", 0),
        "IPv6Gateway": bridge.get("IPv6Gateway", ""),
        "MacAddress": bridge.get("MacAddress", ""),
        "Networks": c.endpoints,
    }
