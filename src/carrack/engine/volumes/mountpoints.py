"""Resolves what a user asked to mount (binds, mounts, volumes, tmpfs, volumes-from) into mount points.

A mount point is what `inspect` shows under ``Mounts``; from it come the mounts of the runtime spec. Tmpfs mounts
given by ``--tmpfs`` are, as with Docker, not mount points: they are read from the host config at each start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument, NotFound, NotSupported
from carrack.model.container import Document, MountPoint
from carrack.model.mounts import parse_volume
from carrack.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container
    from carrack.engine.volumes.store import VolumeStore


SELINUX = "/sys/fs/selinux/enforce"
_TMPFS_VALUES = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")
_TMPFS_FLAGS = frozenset(
    """defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime
    nodiratime relatime norelatime strictatime nostrictatime bind rbind private rprivate shared rshared slave rslave
    unbindable runbindable""".split()
)
PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")


async def resolve(
    config: Document, host: Document, volumes: VolumeStore, find: Callable[[str], Container], made: list[str]
) -> tuple[list[MountPoint], list[MountPoint]]:
    """All mount points in order, and those of them that are to be filled from the image.

    Names of anonymous volumes go to ``made`` as they are made, for the caller's undo. Binds' missing sources are made
    here, as Docker does. Raises InvalidArgument on bad or duplicate targets.
    """
    points: dict[str, MountPoint] = {}
    fresh: list[MountPoint] = []
    for reference in host["VolumesFrom"] or []:
        for point in _from(reference, find):
            points[point["Destination"]] = point
    tmpfs = {_target(target) for target in host["Tmpfs"] or {}}
    explicit: set[str] = set(tmpfs)
    for text in host["Binds"] or []:
        point, copy = await _bind(text, host, volumes, made)
        _claim(explicit, point["Destination"])
        points[point["Destination"]] = point
        if copy:
            fresh.append(point)
    for mount in host["Mounts"] or []:
        _check_mount(mount)
        point, copy = await _mount(mount, volumes, made)
        _claim(explicit, point["Destination"])
        points[point["Destination"]] = point
        if copy:
            fresh.append(point)
    for target in config["Volumes"] or {}:
        target = _target(target)
        if target not in points and target not in tmpfs:
            made.append((await volumes.create()).name)
            point = _volume_point(made[-1], target, volumes, "", True)
            points[target] = point
            fresh.append(point)
    return list(points.values()), fresh


def _claim(taken: set[str], target: str) -> None:
    if target in taken:
        raise InvalidArgument(f"Duplicate mount point: {target}")
    taken.add(target)


def _target(path: str, kind: str = "") -> str:
    told = f'invalid mount config for type "{kind}": ' if kind else ""
    if not path.startswith("/"):
        raise InvalidArgument(f"{told}invalid mount path: '{path}' mount path must be absolute")
    clean = "/" + os.path.normpath(path).lstrip("/")
    if clean == "/":
        raise InvalidArgument(f"{told}invalid specification: destination can't be '/'")
    return clean


def _from(reference: str, find: Callable[[str], Container]) -> list[MountPoint]:
    if not reference:
        raise InvalidArgument("volumes-from specification cannot be an empty string")
    name, _, mode = reference.partition(":")
    words = mode.split(",") if mode else []
    if set(words) - {"ro", "rw", "z", "Z"} or {"ro", "rw"} <= set(words):
        raise InvalidArgument(f"invalid mode: {mode}")
    try:
        other = find(name)
    except NotFound as error:
        raise InvalidArgument(str(error)) from error  # a 404 would send the docker command to a registry
    result = []
    for point in other.mounts:
        copy: MountPoint = {**point}
        copy["RW"] = point["RW"] and "ro" not in words
        result.append(copy)
    return result


async def _bind(text: str, host: Document, volumes: VolumeStore, made: list[str]) -> tuple[MountPoint, bool]:
    wanted = parse_volume(text)
    target = _target(wanted.target)
    mode = ",".join(wanted.mode)
    if {"z", "Z"} & set(wanted.mode) and os.path.exists(SELINUX):
        raise NotSupported(f"mode {mode!r} of {text!r}: giving files another SELinux label is not built: leave z out")
    if wanted.is_bind:
        assert wanted.source is not None
        if not wanted.copy_up:
            raise InvalidArgument(f"invalid volume specification: '{text}': nocopy is for volumes, not for binds")
        source = os.path.normpath(wanted.source)
        _make_source(source)
        point: MountPoint = {"Type": "bind", "Source": source, "Destination": target, "Mode": mode,
                             "RW": not wanted.read_only, "Propagation": wanted.propagation or "rprivate"}  # fmt: skip
        return point, False
    if wanted.propagation:
        raise InvalidArgument(f"invalid volume specification: '{text}': propagation is for binds, not for volumes")
    volume = await volumes.create(wanted.source or "", host["VolumeDriver"])
    if not wanted.source:
        made.append(volume.name)
    return _volume_point(volume.name, target, volumes, mode or "z", not wanted.read_only), wanted.copy_up


def _make_source(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        return  # a file, a socket, a device: bound as it is
    except OSError as error:
        raise InvalidArgument(f"error while creating mount source path '{path}': {error.strerror}") from error


def _volume_point(name: str, target: str, volumes: VolumeStore, mode: str, writable: bool) -> MountPoint:
    return {
        "Type": "volume",
        "Name": name,
        "Source": str(volumes.path(name)),
        "Destination": target,
        "Driver": "local",
        "Mode": mode,
        "RW": writable,
        "Propagation": "",
    }


def _check_mount(mount: Document) -> None:
    """Refuse what does not belong to a mount's type: an option that does nothing would be a lie."""
    kind = mount["Type"]
    if kind not in ("bind", "volume", "tmpfs", "image", "npipe", "cluster"):
        raise _bad(kind, "mount type unknown")
    for name, owner in (("BindOptions", "bind"), ("VolumeOptions", "volume"), ("TmpfsOptions", "tmpfs")):
        if mount[name] is not None and kind != owner:
            raise InvalidArgument(f'{name} must not be specified on mount type "{kind}"')
    if not mount["Target"]:
        raise _bad(kind, "field Target must not be empty")
    if kind == "bind" and not mount["Source"]:
        raise _bad(kind, "field Source must not be empty")
    if kind == "tmpfs" and mount["Source"]:
        raise _bad(kind, "field Source must not be specified")
    if kind == "volume" and mount["ReadOnly"] and not mount["Source"]:
        raise _bad(kind, "must not set ReadOnly mode when using anonymous volumes")
    if mount["Consistency"] not in ("", "default", "consistent", "cached", "delegated"):
        raise _bad(kind, f"invalid consistency: {mount['Consistency']}")
    propagation = (mount["BindOptions"] or {}).get("Propagation")
    if propagation and propagation not in PROPAGATION:
        raise _bad(kind, f"invalid propagation mode: {propagation}")


