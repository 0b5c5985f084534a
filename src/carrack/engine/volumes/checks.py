"""What of a mount request cannot be, in Docker's words. Nothing of the host is looked at."""

from __future__ import annotations

import os
import posixpath

from carrack.errors import InvalidArgument
from carrack.model.container import Document
from carrack.model.idmap import parse_idmap

PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
CONSISTENCY = ("", "default", "consistent", "cached", "delegated")
_KINDS = ("bind", "volume", "tmpfs", "image")


def bad(kind: str, reason: str) -> InvalidArgument:
    """The refusal of a mount of this type."""
    return InvalidArgument(f'invalid mount config for type "{kind}": {reason}')


def target_of(path: str, kind: str = "") -> str:
    """A destination, clean and absolute. Raises InvalidArgument for one that is neither, or the root."""
    told = f'invalid mount config for type "{kind}": ' if kind else ""
    if not path.startswith("/"):
        raise InvalidArgument(f"{told}invalid mount path: '{path}' mount path must be absolute")
    clean = "/" + os.path.normpath(path).lstrip("/")
    if clean == "/":
        raise InvalidArgument(f"{told}invalid specification: destination can't be '/'")
    return clean


def check_mount(mount: Document) -> None:
    """Refuse what does not belong to a mount's type: an option that does nothing would be a lie."""
    kind = mount["Type"]
    if kind not in _KINDS:
        raise bad(kind, "mount type unknown")
    for name, owner in (("BindOptions", "bind"), ("VolumeOptions", "volume"), ("TmpfsOptions", "tmpfs")):
        if mount[name] is not None and kind != owner:
            raise InvalidArgument(f'{name} must not be specified on mount type "{kind}"')
    if mount["ImageOptions"] is not None and kind != "image":
        raise bad(kind, "field ImageOptions must not be specified")
    if not mount["Target"]:
        raise bad(kind, "field Target must not be empty")
    if kind in ("bind", "image") and not mount["Source"]:
        raise bad(kind, "field Source must not be empty")
    if kind == "tmpfs" and mount["Source"]:
        raise bad(kind, "field Source must not be specified")
    if mount["Consistency"] not in CONSISTENCY:
        raise bad(kind, f"invalid consistency: {mount['Consistency']}")
    if mount.get("IdMap"):
        if kind not in ("bind", "volume"):
            raise bad(kind, "IdMap is for binds and volumes only")
        parse_idmap(mount["IdMap"])
    _check_volume(mount, kind)
    _check_bind(mount, mount["BindOptions"] or {})


def _check_volume(mount: Document, kind: str) -> None:
    subpath = (mount["VolumeOptions"] or mount["ImageOptions"] or {}).get("Subpath")
    if kind == "volume" and not mount["Source"]:
        if subpath:
            raise bad(kind, "must not set Subpath when using anonymous volumes")
        if mount["ReadOnly"]:
            raise bad(kind, "must not set ReadOnly mode when using anonymous volumes")
    if subpath and (subpath.startswith("/") or posixpath.normpath(subpath).split("/")[0] == ".."):
        raise bad(kind, "subpath must be a relative path within the volume")


def _check_bind(mount: Document, options: Document) -> None:
    propagation = options.get("Propagation")
    if propagation and propagation not in PROPAGATION:
        raise bad(mount["Type"], f"invalid propagation mode: {propagation}")
    for name in ("ReadOnlyNonRecursive", "ReadOnlyForceRecursive"):
        if options.get(name) and not mount["ReadOnly"]:
            raise InvalidArgument(f"mount options conflict: !ReadOnly && BindOptions.{name}")
    if options.get("ReadOnlyNonRecursive") and options.get("ReadOnlyForceRecursive"):
        raise InvalidArgument("mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive")


def tmpfs_options(mount: Document) -> list[str]:
    """The mount options of a tmpfs given by ``Mounts``. Raises InvalidArgument for those that are none."""
    options = []
    wanted = mount["TmpfsOptions"] or {"SizeBytes": 0, "Mode": 0, "Options": None}
    if wanted["SizeBytes"] < 0:
        raise bad("tmpfs", "size must not be negative")
    if wanted["SizeBytes"]:
        options.append(f"size={wanted['SizeBytes']}")
    if wanted["Mode"]:
        options.append(f"mode={wanted['Mode']:o}")
    for pair in wanted["Options"] or []:
        if len(pair) not in (1, 2):
            raise bad("tmpfs", "invalid option array length")
        if pair not in (["exec"], ["noexec"]):
            raise bad("tmpfs", f"invalid option: {pair[0]}")
        options += pair
    if mount["ReadOnly"]:
        options.append("ro")
    return options
