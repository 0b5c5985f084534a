"""Open the sources of a spec's bind mounts while the host's mount namespace is still ours.

A container in a user namespace may not be able to reach them by path, and a mount made on the host after the
container's process was cloned would not be seen.
"""

from __future__ import annotations

import os

from carrack.runtime import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Spec


def open_sources(kernel: Kernel, spec: Spec) -> dict[int, int]:
    """Index in spec["mounts"] → descriptor of a detached clone, for each bind mount; the caller's to close.

    OSError names the source that cannot be opened; nothing stays open then.
    """
    opened: dict[int, int] = {}
    try:
        for index, mount in enumerate(spec.get("mounts", ())):
            if mounts.is_bind(mount) and "remount" not in mount.get("options", ()):
                opened[index] = mounts.open_source(kernel, mount)
    except BaseException:
        for fd in opened.values():
            os.close(fd)
        raise
    return opened
