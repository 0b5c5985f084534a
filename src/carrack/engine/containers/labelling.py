"""SELinux labels of what a container is given of the host's: volumes, binds with ``z`` or ``Z``, its name files.

``Z`` makes files the container's own: no other may have them. ``z`` shares them with all containers, as new volumes are
shared that nothing was said of. What is the system's own is refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carrack.engine.containers.name_files import FILES
from carrack.engine.selinux import shared, type_of
from carrack.engine.volumes.volume import LOCAL
from carrack.errors import InvalidArgument
from carrack.linux import selinux

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.engine.containers.record import Container
    from carrack.model.container import MountPoint
    from carrack.oci.runtime_spec import Mount


def apply(c: Container, mounts: Sequence[Mount]) -> None:
    """Label what the spec's mounts show, before they are opened (blocking).

    Raises InvalidArgument for what must not, or cannot, be labelled.
    """
    if not c.mount_label:
        return
    points = {point["Destination"]: point for point in c.mounts}
    for mount in mounts:
        if mount.get("type") != "bind":
            continue
        label = _label(c, points.get(mount["destination"]), mount)
        if label:
            _relabel(mount["source"], label)


def _label(c: Container, point: MountPoint | None, mount: Mount) -> str:
    """The label that a mount's source is to have; nothing when it is left as it is."""
    if point is None:  # the engine's own
        joined = c.host_config["NetworkMode"].startswith("container:")
        named = mount["destination"] in FILES
        return (shared(c.mount_label) if joined else c.mount_label) if named else ""
    words = point["Mode"].split(",")
    if "Z" in words:
        return c.mount_label
    return shared(c.mount_label) if "z" in words or _is_fresh(c, point, mount) else ""


def _is_fresh(c: Container, point: MountPoint, mount: Mount) -> bool:
    """Whether it is a directory of ours that no container has had yet."""
    if point["Type"] != "volume" or point["Driver"] != LOCAL or mount["source"] != point["Source"]:
        return False
    return type_of(selinux.label_of(mount["source"])) != type_of(c.mount_label)


def _relabel(source: str, label: str) -> None:
    told, path = f"error setting label on mount source '{source}'", os.path.realpath(source)
    if selinux.is_kept(path):
        raise InvalidArgument(f"{told}: SELinux relabeling of {path} is not allowed")
    try:
        selinux.relabel(path, label)
    except FileNotFoundError:
        return  # who opens it will tell
    except OSError as error:
        raise InvalidArgument(f"{told}: {(error.strerror or '').lower()}") from error
