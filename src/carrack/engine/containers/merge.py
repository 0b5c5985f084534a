"""What a container is made of: the client's words, completed by the image's config and the engine's defaults. Pure.

The order of precedence, and what an explicit empty value means, follow Docker's, because images rely on them.
"""

from __future__ import annotations

import posixpath

from carrack.engine import defaults, health
from carrack.engine.containers import logconfig
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.publishing import completed, port_key
from carrack.engine.containers.signals import parse_signal
from carrack.errors import InvalidArgument
from carrack.model import cgroup_parent
from carrack.model.container import Document


def config(given: Document, image: Document) -> None:
    """Complete a client's config in place with the image's. Raises InvalidArgument when nothing is to be run."""
    if given["Entrypoint"] == [""]:
        given["Entrypoint"] = []
    elif not given["Entrypoint"]:
        if not given["Cmd"]:
            given["Cmd"] = image.get("Cmd")
        if given["Entrypoint"] is None:
            given["Entrypoint"] = image.get("Entrypoint")
    for name in ("User", "WorkingDir", "StopSignal"):
        given[name] = given[name] or image.get(name) or ""
    for name in ("ExposedPorts", "Volumes", "Labels"):
        merged = {**(image.get(name) or {}), **(given[name] or {})}
        given[name] = dict(sorted(merged.items())) or given[name]
    given["Labels"] = given["Labels"] or {}
    given["Env"] = _environment(given["Env"] or [], image.get("Env") or [])
    health.check(given["Healthcheck"])
    given["Healthcheck"] = health.merged(given["Healthcheck"], image.get("Healthcheck"))
    _check_config(given)
    if not given["Entrypoint"] and not given["Cmd"]:
        raise InvalidArgument("no command specified")


def _check_config(given: Document) -> None:
    for word in given["Env"] or []:
        if not word or word.startswith("="):
            raise InvalidArgument(f"invalid environment variable: {word}")
    if given["WorkingDir"]:
        if not given["WorkingDir"].startswith("/"):
            raise InvalidArgument(
                f"the working directory '{given['WorkingDir']}' is invalid, it needs to be an absolute path"
            )
        given["WorkingDir"] = "/" + posixpath.normpath(given["WorkingDir"]).lstrip("/")
    if given["StopSignal"]:
        parse_signal(given["StopSignal"])


def ports(config: Document, host: Document) -> None:
    """Write exposed and bound ports in place as ``80/tcp``. Raises InvalidArgument on what is no port."""
    if config["ExposedPorts"]:
        config["ExposedPorts"] = {port_key(key): value for key, value in config["ExposedPorts"].items()}
    host["PortBindings"] = completed(host["PortBindings"]) if host["PortBindings"] is not None else None


def check_together(config: Document, host: Document) -> None:
    """Refuse what a container that shares another's network, or the host's names, cannot have of its own."""
    if config["Hostname"] and host["UTSMode"] == "host":
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    if config["Domainname"] and host["UTSMode"] == "host":
        raise InvalidArgument("conflicting options: domainname and the UTS mode")
    shared = host["NetworkMode"].startswith("container:")
    if host["Links"] and (shared or host["NetworkMode"] == "host"):
        kind = "container type network" if shared else "host type networking"
        told = "can't be used with links. This would result in undefined behavior"
        raise InvalidArgument(f"conflicting options: {kind} {told}")
    if not shared:
        return
    for given, what in (
        (config["Hostname"], "hostname and the network mode"),
        (host["Dns"], "dns and the network mode"),
        (host["ExtraHosts"], "custom host-to-IP mapping and the network mode"),
        (host["PortBindings"] or host["PublishAllPorts"], "port publishing and the container type network mode"),
        (config["ExposedPorts"], "port exposing and the container type network mode"),
    ):
        if given:
            raise InvalidArgument(f"conflicting options: {what}")


