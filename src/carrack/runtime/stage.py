"""The part of a container's file systems that most containers share, made before anyone waits for it.

A process that will become a container's first one, and already is in its namespaces, builds /proc, /dev and /sys of a
template (a part of a spec) on a small tmpfs of its own: mounts, devices, masked and read-only paths, by the very code
that makes them for a spec. It keeps each tree, with all that is mounted in it, as one detached mount, and takes the
tmpfs away. When the spec comes and asks for exactly that, the three are attached below its root; if it asks for
anything else, they are let go, and all is made as without them.
"""

from __future__ import annotations

import os

from carrack.errors import CarrackError, InvalidArgument
from carrack.linux import mount as words
from carrack.runtime import devices, inroot, masks, mounts, rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Mount, Spec

#: what is built and moved whole
TREES = ("/proc", "/dev", "/sys")
#: where a spec may mount something of its own in them without changing how the rest comes about
_APART = ("/dev/shm", "/sys/fs/cgroup")
#: what has to be equal in template and spec, besides the mounts
_KEYS = ("devices", "maskedPaths", "readonlyPaths", "rootfsPropagation", "mountLabel")


class Stage:
    """The trees of one template, each detached: destination → descriptor.

    ``covers``: (device, inode) of what hides the masked files of its procfs, which is still no place for a mount.
    """

    def __init__(self, template: Spec, trees: dict[str, int], covers: frozenset[tuple[int, int]]) -> None:
        self._template = template
        self._trees = trees
        self._covers = covers

    def fits(self, spec: Spec) -> frozenset[int]:
        """The indexes of the spec's mounts that the stage has; empty when it cannot be used for this spec."""
        return fits(self._template, spec)

    def add(self, tree: str, fd: int) -> None:
        """Take over a detached tree."""
        self._trees[tree] = fd

    def move(self, mounter: mounts.Mounter) -> None:
        """Attach the trees below the mounter's root; the stage is used up then."""
        try:
            mounter.move(self._trees, self._covers)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of what was not moved."""
        while self._trees:
            os.close(self._trees.popitem()[1])


def fits(template: Spec, spec: Spec) -> frozenset[int]:
    """The indexes of the spec's mounts that a stage of the template has; empty when something else is asked for."""
    wanted, staged = spec.get("mounts", []), template.get("mounts", [])
    ours, theirs = template.get("linux", {}), spec.get("linux", {})
    if any((ours.get(key) or None) != (theirs.get(key) or None) for key in _KEYS):
        return frozenset()
    found = [index for index, mount in enumerate(wanted) if mount in staged]
    if [wanted[index] for index in found] != staged:
        return frozenset()
    if any(mount.get("type") == "cgroup" for mount in staged) and _own_cgroups(spec):
        return frozenset()
    if any(_interferes(mount) for index, mount in enumerate(wanted) if index not in found):
        return frozenset()
    return frozenset(found)


def build(kernel: Kernel, template: Spec) -> Stage | None:
    """Build the trees, in a process that has a mount namespace of its own; nothing stays attached in it.

    None when that is impossible: the start will make them then, and tell what is wrong. Raises OSError when the place
    they were built on cannot be taken away again; the process must not go on then, for a mount that is stacked on /
    would keep the old root from being unmounted.
    """
    rootfs.isolate(kernel, rootfs.propagation(template))
    scratch = kernel.new_mount("tmpfs", [("source", "tmpfs"), ("mode", "755"), ("nr_inodes", "16")])
    try:
        rootfs.attach_on_top(kernel, scratch)
        try:
            _check(template)
            _fill(kernel, scratch, template)
            return _take(kernel, scratch, template)
        except (OSError, CarrackError):
            return None
        finally:
            _take_down(kernel, scratch)
    finally:
        os.close(scratch)


def _fill(kernel: Kernel, root_fd: int, template: Spec) -> None:
    linux = template.get("linux", {})
    kind = words.MS_PRIVATE if rootfs.propagation(template) & words.MS_PRIVATE else words.MS_SLAVE
    mounter = mounts.Mounter(kernel, root_fd, default_propagation=kind, cgroup_namespace=False)
    mounter.attach_all(template.get("mounts", ()), {})
    devices.make_devices(kernel, root_fd, linux.get("devices", ()))
    devices.make_links(kernel, root_fd)
    masks.make_read_only(kernel, root_fd, linux.get("readonlyPaths", ()))
    masks.mask(kernel, root_fd, linux.get("maskedPaths", ()))
    mounter.finish()


def _take(kernel: Kernel, root_fd: int, template: Spec) -> Stage:
    """The trees as detached clones, each with all that is mounted in it."""
    stage = Stage(template, {}, _covers(kernel, root_fd, template.get("linux", {}).get("maskedPaths", ())))
    try:
        for tree in TREES:
            stage.add(tree, kernel.open_tree(root_fd, tree.lstrip("/"), words.OPEN_TREE_CLONE | words.AT_RECURSIVE))
    except BaseException:
        stage.close()
        raise
    return stage


def _take_down(kernel: Kernel, scratch: int) -> None:
    """Unmount by working directory: no path leads to what is stacked on /."""
    os.fchdir(scratch)
    try:
        kernel.umount(".", words.MNT_DETACH)
    finally:
        os.chdir("/")


def _check(template: Spec) -> None:
    linux = template.get("linux", {})
    inside = [mount["destination"] for mount in template.get("mounts", ())]
    inside += [*linux.get("maskedPaths", ()), *linux.get("readonlyPaths", ())]
    inside += [device["path"] for device in linux.get("devices", ())]
    for path in inside:
        if not _below(inroot.clean(path), TREES):
            raise InvalidArgument(f"{path} cannot be made ahead: only what is below {', '.join(TREES)} can")
    roots = [mount["destination"] for mount in template.get("mounts", ()) if mount["destination"] in TREES]
    if sorted(roots) != sorted(TREES):
        raise InvalidArgument(f"a template must mount each of {', '.join(TREES)} once")


def _own_cgroups(spec: Spec) -> bool:
    """Whether a cgroup namespace is still to come, which changes what is mounted."""
    return any(n["type"] == "cgroup" for n in spec.get("linux", {}).get("namespaces", ()))


def _interferes(mount: Mount) -> bool:
    """Whether a mount of the spec's own touches the trees, so that the order of making them would show."""
    destination = inroot.clean(mount["destination"])
    return destination == "/" or (destination not in _APART and _below(destination, TREES))


def _below(path: str, trees: Sequence[str]) -> bool:
    return any(path == tree or path.startswith(tree + "/") for tree in trees)


def _covers(kernel: Kernel, root_fd: int, masked: Sequence[str]) -> frozenset[tuple[int, int]]:
    found = set()
    for path in masked:
        if _below(inroot.clean(path), ("/proc",)):
            try:
                fd = inroot.resolve(kernel, root_fd, path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            info = os.fstat(fd)
            os.close(fd)
            found.add((info.st_dev, info.st_ino))
    return frozenset(found)
