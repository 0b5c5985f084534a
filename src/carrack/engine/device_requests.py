"""``--gpus`` and ``--device vendor.com/class=name``: which described devices a request means, and what they bring.

What a description asks for is added to a spec that is otherwise complete: nodes with their rules, mounts, variables,
groups and hooks. Sources: the Engine API's DeviceRequest; the CDI specification, "CDI JSON Definition".
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any

from carrack.engine import cdi
from carrack.errors import InvalidArgument
from carrack.oci.runtime_spec import Device, DeviceRule, Hook, Mount, Spec

Document = dict[str, Any]

#: what may be asked of a GPU; Docker's list for its nvidia driver, and CDI gives all of it in any case
_CAPABILITIES = frozenset(("gpu", "nvidia", "compute", "compat32", "graphics", "utility", "video", "display"))
#: whose descriptions serve a request for GPUs that names no device, the first that there are
_GPU_KINDS = ("nvidia.com/gpu", "amd.com/gpu")
_POINTS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_TYPES = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}


def inject(spec: Spec, requests: Sequence[Document], directories: Sequence[str]) -> None:
    """Add the requested devices to a spec in place. Raises InvalidArgument for what there is not. Blocking."""
    registry = cdi.read(directories)
    names = [name for request in requests for name in _names(request, registry, bool(directories))]
    for edits in registry.edits(names):
        _apply(spec, edits)


def _names(request: Document, registry: cdi.Registry, enabled: bool) -> list[str]:
    """The qualified names of one request."""
    driver, capabilities = request["Driver"], request["Capabilities"] or []
    if driver == "cdi" and enabled:
        return list(request["DeviceIDs"] or ())
    kinds = registry.kinds()
    kind = next((kind for kind in _GPU_KINDS if kind in kinds), "")
    if driver not in ("", "nvidia") or not kind or not any(set(wanted) <= _CAPABILITIES for wanted in capabilities):
        told = " ".join(f"[{' '.join(wanted)}]" for wanted in capabilities)
        raise InvalidArgument(f'could not select device driver "{driver}" with capabilities: [{told}]')
    if request["Count"] and request["DeviceIDs"]:
        raise InvalidArgument("cannot set both Count and DeviceIDs on device request")
    words = request["DeviceIDs"] or (["all"] if request["Count"] < 0 else map(str, range(request["Count"])))
    return [word if cdi.is_qualified(word) else f"{kind}={word}" for word in words]


def _apply(spec: Spec, edits: Document) -> None:
    process, linux = spec["process"], spec["linux"]
    for word in edits.get("env", ()):
        name = word.partition("=")[0]
        process["env"] = [other for other in process["env"] if other.partition("=")[0] != name] + [word]
    for node in edits.get("deviceNodes", ()):
        device = _node(node)
        others = [other for other in linux["devices"] if other["path"] != device["path"]]
        linux["devices"] = [*others, device]
        access = node.get("permissions") or "rwm"
        if device["type"] in ("c", "b") and access != "none":
            rule: DeviceRule = {"allow": True, "type": device["type"], "access": access}
            rule["major"], rule["minor"] = device["major"], device["minor"]
            linux["resources"]["devices"].append(rule)
    for mount in edits.get("mounts", ()):
        taken = mount["containerPath"]
        spec["mounts"] = [*(m for m in spec["mounts"] if m["destination"] != taken), _mount(mount)]
    groups = process["user"].get("additionalGids", [])
    process["user"]["additionalGids"] = list(dict.fromkeys([*groups, *filter(None, edits.get("additionalGids", ()))]))
    for hook in edits.get("hooks", ()):
        if hook["hookName"] not in _POINTS:
            raise InvalidArgument(f"CDI device injection failed: unknown hook {hook['hookName']!r}")
        points: dict[str, list[Hook]] = spec.setdefault("hooks", {})  # type: ignore[assignment]
        points.setdefault(hook["hookName"], []).append(_hook(hook))


def _hook(hook: Document) -> Hook:
    result: Hook = {"path": hook["path"]}
    if hook.get("args"):
        result["args"] = hook["args"]
    if hook.get("env"):
        result["env"] = hook["env"]
    if hook.get("timeout"):
        result["timeout"] = hook["timeout"]
    return result


def _node(node: Document) -> Device:
    """A node as it is described, and for what is not, as the host's own is."""
    place = node.get("hostPath") or node["path"]
    device: Device = {"path": node["path"], "type": node.get("type", "")}
    if not device["type"] or (device["type"] != "p" and node.get("major") is None):
        try:
            status = os.stat(place)
        except OSError as error:
            told = f"failed to stat CDI host device {place}: {(error.strerror or '').lower()}"
            raise InvalidArgument(f"CDI device injection failed: {told}") from error
        kind = _TYPES.get(stat.S_IFMT(status.st_mode), "")
        if not kind or (device["type"] or kind) not in (kind, "u"):
            raise InvalidArgument(f"CDI device injection failed: CDI host device {place} is not the device described")
        device["type"], device["major"], device["minor"] = kind, os.major(status.st_rdev), os.minor(status.st_rdev)
        device["fileMode"] = stat.S_IMODE(status.st_mode)
    for key, value in node.items():
        if key in ("major", "minor", "fileMode", "uid", "gid") and value is not None:
            device[key] = value  # type: ignore[literal-required]
    return device


def _mount(mount: Document) -> Mount:
    options = list(mount.get("options") or ())
    if not {"bind", "rbind"} & set(options):
        options.insert(0, "rbind")
    return {"destination": mount["containerPath"], "type": "bind", "source": mount["hostPath"], "options": options}
