"""From a container's record to the OCI runtime spec. Pure: the same record gives the same spec (golden-tested).

What depends on the host at start (descriptors of detached mounts, process ids of joined containers) is added by
the life cycle; here is only what the record says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from carrack.engine import defaults, resources, selinux
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.record import Container
from carrack.engine.privileges import Security, capabilities, security
from carrack.engine.userns import Remap
from carrack.model.container import Document
from carrack.oci.runtime_spec import OCI_VERSION, Capabilities, Linux, Mount, Namespace, Process, Spec
from carrack.runtime.cgroups.abilities import EVERYTHING


class HostFacts(NamedTuple):
    """What the spec needs to know of the host."""

    last_capability: int
    cgroup_version: int
    thermal_paths: tuple[str, ...] = ()
    init_path: str | None = None
    given: ContainerDefaults = ContainerDefaults()
    cdi_directories: tuple[str, ...] = ()
    remap: Remap | None = None
    abilities: frozenset[str] = EVERYTHING


INIT = "/sbin/docker-init"


def build(c: Container, facts: HostFacts, mounts: list[Mount], cgroup: str, linked: Sequence[str] = ()) -> Spec:
    """The spec of a container whose user mounts are ``mounts`` (in order), in the cgroup ``cgroup``.

    ``linked``: the variables that its links add.
    """
    host = c.host_config
    guard = security(host, facts.given.security)
    nodes, rules = resources.devices(host)
    linux: Linux = {
        "cgroupsPath": cgroup,
        "namespaces": namespaces(host, facts),
        "resources": resources.build(host, rules),
        "devices": nodes,
        "sysctl": _sysctls(host, facts),
        "maskedPaths": [*(host["MaskedPaths"] or []), *(facts.thermal_paths if host["MaskedPaths"] else ())],
        "readonlyPaths": host["ReadonlyPaths"] or [],
        "rootfsPropagation": _propagation(mounts),
    }
    spec: Spec = {
        "ociVersion": OCI_VERSION,
        "process": _process(c, facts, guard, linked),
        "root": {"path": "rootfs", "readonly": host["ReadonlyRootfs"]},
        "mounts": _mounts(host, facts, mounts, guard),
        "linux": linux,
        "annotations": host["Annotations"] or {},
    }
    if c.mount_label:
        linux["mountLabel"] = c.mount_label
    if (remap := remapped(host, facts)) is not None and joined_container(host) is None:
        linux["uidMappings"], linux["gidMappings"] = list(remap.uids), list(remap.gids)
    if host["UTSMode"] != "host":
        spec["hostname"] = c.config["Hostname"]
        if c.config["Domainname"]:
            spec["domainname"] = c.config["Domainname"]
    return spec


def usual_spec(facts: HostFacts) -> Spec:
    """The part of the spec of a container with all defaults that can be made before there is one.

    On cgroup v2 a container's cgroup is made at its start, so nothing of it can be mounted before.
    """
    early = [defaults.PROC, defaults.DEV, defaults.PTS, defaults.SYS]
    cgroup = [defaults.CGROUP] if facts.cgroup_version == 1 else []
    linux: Linux = {
        "maskedPaths": [*defaults.MASKED_PATHS, *facts.thermal_paths],
        "readonlyPaths": list(defaults.READONLY_PATHS),
        "rootfsPropagation": "rprivate",
    }
    return {"mounts": [*early, *cgroup, defaults.MQUEUE], "linux": linux}


def _process(c: Container, facts: HostFacts, guard: Security, linked: Sequence[str]) -> Process:
    host, config = c.host_config, c.config
    names = capabilities(host, facts.last_capability)
    process: Process = {
        "terminal": config["Tty"],
        "args": ([INIT, "--"] if wants_init(host, facts) else []) + [c.path, *c.args],
        "env": environment(config, linked),
        "cwd": config["WorkingDir"] or "/",
        "capabilities": capability_sets(names),
        "noNewPrivileges": guard.no_new_privileges,
        "rlimits": resources.rlimits(host, facts.given.ulimits),
        "user": {"uid": 0, "gid": 0},
    }
    if host["OomScoreAdj"]:
        process["oomScoreAdj"] = host["OomScoreAdj"]
    if label := process_label(c):
        process["selinuxLabel"] = label
    if guard.apparmor:
        process["apparmorProfile"] = guard.apparmor
    height, width = (host["ConsoleSize"] + [0, 0])[:2]
    if config["Tty"] and height and width:
        process["consoleSize"] = {"height": height, "width": width}
    return process


def process_label(c: Container) -> str:
    """The SELinux label of all its programs; a privileged one has none, whatever was asked for."""
    return "" if c.host_config["Privileged"] else c.process_label


def wants_init(host: Document, facts: HostFacts) -> bool:
    """Whether an init is the first process: never in a PID namespace of others, which has one."""
    return not host["PidMode"] and bool(facts.given.init if host["Init"] is None else host["Init"])


def capability_sets(names: list[str]) -> Capabilities:
    """Bounding, effective and permitted; never inheritable ones (CVE-2022-24769)."""
    return {"bounding": names, "effective": names, "permitted": names, "inheritable": [], "ambient": []}


def environment(config: Document, linked: Sequence[str] = ()) -> list[str]:
    """PATH, HOSTNAME and TERM as Docker sets them, what links add, then the config's own words: of a name, the last."""
    words = [defaults.PATH, "HOSTNAME=" + config["Hostname"]]
    if config["Tty"]:
        words.append("TERM=xterm")
    words += linked
    values = {word.partition("=")[0]: word for word in words}
    for word in config["Env"] or []:
        name, separator, _ = word.partition("=")
        if separator:
            values[name] = word
        else:
            values.pop(name, None)
    return list(values.values())


