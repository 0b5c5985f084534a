"""The ``mounts`` of a spec, attached in order below a container's root.

A mount is first made detached (fsmount, or a clone of a bind source), given its attributes, and then attached with
move_mount onto the *descriptor* of its destination. No container path is ever handed to the kernel as a string
outside openat2, and a half-made mount is visible nowhere. Sources: OCI runtime spec config.md "mounts", config-linux
"default filesystems"; mount_setattr(2).
"""

from __future__ import annotations

import errno
import os
import stat

from carrack.errors import InvalidArgument
from carrack.linux import mount as words
from carrack.linux.resolve import RESOLVE_NO_SYMLINKS
from carrack.runtime import copyup, inroot, labelling
from carrack.runtime.cgroups import inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Mount

_CLONE_TREE = words.OPEN_TREE_CLONE | words.AT_RECURSIVE
_CLONE_ONE = words.OPEN_TREE_CLONE
#: what may be mounted below /proc: files that tools like lxcfs replace, and nothing that steers the kernel
_BELOW_PROC = frozenset(
    f"/proc/{name}" for name in "cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo".split()
) | {"/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"}


def is_bind(mount: Mount) -> bool:
    """Whether the mount shows an existing tree: by its type, or by an option as mount(8) has it."""
    return mount.get("type") == "bind" or any(word in ("bind", "rbind") for word in mount.get("options", ()))


def is_mapped(mount: Mount) -> bool:
    """Whether the mount is to show other owners than its source has."""
    return bool(mount.get("uidMappings")) or any(word in ("idmap", "ridmap") for word in mount.get("options", ()))


def open_source(kernel: Kernel, mount: Mount) -> int:
    """A detached clone of a bind mount's source, in the mount namespace of the caller."""
    recursive = "rbind" in mount.get("options", ()) or "bind" not in mount.get("options", ())
    source = mount.get("source", "")
    if not source.startswith("/"):
        raise InvalidArgument(f"mount {mount['destination']}: its source {source!r} is not an absolute path")
    try:
        return kernel.open_tree(words.AT_FDCWD, source, _CLONE_TREE if recursive else _CLONE_ONE)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), source) from None