def _bad(kind: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f'invalid mount config for type "{kind}": {reason}')


async def _mount(mount: Document, volumes: VolumeStore, made: list[str]) -> tuple[MountPoint, bool]:
    target = _target(mount["Target"], mount["Type"])
    if mount["Type"] == "bind":
        return _mount_bind(mount, target), False
    if mount["Type"] == "tmpfs":
        _tmpfs_options(mount)
        return {"Type": "tmpfs", "Source": "", "Destination": target, "Mode": "",
                "RW": not mount["ReadOnly"], "Propagation": ""}, False  # fmt: skip
    if mount["Type"] != "volume":
        raise NotSupported(f"mount type {mount['Type']!r} is not supported by this version of Carrack")
    options = mount["VolumeOptions"] or {"NoCopy": False, "Labels": None, "DriverConfig": None}
    driver = options["DriverConfig"] or {"Name": "", "Options": None}
    volume = await volumes.create(mount["Source"], driver["Name"], driver["Options"], options["Labels"])
    if not mount["Source"]:
        made.append(volume.name)
    point = _volume_point(volume.name, target, volumes, "z", not mount["ReadOnly"])
    return point, not options["NoCopy"]


def _mount_bind(mount: Document, target: str) -> MountPoint:
    source, options = mount["Source"], mount["BindOptions"] or {}
    if not source.startswith("/"):
        raise InvalidArgument(
            f"invalid mount config for type \"bind\": invalid mount path: '{source}' mount path must be absolute"
        )
    if not os.path.exists(source):
        if not options.get("CreateMountpoint"):
            raise InvalidArgument(f'invalid mount config for type "bind": bind source path does not exist: {source}')
        _make_source(source)
    if options.get("ReadOnlyForceRecursive") and not mount["ReadOnly"]:
        raise InvalidArgument('invalid mount config for type "bind": ReadOnlyForceRecursive needs ReadOnly')
    named = {"nonrecursive": "NonRecursive", "ro-nonrecursive": "ReadOnlyNonRecursive",
             "ro-recursive": "ReadOnlyForceRecursive"}  # fmt: skip
    words = [word for word, option in named.items() if options.get(option)]
    return {"Type": "bind", "Source": os.path.normpath(source), "Destination": target, "Mode": ",".join(words),
            "RW": not mount["ReadOnly"], "Propagation": options.get("Propagation") or "rprivate"}  # fmt: skip


