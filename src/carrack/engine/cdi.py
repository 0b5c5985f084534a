"""Container Device Interface: devices by name, as files of their vendors describe them.

A spec file lies in one of the daemon's directories, as JSON or YAML, and says for each device of one kind
(``vendor.com/class``) what a container needs that is to use it. Of two directories the later one counts more; two files
of one directory that describe the same device make it a device that cannot be had. The files are the operator's own and
trusted like the daemon's configuration; they are still checked, so that an error names the file and the field.

Source: the CDI specification (cncf-tags/container-device-interface, SPEC.md), version 1.0.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import InvalidArgument

Document = dict[str, Any]

DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
MAX_FILE = 8 * 1024 * 1024
_SUFFIXES = (".json", ".yaml", ".yml")
_VENDOR = re.compile(r"[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_CLASS = re.compile(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?")
_DEVICE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?")
_EDITS: dict[str, type] = {"env": list, "deviceNodes": list, "mounts": list, "hooks": list, "additionalGids": list}


@dataclass(frozen=True, slots=True)
class Device:
    """One device: ``edits`` are those of its spec, shared by the devices of a file, and its own."""

    name: str
    file: str
    shared: Document
    own: Document


@dataclass(slots=True)
class Registry:
    """What the directories held when they were read. ``errors``: file to what is wrong with it."""

    devices: dict[str, Device] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def kinds(self) -> set[str]:
        """The kinds (``vendor.com/class``) of which there is a device."""
        return {name.partition("=")[0] for name in self.devices}

    def edits(self, names: Iterable[str]) -> Iterator[Document]:
        """The edits of these devices in their order, a file's shared ones once. Raises InvalidArgument on names there
        are not."""
        wanted = list(dict.fromkeys(names))
        missing = [name for name in wanted if name not in self.devices]
        if missing:
            told = "".join(f"; {file}: {error}" for file, error in self.errors.items())
            raise InvalidArgument(f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}{told}")
        seen: set[str] = set()
        for name in wanted:
            device = self.devices[name]
            if device.file not in seen:
                seen.add(device.file)
                yield device.shared
            yield device.own


def is_qualified(name: str) -> bool:
    """Whether a word has the form ``vendor.com/class=device``."""
    kind, equals, device = name.partition("=")
    vendor, slash, class_name = kind.partition("/")
    return bool(
        equals and slash and _VENDOR.fullmatch(vendor) and _CLASS.fullmatch(class_name) and _DEVICE.fullmatch(device)
    )


def read(directories: Sequence[str]) -> Registry:
    """All devices of all spec files. A file that is wrong gives no devices and an error. Blocking."""
    registry = Registry()
    for directory in directories:
        found: dict[str, Device] = {}
        twice: set[str] = set()
        for path in _files(directory):
            try:
                devices = list(_devices(path, _load(path)))
            except (OSError, ValueError, InvalidArgument) as error:
                registry.errors[path] = str(error)
                continue
            for device in devices:
                if device.name in found:
                    twice.add(device.name)
                    told = f"device {device.name} is also in {found[device.name].file}"
                    registry.errors[path] = f"conflicting device: {told}"
                found[device.name] = device
        registry.devices.update(found)
        for name in twice:
            del registry.devices[name]
    return registry


def _files(directory: str) -> list[str]:
    try:
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.endswith(_SUFFIXES)]
    except OSError:
        return []


def _load(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        text = file.read(MAX_FILE + 1)
    if len(text) > MAX_FILE:
        raise InvalidArgument(f"larger than {MAX_FILE} bytes")
    if path.endswith(".json"):
        return json.loads(text)
    yaml = importlib.import_module("yaml")  # only where there is such a file: it costs a megabyte
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidArgument(f"no YAML: {error}") from None


def _devices(path: str, document: Any) -> Iterator[Device]:
    spec = _object(document, "spec")
    kind = spec.get("kind", "")
    if not isinstance(spec.get("cdiVersion"), str):
        raise InvalidArgument("cdiVersion is missing")
    if not isinstance(kind, str) or not is_qualified(f"{kind}=x"):
        raise InvalidArgument(f"kind: {kind!r} is not vendor.com/class")
    shared = _edits(spec.get("containerEdits", {}), "containerEdits")
    devices = spec.get("devices")
    if not isinstance(devices, list) or not devices:
        raise InvalidArgument("devices: none is described")
    for device in devices:
        name = str(_object(device, "devices").get("name", ""))
        if not _DEVICE.fullmatch(name):
            raise InvalidArgument(f"devices: {name!r} is not a name")
        yield Device(f"{kind}={name}", path, shared, _edits(device.get("containerEdits", {}), f"device {name}"))


def _edits(document: Any, where: str) -> Document:
    edits = _object(document, where)
    for name, value in edits.items():
        if name not in _EDITS:
            raise InvalidArgument(f"{where}: {name} is not supported by this engine")
        if not isinstance(value, list):
            raise InvalidArgument(f"{where}: {name} is not a list")
    for name in ("deviceNodes", "mounts", "hooks"):
        for entry in edits.get(name, ()):
            _object(entry, f"{where}: {name}")
    for node in edits.get("deviceNodes", ()):
        _needs(node, ("path",), f"{where}: deviceNodes")
    for mount in edits.get("mounts", ()):
        _needs(mount, ("hostPath", "containerPath"), f"{where}: mounts")
    for hook in edits.get("hooks", ()):
        _needs(hook, ("hookName", "path"), f"{where}: hooks")
    return edits


def _object(value: Any, where: str) -> Document:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{where}: not an object")
    return value


def _needs(entry: Document, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise InvalidArgument(f"{where}: {name} is missing")