class Mounter:
    """Attaches mounts below one root and remembers what has to be made read-only at the end."""

    def __init__(
        self,
        kernel: Kernel,
        root_fd: int,
        *,
        default_propagation: int,
        cgroup_namespace: bool,
        label: str = "",
    ) -> None:
        self._kernel = kernel
        self._covers: Collection[tuple[int, int]] = ()
        self._root_fd = root_fd
        self._default_propagation = default_propagation
        self._cgroup_namespace = cgroup_namespace
        self._label = label
        self._read_only_later: list[int] = []

    def attach_all(
        self, mounts: Sequence[Mount], source_fds: Mapping[str, int], made: Collection[int] = frozenset()
    ) -> None:
        """Attach each in order; source_fds: index in mounts → detached source tree, which this takes over.

        ``made``: the indexes of those that are there already.
        """
        for index, mount in enumerate(mounts):
            if index in made:
                continue
            try:
                self._attach(mount, source_fds.get(str(index)))
            except OSError as error:
                text = os.strerror(error.errno or 0) if error.strerror is None else error.strerror
                where = f" ({error.filename})" if error.filename and error.filename != mount["destination"] else ""
                message = f"mounting {mount.get('source') or mount.get('type')!r} to {mount['destination']!r}"
                raise OSError(error.errno, f"{message}: {text.lower()}{where}") from error

    def move(self, trees: Mapping[str, int], covers: Collection[tuple[int, int]]) -> None:
        """Attach trees of kernel file systems that are mounted elsewhere in this mount namespace: destination →
        descriptor. ``covers``: (device, inode) of what hides parts of their procfs: nothing is attached there."""
        self._covers = covers
        for destination, tree in trees.items():
            try:
                self._place(tree, destination, is_directory=True, plain=destination != "/dev")
            except OSError as error:
                text = (error.strerror or os.strerror(error.errno or 0)).lower()
                raise OSError(error.errno, f"mounting to {destination!r}: {text}") from error

    def finish(self) -> None:
        """Make read-only what had to stay writable until its inside was made (/dev, the cgroup tmpfs)."""
        for fd in self._read_only_later:
            self._kernel.mount_setattr(fd, "", set_flags=words.MOUNT_ATTR_RDONLY)
            os.close(fd)
        self._read_only_later.clear()

    def _attach(self, mount: Mount, source_fd: int | None) -> None:
        options = words.parse_options(mount.get("options", ()))
        kind = mount.get("type", "")
        if options.flags & words.MS_REMOUNT:
            self._remount(mount, options)
        elif is_bind(mount):
            self._bind(mount, options, source_fd)
        elif kind == "cgroup" or kind == "cgroup2":
            self._cgroup(mount, options)
        else:
            self._filesystem(mount, options)

    def _bind(self, mount: Mount, options: words.MountOptions, source_fd: int | None) -> None:
        if source_fd is None and is_mapped(mount):
            # the kernel makes no user namespace for a process on whose / something is stacked
            raise InvalidArgument(f"mount {mount['destination']}: an id-mapped source must be opened beforehand")
        tree = open_source(self._kernel, mount) if source_fd is None else source_fd
        try:
            recursive = {"set_flags": options.recursive_set, "clear_flags": options.recursive_clear}
            self._own_propagation(tree, options)
            plain = options.flags & ~(words.MS_BIND | words.MS_REC)
            if plain or options.clear:
                cleared = words.attributes(options.clear)
                self._kernel.mount_setattr(
                    tree, "", set_flags=words.attributes(plain), clear_flags=_with_atime(plain, cleared)
                )
            if any(recursive.values()):
                self._kernel.mount_setattr(tree, "", recursive=True, **recursive)
            is_directory = stat.S_ISDIR(os.fstat(tree).st_mode)
            self._place(tree, mount["destination"], is_directory=is_directory)
            self._propagate(tree, options)
        finally:
            os.close(tree)

    def _own_propagation(self, tree: int, options: words.MountOptions) -> None:
        """A clone is in its source's peer group: unless sharing is asked for, leave it before anything is attached."""
        if not any(kind & (words.MS_SHARED | words.MS_SLAVE) for kind in options.propagation):
            self._kernel.mount_setattr(tree, "", propagation=self._default_propagation, recursive=True)

    def _propagate(self, tree: int, options: words.MountOptions) -> None:
        for kind in options.propagation:
            recursive = bool(kind & words.MS_REC)
            self._kernel.mount_setattr(tree, "", propagation=kind & ~words.MS_REC, recursive=recursive)

    def _filesystem(self, mount: Mount, options: words.MountOptions) -> None:
        kind, destination = mount.get("type", ""), inroot.clean(mount["destination"])
        if not kind:
            raise InvalidArgument(f"mount {destination}: it has neither a type nor the option bind")
        attributes = options.attributes
        late = kind == "tmpfs" and destination == "/dev" and attributes & words.MOUNT_ATTR_RDONLY
        if late:
            attributes &= ~words.MOUNT_ATTR_RDONLY
        context: list[tuple[str, str | int | None]] = list(options.context_options)
        context.insert(0, ("source", mount.get("source") or kind))
        context += labelling.options(kind, self._label, context)
        if attributes & words.MOUNT_ATTR_RDONLY:
            context.append(("ro", None))  # the file system too, as mount(2) does: a remount of the mount opens nothing
        fd = self._kernel.new_mount(kind, context, attributes)
        try:
            self._own_propagation(fd, options)
            labelling.label_queues(fd, kind, self._label)
            if options.copy_up:
                self._copy_up(fd, kind, destination)
            # procfs and sysfs steer the kernel: a link here would put them where an attacker wants them
            self._place(fd, destination, is_directory=True, plain=kind in ("proc", "sysfs"))
            self._propagate(fd, options)
            if options.recursive_set or options.recursive_clear:
                flags = {"set_flags": options.recursive_set, "clear_flags": options.recursive_clear}
                self._kernel.mount_setattr(fd, "", recursive=True, **flags)
            if late:
                self._read_only_later.append(os.dup(fd))
        finally:
            os.close(fd)

    def _copy_up(self, fd: int, kind: str, destination: str) -> None:
        if kind != "tmpfs":
            raise InvalidArgument(f"mount {destination}: tmpcopyup is an option of tmpfs, not of {kind}")
        try:
            below = inroot.resolve(self._kernel, self._root_fd, destination, os.O_DIRECTORY)
        except FileNotFoundError:
            return
        try:
            copyup.copy(below, fd)
        finally:
            os.close(below)

    def _cgroup(self, mount: Mount, options: words.MountOptions) -> None:
        """The container's own cgroups: one mount on v2, a tmpfs with one directory per hierarchy on v1."""
        plan = inside.plan(cgroup_namespace=self._cgroup_namespace)
        destination = mount["destination"]
        if plan.unified is not None:
            self._place_and_close(self._cgroup_mount(plan.unified, options.attributes), destination)
            return
        attributes = options.attributes & ~words.MOUNT_ATTR_RDONLY
        context = [("source", "tmpfs"), ("mode", "755"), *labelling.options("tmpfs", self._label)]
        tmpfs = self._kernel.new_mount("tmpfs", context, attributes)
        try:
            self._own_propagation(tmpfs, options)
            self._place(tmpfs, destination, is_directory=True)
            for part in plan.hierarchies:
                self._attach_in(tmpfs, part.name, self._cgroup_mount(part, options.attributes))
                for alias in part.aliases:
                    os.symlink(part.name, alias, dir_fd=tmpfs)
            if options.flags & words.MS_RDONLY:
                self._read_only_later.append(os.dup(tmpfs))
        finally:
            os.close(tmpfs)

    def _cgroup_mount(self, part: inside.Part, attributes: int) -> int:
        if part.bind_source is None:
            return self._kernel.new_mount(part.fstype, [("source", "cgroup"), *part.options], attributes)
        fd = self._kernel.open_tree(words.AT_FDCWD, part.bind_source, _CLONE_ONE)
        self._kernel.mount_setattr(fd, "", set_flags=attributes, propagation=self._default_propagation)
        return fd

    def _attach_in(self, directory: int, name: str, fd: int) -> None:
        """Attach on a new directory of a file system that only we have written to; takes fd over."""
        try:
            os.mkdir(name, 0o755, dir_fd=directory)
            target = self._kernel.openat2(directory, name, os.O_PATH, resolve=RESOLVE_NO_SYMLINKS)
            try:
                self._kernel.move_mount(fd, target)
            finally:
                os.close(target)
        finally:
            os.close(fd)

    def _remount(self, mount: Mount, options: words.MountOptions) -> None:
        fd = inroot.resolve(self._kernel, self._root_fd, mount["destination"])
        try:
            cleared = _with_atime(options.flags, words.attributes(options.clear))
            self._kernel.mount_setattr(fd, "", set_flags=options.attributes, clear_flags=cleared)
        finally:
            os.close(fd)

    def _place_and_close(self, fd: int, destination: str) -> None:
        try:
            self._place(fd, destination, is_directory=True)
        finally:
            os.close(fd)

    def _place(self, fd: int, destination: str, *, is_directory: bool, plain: bool = False) -> None:
        """Attach a detached mount; its mount point is made when missing."""
        destination = inroot.clean(destination)
        self._refuse_procfs(fd, destination)
        if destination == "/":
            raise InvalidArgument("a mount on / would hide the container's own root; set root.path instead")
        make = inroot.make_directories if is_directory else inroot.make_file
        try:
            target = inroot.resolve(self._kernel, self._root_fd, destination, follow=not plain)
        except FileNotFoundError:
            target = make(self._kernel, self._root_fd, destination)
        except OSError as error:
            if not plain:
                raise
            raise OSError(error.errno, "must be mounted on an ordinary directory, not on a link", destination) from None
        try:
            if self._is_in_proc(target) and destination != "/proc" and destination not in _BELOW_PROC:
                raise InvalidArgument(f"{destination!r} cannot be mounted because it leads into a procfs")
            self._move(fd, target, is_directory)
        finally:
            os.close(target)

    def _move(self, fd: int, target: int, is_directory: bool) -> None:
        try:
            self._kernel.move_mount(fd, target)
        except OSError as error:
            if error.errno == errno.EINVAL and stat.S_ISDIR(os.fstat(target).st_mode) != is_directory:
                text = "not a directory: a directory goes on a directory only, and a file on a file"
                raise NotADirectoryError(errno.ENOTDIR, text) from None
            raise

    def _is_in_proc(self, target: int) -> bool:
        if self._covers:
            info = os.fstat(target)
            if (info.st_dev, info.st_ino) in self._covers:
                return True
        return self._kernel.fstatfs_magic(target) == words.PROC_SUPER_MAGIC

    def _refuse_procfs(self, fd: int, destination: str) -> None:
        """Nothing but procfs itself on /proc, nothing inside it that could steer what we or the kernel write there."""
        if destination == "/proc":
            if self._kernel.fstatfs_magic(fd) != words.PROC_SUPER_MAGIC:
                raise InvalidArgument("only a procfs can be mounted on /proc")
        elif destination.startswith("/proc/") and destination not in _BELOW_PROC:
            raise InvalidArgument(f"{destination!r} cannot be mounted because it is inside /proc")


def _with_atime(flags: int, cleared: int) -> int:
    """mount_setattr wants the whole access-time field cleared whenever one of its modes is set."""
    if flags & (words.MS_NOATIME | words.MS_RELATIME | words.MS_STRICTATIME) or cleared & words.MOUNT_ATTR__ATIME:
        return cleared | words.MOUNT_ATTR__ATIME
    return cleared
