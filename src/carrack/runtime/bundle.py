"""Read a bundle's config.json and refuse what is malformed, contradictory or not supported, naming the place.

The shapes are the runtime spec's (config-schema.json, config-linux.json); a name the spec does not know is ignored, as
it demands, but a *known* name that we do not obey is refused: an isolation that was asked for must not be missing in
silence.
"""

from __future__ import annotations

import json
import os

from carrack.errors import InvalidArgument
from carrack.linux import caps
from carrack.linux.namespaces import FLAGS
from carrack.runtime import hooks, sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.oci.runtime_spec import Spec

CONFIG_LIMIT = 16 * 1024 * 1024

_TEXTS = [str]
_ID_MAP = [{"containerID": int, "hostID": int, "size": int}]
_THROTTLE = [{"major": int, "minor": int, "rate": int}]
_HOOKS = [{"path": str, "args": _TEXTS, "env": _TEXTS, "timeout": int}]
_OFFSET = {"secs": int, "nanosecs": int}
_CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
_PROCESS: dict[str, Any] = {
    "terminal": bool,
    "consoleSize": {"height": int, "width": int},
    "cwd": str,
    "env": _TEXTS,
    "args": _TEXTS,
    "user": {"uid": int, "gid": int, "umask": int, "additionalGids": [int], "username": str},
    "capabilities": dict.fromkeys(_CAPABILITY_SETS, _TEXTS),
    "rlimits": [{"type": str, "soft": int, "hard": int}],
    "noNewPrivileges": bool,
    "apparmorProfile": str,
    "selinuxLabel": str,
    "oomScoreAdj": int,
    "scheduler": {"policy": str, "nice": int, "priority": int, "flags": _TEXTS},
    "ioPriority": dict,
    "execCPUAffinity": dict,
}
_RESOURCES: dict[str, Any] = {
    "devices": [{"allow": bool, "type": str, "major": int, "minor": int, "access": str}],
    "memory": {
        **dict.fromkeys(("limit", "reservation", "swap", "kernel", "kernelTCP", "swappiness"), int),
        **dict.fromkeys(("disableOOMKiller", "useHierarchy", "checkBeforeUpdate"), bool),
    },
    "cpu": {
        **dict.fromkeys(("shares", "quota", "burst", "period", "realtimeRuntime", "realtimePeriod", "idle"), int),
        "cpus": str,
        "mems": str,
    },
    "pids": {"limit": int},
    "blockIO": {
        "weight": int,
        "leafWeight": int,
        "weightDevice": [{"major": int, "minor": int, "weight": int, "leafWeight": int}],
        "throttleReadBpsDevice": _THROTTLE,
        "throttleWriteBpsDevice": _THROTTLE,
        "throttleReadIOPSDevice": _THROTTLE,
        "throttleWriteIOPSDevice": _THROTTLE,
    },
    "hugepageLimits": [{"pageSize": str, "limit": int}],
    "network": {"classID": int, "priorities": [{"name": str, "priority": int}]},
    "rdma": dict,
    "unified": {"": str},
}
_SECCOMP: dict[str, Any] = {
    "defaultAction": str,
    "defaultErrnoRet": int,
    "architectures": _TEXTS,
    "flags": _TEXTS,
    "listenerPath": str,
    "listenerMetadata": str,
    "syscalls": [
        {
            "names": _TEXTS,
            "action": str,
            "errnoRet": int,
            "args": [{"index": int, "value": int, "valueTwo": int, "op": str}],
        }
    ],
}
_LINUX: dict[str, Any] = {
    "uidMappings": _ID_MAP,
    "gidMappings": _ID_MAP,
    "timeOffsets": {"monotonic": _OFFSET, "boottime": _OFFSET},
    "sysctl": {"": str},
    "resources": _RESOURCES,
    "cgroupsPath": str,
    "namespaces": [{"type": str, "path": str}],
    "devices": [
        {"type": str, "path": str, "major": int, "minor": int, "fileMode": int, "uid": int, "gid": int},
    ],
    "seccomp": _SECCOMP,
    "rootfsPropagation": str,
    "maskedPaths": _TEXTS,
    "readonlyPaths": _TEXTS,
    "mountLabel": str,
    "personality": dict,
    "intelRdt": dict,
}
_SPEC: dict[str, Any] = {
    "ociVersion": str,
    "hostname": str,
    "domainname": str,
    "annotations": {"": str},
    "root": {"path": str, "readonly": bool},
    "process": _PROCESS,
    "mounts": [
        {
            "destination": str,
            "type": str,
            "source": str,
            "options": _TEXTS,
            "uidMappings": _ID_MAP,
            "gidMappings": _ID_MAP,
        }
    ],
    "hooks": dict.fromkeys(hooks.POINTS, _HOOKS),
    "linux": _LINUX,
    **dict.fromkeys(("windows", "solaris", "vm", "zos"), dict),
}
_REFUSED = ("linux.personality", "linux.intelRdt", "process.ioPriority", "process.execCPUAffinity")


def load(directory: str) -> Spec:
    """The checked spec of a bundle, its root.path and bind sources made absolute; InvalidArgument, or OSError."""
    path = os.path.join(directory, "config.json")
    try:
        with open(path, "rb") as file:
            text = file.read(CONFIG_LIMIT + 1)
    except FileNotFoundError:
        raise InvalidArgument(f"JSON specification file {path} not found") from None
    if len(text) > CONFIG_LIMIT:
        raise InvalidArgument(f"{path}: larger than {CONFIG_LIMIT} bytes")
    spec = parse(text, path)
    root = spec["root"]
    root["path"] = os.path.normpath(os.path.join(directory, root["path"]))
    for mount in spec.get("mounts", []):
        source = mount.get("source", "")
        bound = mount.get("type") == "bind" or {"bind", "rbind"} & set(mount.get("options", []))
        if bound and source and not source.startswith("/"):
            mount["source"] = os.path.normpath(os.path.join(directory, source))
    return spec


