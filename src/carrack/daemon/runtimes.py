"""The daemon's options for OCI runtimes, checked: ``runtimes`` of the configuration file and ``--add-runtime``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carrack.engine.runtimes import OWN, Runtime
from carrack.errors import InvalidArgument

_SHIM = "io.containerd.runc.v2"
_FIELDS = {"path": str, "runtimeArgs": list, "runtimeType": str, "options": dict}


def add(known: dict[str, Any], word: str) -> None:
    """Enter a flag's ``NAME=PATH`` as the file would have it. Raises InvalidArgument, as dockerd words it."""
    name, equals, path = (part.strip() for part in word.partition("="))
    if not equals or not name or not path:
        raise InvalidArgument(f'invalid argument "{word}" for "--add-runtime" flag: invalid runtime argument: {word}')
    name = name.lower()
    if name in known:
        told = f"runtime '{name}' was already defined"
        raise InvalidArgument(f'invalid argument "{word}" for "--add-runtime" flag: {told}')
    known[name] = {"path": path}


def parse(documents: Mapping[str, Any]) -> dict[str, Runtime]:
    """The configured runtimes by name. Raises InvalidArgument for what is malformed, or needs containerd."""
    return {name: _runtime(name, document) for name, document in documents.items()}


def _runtime(name: str, document: Any) -> Runtime:
    where = f"runtimes: {name}"
    if not isinstance(document, dict):
        raise InvalidArgument(f"{where}: not a JSON object")
    for key, value in document.items():
        if key not in _FIELDS or not isinstance(value, _FIELDS[key]):
            raise InvalidArgument(f"{where}: {key}: not a field of a runtime, or not of its kind")
    if name == OWN:
        raise InvalidArgument(f"{where}: the name of the built-in runtime is reserved: choose another one")
    kind, path = document.get("runtimeType", ""), document.get("path", "")
    arguments = document.get("runtimeArgs", [])
    if kind and (path or arguments):
        raise InvalidArgument(f"{where}: cannot configure both runtimeType and path/runtimeArgs for the same runtime")
    if kind and kind != _SHIM:
        told = "needs containerd's shim of that name, which this engine does not start"
        raise InvalidArgument(f"{where}: runtimeType {kind} {told}: give the path of an OCI runtime instead")
    if kind:
        return _of_shim(where, document.get("options") or {})
    if "options" in document:
        raise InvalidArgument(f"{where}: options go with runtimeType {_SHIM} only")
    if not path:
        raise InvalidArgument(f"{where}: either a runtimeType or a path must be configured")
    if not all(isinstance(word, str) for word in arguments):
        raise InvalidArgument(f"{where}: runtimeArgs: not a list of words")
    return Runtime(path, tuple(arguments))


def _of_shim(where: str, given: Mapping[str, Any]) -> Runtime:
    """Containerd's own shim runs the OCI runtime that its options name, which is what this engine does itself."""
    unknown = set(given) - {"BinaryName"}
    if unknown or not isinstance(given.get("BinaryName", ""), str):
        raise InvalidArgument(f"{where}: options: only BinaryName, a path, is supported by this engine")
    return Runtime(given.get("BinaryName") or "runc")