def _environment(own: list[str], image: list[str]) -> list[str]:
    taken = {word.partition("=")[0] for word in own}
    return own + [word for word in image if word.partition("=")[0] not in taken]


def command(config: Document) -> tuple[str, list[str]]:
    """The program and its arguments."""
    words = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    return words[0], words[1:]


def host_config(host: Document, *, cgroup_version: int, given: ContainerDefaults | None = None) -> None:
    """Complete a host config in place with the engine's defaults, and refuse what contradicts itself."""
    host["NetworkMode"] = "bridge" if host["NetworkMode"] in ("", "default") else host["NetworkMode"]
    given = given or ContainerDefaults()
    host["IpcMode"] = host["IpcMode"] or given.ipc_mode
    host["ShmSize"] = host["ShmSize"] or given.shm_size
    logconfig.complete(host["LogConfig"], given.log_driver, given.log_options)
    host["RestartPolicy"]["Name"] = host["RestartPolicy"]["Name"] or "no"
    cgroup_parent.path(host["CgroupParent"])
    host["OomKillDisable"] = bool(host["OomKillDisable"])
    if not host["CgroupnsMode"]:
        usual = given.cgroupns_mode or ("private" if cgroup_version == 2 else "host")
        host["CgroupnsMode"] = "host" if host["Privileged"] and cgroup_version == 1 else usual
    if host["Memory"] and not host["MemorySwap"]:
        host["MemorySwap"] = 2 * host["Memory"]
    if host["PidsLimit"] is not None and host["PidsLimit"] <= 0:
        host["PidsLimit"] = None
    if host["MaskedPaths"] is None and not host["Privileged"]:
        host["MaskedPaths"] = list(defaults.MASKED_PATHS)
    if host["ReadonlyPaths"] is None and not host["Privileged"]:
        host["ReadonlyPaths"] = list(defaults.READONLY_PATHS)
    _check_modes(host)
    if "" in (host["Annotations"] or {}):
        raise InvalidArgument("invalid Annotations: the empty string is not permitted as an annotation key")
    _check_policies(host)


def _check_modes(host: Document) -> None:
    if host["IpcMode"] not in ("private", "shareable", "none", "host") and not host["IpcMode"].startswith("container:"):
        raise InvalidArgument(f"invalid IPC mode: {host['IpcMode']}")
    if host["PidMode"] not in ("", "host") and not host["PidMode"].startswith("container:"):
        raise InvalidArgument(f"invalid PID mode: {host['PidMode']}")
    if host["UTSMode"] not in ("", "host"):
        raise InvalidArgument(f"invalid UTS mode: {host['UTSMode']}")
    if host["UsernsMode"] not in ("", "host"):
        raise InvalidArgument(f"invalid user namespace mode: {host['UsernsMode']}")
    if host["CgroupnsMode"] not in ("host", "private"):
        raise InvalidArgument(f"invalid cgroup namespace mode: {host['CgroupnsMode']}")
    if host["Isolation"] not in ("", "default"):
        raise InvalidArgument(f"invalid isolation ({host['Isolation']}): linux only supports 'default'")
    if len(host["ConsoleSize"]) != 2 or not all(0 <= n < 65536 for n in host["ConsoleSize"]):
        raise InvalidArgument("HostConfig.ConsoleSize must be [height, width]")


def _check_policies(host: Document) -> None:
    policy = host["RestartPolicy"]
    check_restart_policy(policy)
    if host["AutoRemove"] and policy["Name"] != "no":
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")


def check_restart_policy(policy: Document) -> None:
    """Raise InvalidArgument for a restart policy that there is not."""
    if policy["Name"] not in ("no", "always", "unless-stopped", "on-failure"):
        raise InvalidArgument(f"invalid restart policy: unknown policy '{policy['Name']}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'")  # fmt: skip  # noqa: E501
    if policy["MaximumRetryCount"] and policy["Name"] != "on-failure":
        raise InvalidArgument("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if policy["MaximumRetryCount"] < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