def parse(text: bytes, name: str = "config.json") -> Spec:
    """Parse and check one document; errors name the line and column, or the field."""
    try:
        spec = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, a number without end, too deep
        raise InvalidArgument(f"{name}: {error}") from None
    try:
        _check(spec, _SPEC, "")
        _check_meaning(spec)
        hooks.check(spec.get("hooks", {}))
    except InvalidArgument as error:
        raise InvalidArgument(f"{name}: {error}") from None
    result: Spec = spec
    return result


def process(text: bytes, name: str) -> Any:
    """A process document of its own, as ``exec --process`` is given."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{name}: {error}") from None
    _check(document, _PROCESS, "process")
    _check_process(document)
    return document


def _check(value: Any, shape: Any, where: str) -> None:
    """Types against a shape: a type, [shape of items], or {name: shape} ("" is any name). Null is absence."""
    if isinstance(shape, list):
        _demand(isinstance(value, list), where, "an array", value)
        for index, item in enumerate(value):
            _check(item, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict):
        _demand(isinstance(value, dict), where, "an object", value)
        for key in [key for key, item in value.items() if item is None]:
            del value[key]
        for key, item in value.items():
            inner = shape.get(key, shape.get(""))
            if inner is not None:
                _check(item, inner, f"{where}.{key}" if where else key)
    elif shape is int:
        _demand(isinstance(value, int) and not isinstance(value, bool), where, "an integer", value)
        _demand(-(2**63) <= value < 2**64, where, "an integer of 64 bits", value)
    elif shape is str:
        _demand(isinstance(value, str) and "\0" not in value, where, "a string", value)
    else:
        _demand(isinstance(value, shape), where, "true or false" if shape is bool else "an object", value)


def _demand(good: bool, where: str, wanted: str, value: object) -> None:
    if not good:
        shown = json.dumps(value, default=str)
        raise InvalidArgument(f"{where or 'the document'} must be {wanted}, not {shown[:60]}")


def _check_meaning(spec: Any) -> None:
    version = spec.get("ociVersion", "")
    if not version.startswith("1."):
        raise InvalidArgument(f"ociVersion: {version!r} is not a version 1.x of the specification")
    for path in _REFUSED:
        section, _, key = path.partition(".")
        if spec.get(section, {}).get(key):
            raise InvalidArgument(f"{path} is not supported by this runtime")
    if not spec.get("root", {}).get("path"):
        raise InvalidArgument("root.path must be given")
    for index, mount in enumerate(spec.get("mounts", [])):
        if not mount.get("destination"):
            raise InvalidArgument(f"mounts[{index}].destination must be given")
        mount["destination"] = "/" + mount["destination"].lstrip("/")
    if "process" in spec:
        _check_process(spec["process"])
    _check_linux(spec)


def _check_process(document: Any) -> None:
    if not document.get("args"):
        raise InvalidArgument("process.args must name a program")
    if not document.get("cwd", "").startswith("/"):
        raise InvalidArgument(f"process.cwd: {document.get('cwd', '')!r} is not an absolute path")
    for kind in _CAPABILITY_SETS:
        names = document.get("capabilities", {}).get(kind, [])
        unknown = [name for name in names if name not in caps.CAPABILITIES]
        if unknown:
            raise InvalidArgument(f"process.capabilities.{kind}: unknown capability {unknown[0]!r}")
    user = document.get("user", {})
    for key, value in (("uid", user.get("uid", 0)), ("gid", user.get("gid", 0))):
        if not 0 <= value < 2**32 - 1:
            raise InvalidArgument(f"process.user.{key}: {value} is out of range")
    if any(not 0 <= gid < 2**32 - 1 for gid in user.get("additionalGids", [])):
        raise InvalidArgument("process.user.additionalGids: a group is out of range")
    kinds = [limit.get("type") for limit in document.get("rlimits", [])]
    if len(set(kinds)) != len(kinds):
        raise InvalidArgument("process.rlimits: a type is given twice")


def _check_linux(spec: Any) -> None:
    linux = spec.get("linux", {})
    kinds = [space.get("type") for space in linux.get("namespaces", [])]
    for index, kind in enumerate(kinds):
        if kind not in FLAGS:
            raise InvalidArgument(f"linux.namespaces[{index}].type: unknown type {kind!r}")
        if kind in kinds[:index]:
            raise InvalidArgument(f"linux.namespaces[{index}]: {kind} is given twice")
    if spec.get("hostname") and "uts" not in kinds:
        raise InvalidArgument("unable to set hostname without a private UTS namespace")
    if spec.get("domainname") and "uts" not in kinds:
        raise InvalidArgument("unable to set domainname without a private UTS namespace")
    mapped = linux.get("uidMappings") or linux.get("gidMappings")
    if mapped and "user" not in kinds:
        raise InvalidArgument("linux.uidMappings: user namespace mappings specified, but user namespace not enabled")
    joined = {space["type"] for space in linux.get("namespaces", []) if space.get("path")}
    if "user" in kinds and "user" not in joined and not mapped:
        raise InvalidArgument("linux.namespaces: a new user namespace needs uidMappings and gidMappings")
    if linux.get("timeOffsets") and ("time" not in kinds or "time" in joined):
        raise InvalidArgument("linux.timeOffsets: only a new time namespace can have them")
    sysctl.check(linux.get("sysctl", {}), set(kinds) if "user" not in joined else set(kinds) - joined)