def namespaces(host: Document, facts: HostFacts) -> list[Namespace]:
    """The new namespaces of a container; joined and host ones are left out."""
    wanted = ["mount"]
    if remapped(host, facts) is not None and joined_container(host) is None:
        wanted.append("user")
    if host["NetworkMode"] != "host" and not host["NetworkMode"].startswith("container:"):
        wanted.append("network")
    if not host["PidMode"]:
        wanted.append("pid")
    if host["IpcMode"] != "host" and not host["IpcMode"].startswith("container:"):
        wanted.append("ipc")
    if host["UTSMode"] != "host":
        wanted.append("uts")
    if cgroup_namespace(host, facts) == "private":
        wanted.append("cgroup")
    return [{"type": name} for name in wanted]


def usual_namespaces(facts: HostFacts) -> tuple[str, ...]:
    """The new namespaces of a container with all defaults, in the order of its spec."""
    user = ("user",) if facts.remap is not None else ()
    cgroup = ("cgroup",) if facts.cgroup_version == 2 else ()
    return ("mount", *user, "network", "pid", "ipc", "uts", *cgroup)


def remapped(host: Document, facts: HostFacts) -> Remap | None:
    """The map of a container's user namespace; None for one that is in the host's."""
    return facts.remap if host["UsernsMode"] != "host" else None


def joined_container(host: Document) -> str | None:
    """The container whose user namespace is joined: who shares its other namespaces must share that one, too."""
    modes = [host[field] for field in ("NetworkMode", "IpcMode", "PidMode")]
    return next((mode.removeprefix("container:") for mode in modes if mode.startswith("container:")), None)


def cgroup_namespace(host: Document, facts: HostFacts) -> str:
    """``private`` or ``host``: by default private on cgroup v2, where it costs nothing."""
    return str(host["CgroupnsMode"]) or ("private" if facts.cgroup_version == 2 else "host")


def _mounts(host: Document, facts: HostFacts, mounts: list[Mount], guard: Security) -> list[Mount]:
    """The kernel's own file systems, then the user's, parents before children."""
    taken = {mount["destination"] for mount in mounts}
    base = [defaults.PROC, defaults.DEV, defaults.PTS, defaults.SYS, defaults.CGROUP, defaults.MQUEUE]
    if host["IpcMode"] == "host" and remapped(host, facts) is not None:
        base[-1] = defaults.HOST_MQUEUE  # only the host's root can mount one of the host's namespace
    if host["IpcMode"] == "host":
        base.append(defaults.HOST_SHM)
    elif host["IpcMode"] != "none":
        base.append(defaults.shm(host["ShmSize"]))
    result: list[Mount] = []
    for mount in base:
        if mount["destination"] in taken:
            continue
        if (host["Privileged"] and mount is defaults.SYS) or (guard.writable_cgroups and mount is defaults.CGROUP):
            mount = {**mount, "options": [("rw" if o == "ro" else o) for o in mount["options"]]}
        result.append(mount)
    if facts.given.selinux is not None and selinux.NESTED in selinux.options(host):
        result.append(defaults.SELINUX)
    result += sorted(mounts, key=lambda m: m["destination"].rstrip("/").count("/"))
    if wants_init(host, facts) and facts.init_path:
        result.append(
            {"destination": INIT, "type": "bind", "source": facts.init_path, "options": ["bind", "ro", "rprivate"]}
        )
    return result


def _propagation(mounts: list[Mount]) -> str:
    """The root must be at least as open as the most open bind, or the bind's propagation would be cut."""
    options = {option for mount in mounts for option in mount.get("options", ())}
    if options & {"shared", "rshared"}:
        return "rshared"
    if options & {"slave", "rslave"}:
        return "rslave"
    return "rprivate"


def _sysctls(host: Document, facts: HostFacts) -> dict[str, str]:
    own_network = host["NetworkMode"] != "host" and not host["NetworkMode"].startswith("container:")
    usual = dict(defaults.SYSCTLS) if own_network else {}
    if (remap := remapped(host, facts)) is not None and defaults.PING_GROUPS in usual:
        usual[defaults.PING_GROUPS] = f"0 {remap.gids[0]['size'] - 1}"  # the kernel takes only groups that there are
    return {**usual, **(host["Sysctls"] or {})}
