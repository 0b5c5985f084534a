"""Resolves what a user asked to mount (binds, mounts, volumes, tmpfs, volumes-from) into mount points.

A mount point is what `inspect` shows under ``Mounts``; from it come the mounts of the runtime spec (`specs`). Tmpfs
mounts given by ``--tmpfs`` are, as with Docker, not mount points: they are read from the host config at each start.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.engine.volumes import checks
from carrack.engine.volumes.checks import target_of
from carrack.engine.volumes.volume import LOCAL
from carrack.errors import InvalidArgument, NotFound
from carrack.model.container import Document, MountPoint
from carrack.model.mounts import parse_volume

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container
    from carrack.engine.images.image import Image
    from carrack.engine.volumes.store import VolumeStore
    from carrack.engine.volumes.volume import Volume


@dataclass(slots=True)
class Means:
    """What resolving needs, and what it leaves.

    ``find`` gives a container by name, ``image`` an image. ``claim`` is the container that is being made: its volumes
    cannot be removed until it has been recorded. Names of anonymous volumes go to ``made`` as they are made, for the
    caller's undo; the points that are to be filled from the image to ``fresh``.
    """

    volumes: VolumeStore
    find: Callable[[str], Container]
    image: Callable[[str], Awaitable[Image]]
    claim: str = ""
    made: list[str] = field(default_factory=list)
    fresh: list[MountPoint] = field(default_factory=list)


async def resolve(config: Document, host: Document, means: Means) -> list[MountPoint]:
    """All mount points in order.

    Binds' missing sources are made here, as Docker does. Raises InvalidArgument on bad or duplicate targets.
    """
    points: dict[str, MountPoint] = {}
    for reference in host["VolumesFrom"] or []:
        for point in _from(reference, means.find):
            points[point["Destination"]] = point
    tmpfs = {target_of(target) for target in host["Tmpfs"] or {}}
    explicit: set[str] = set(tmpfs)
    for text in host["Binds"] or []:
        point, copy = await _bind(text, host, means)
        _claim(explicit, point["Destination"])
        _put(points, point, copy, means)
    for mount in host["Mounts"] or []:
        checks.check_mount(mount)
        point, copy = await _mount(mount, means)
        _claim(explicit, point["Destination"], mount["Target"])
        _put(points, point, copy, means)
    for target in config["Volumes"] or {}:
        target = target_of(target)
        if target not in points and target not in tmpfs:
            volume = await _volume("", means, host["VolumeDriver"])
            _put(points, _volume_point(volume, target, means, "", True), True, means)
    return list(points.values())


def _put(points: dict[str, MountPoint], point: MountPoint, copy: bool, means: Means) -> None:
    points[point["Destination"]] = point
    if copy:
        means.fresh.append(point)


def _claim(taken: set[str], target: str, told: str = "") -> None:
    if target in taken:
        raise InvalidArgument(f"Duplicate mount point: {told or target}")
    taken.add(target)


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
        words_of = point["Mode"].split(",")  # labels are the other's
        copy["Mode"] = ",".join(word for word in words_of if word not in ("z", "Z"))
        result.append(copy)
    return result


async def _bind(text: str, host: Document, means: Means) -> tuple[MountPoint, bool]:
    wanted = parse_volume(text)
    target = target_of(wanted.target)
    mode = ",".join(wanted.mode)
    told = f"invalid volume specification: '{text}': invalid mount config for type"
    if wanted.is_bind:
        assert wanted.source is not None
        if not wanted.copy_up:
            raise InvalidArgument(f'{told} "bind": field VolumeOptions must not be specified')
        source = os.path.normpath(wanted.source)
        _make_source(source, means)
        point: MountPoint = {"Type": "bind", "Source": source, "Destination": target, "Mode": mode,
                             "RW": not wanted.read_only, "Propagation": wanted.propagation or "rprivate"}  # fmt: skip
        return point, False
    if wanted.propagation:
        raise InvalidArgument(f'{told} "volume": field BindOptions must not be specified')
    volume = await _volume(wanted.source or "", means, host["VolumeDriver"])
    return _volume_point(volume, target, means, mode or "z", not wanted.read_only), wanted.copy_up


def _make_source(path: str, means: Means) -> None:
    owner = means.volumes.drivers.local.owner
    try:
        missing = owner != (0, 0) and not os.path.lexists(path)
        os.makedirs(path, exist_ok=True)
        if missing:
            os.chown(path, *owner, follow_symlinks=False)
    except FileExistsError:
        return  # a file, a socket, a device: bound as it is
    except OSError as error:
        raise InvalidArgument(f"error while creating mount source path '{path}': {error.strerror}") from error


async def _volume(
    name: str,
    means: Means,
    driver: str = "",
    options: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> Volume:
    try:
        volume = await means.volumes.create(name, driver, options, labels, claim=means.claim)
    except NotFound as error:
        raise InvalidArgument(str(error)) from error  # a 404 would send the docker command to a registry
    if not name:
        means.made.append(volume.name)
    return volume


def _volume_point(volume: Volume, target: str, means: Means, mode: str, writable: bool) -> MountPoint:
    local = volume.driver == LOCAL
    if local and "idmap" in mode.split(","):
        means.volumes.drivers.local.disown(volume.name)
    return {
        "Type": "volume",
        "Name": volume.name,
        "Source": str(means.volumes.path(volume.name)) if local else "",
        "Destination": target,
        "Driver": volume.driver,
        "Mode": mode if local or mode != "z" else "",
        "RW": writable,
        "Propagation": "",
    }


async def _mount(mount: Document, means: Means) -> tuple[MountPoint, bool]:
    target = target_of(mount["Target"], mount["Type"])
    if mount["Type"] == "bind":
        return _mount_bind(mount, target, means), False
    if mount["Type"] == "tmpfs":
        return {"Type": "tmpfs", "Source": "", "Destination": target, "Mode": "", "RW": not mount["ReadOnly"],
                "Propagation": "", "Options": checks.tmpfs_options(mount)}, False  # fmt: skip
    if mount["Type"] == "image":
        return await _mount_image(mount, target, means), False
    options = mount["VolumeOptions"] or {"NoCopy": False, "Labels": None, "DriverConfig": None, "Subpath": ""}
    driver = options["DriverConfig"] or {"Name": "", "Options": None}
    volume = await _volume(mount["Source"], means, driver["Name"], driver["Options"], options["Labels"])
    point = _volume_point(volume, target, means, mount.get("IdMap") or "z", not mount["ReadOnly"])
    if options["Subpath"]:
        point["Subpath"] = options["Subpath"]
    return point, not options["NoCopy"]


def _mount_bind(mount: Document, target: str, means: Means) -> MountPoint:
    source, options = mount["Source"], mount["BindOptions"] or {}
    if not source.startswith("/"):
        raise checks.bad("bind", f"invalid mount path: '{source}' mount path must be absolute")
    if not os.path.exists(source):
        if not options.get("CreateMountpoint"):
            raise checks.bad("bind", f"bind source path does not exist: {source}")
        _make_source(source, means)
    named = {"nonrecursive": "NonRecursive", "ro-nonrecursive": "ReadOnlyNonRecursive",
             "ro-recursive": "ReadOnlyForceRecursive"}  # fmt: skip
    words = [word for word, option in named.items() if options.get(option)]
    words += [mount["IdMap"]] if mount.get("IdMap") else []
    return {"Type": "bind", "Source": os.path.normpath(source), "Destination": target, "Mode": ",".join(words),
            "RW": not mount["ReadOnly"], "Propagation": options.get("Propagation") or "rprivate"}  # fmt: skip


async def _mount_image(mount: Document, target: str, means: Means) -> MountPoint:
    try:
        image = await means.image(mount["Source"])
    except NotFound as error:
        raise InvalidArgument(str(error)) from error  # a 404 would send the docker command to a registry
    point: MountPoint = {
        "Type": "image",
        "Name": mount["Source"],
        "Source": "",
        "Destination": target,
        "Mode": "",
        "RW": False,
        "Propagation": "rprivate",
        "Image": image.id,
        "Layers": list(image.diff_ids),
    }
    if subpath := (mount["ImageOptions"] or {}).get("Subpath"):
        point["Subpath"] = subpath
    return point