def spec_mounts(c: Container) -> list[Mount]:
    """The runtime spec's mounts of a container's mount points and tmpfs requests."""
    result: list[Mount] = []
    tmpfs = {_target(mount["Target"]): mount for mount in c.host_config["Mounts"] or [] if mount["Type"] == "tmpfs"}
    for point in c.mounts:
        if point["Type"] == "tmpfs":
            own = tmpfs.get(point["Destination"])  # none when it comes from another container
            options = _tmpfs_options(own) if own else ([] if point["RW"] else ["ro"])
            result.append(_tmpfs(point["Destination"], options))
            continue
        words = point["Mode"].split(",")
        options = ["bind" if "nonrecursive" in words else "rbind", point["Propagation"] or "rprivate"]
        if not point["RW"]:
            options.append("ro" if point["Type"] == "volume" or "ro-nonrecursive" in words else "rro")
        result.append(
            {"destination": point["Destination"], "type": "bind", "source": point["Source"], "options": options}
        )
    for target, text in (c.host_config["Tmpfs"] or {}).items():
        words = [word for word in text.split(",") if word]
        for word in words:
            if word not in _TMPFS_FLAGS and word.partition("=")[0] not in _TMPFS_VALUES:
                raise InvalidArgument(f'invalid tmpfs option "{word}"')
        result.append(_tmpfs(_target(target), words))
    return result


def _tmpfs(target: str, options: list[str]) -> Mount:
    return {
        "destination": target,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["noexec", "nosuid", "nodev", *options],
    }


def _tmpfs_options(mount: Document) -> list[str]:
    options = []
    wanted = mount["TmpfsOptions"] or {"SizeBytes": 0, "Mode": 0, "Options": None}
    if wanted["SizeBytes"] < 0:
        raise InvalidArgument('invalid mount config for type "tmpfs": size must not be negative')
    if wanted["SizeBytes"]:
        options.append(f"size={wanted['SizeBytes']}")
    if wanted["Mode"]:
        options.append(f"mode={wanted['Mode']:o}")
    for pair in wanted["Options"] or []:
        if pair not in (["exec"], ["noexec"]):
            word = pair[0] if pair else ""
            raise InvalidArgument(f'invalid mount config for type "tmpfs": invalid option: {word}')
        options += pair
    if mount["ReadOnly"]:
        options.append("ro")
    return options
