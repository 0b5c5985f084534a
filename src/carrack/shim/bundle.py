"""The bundle that another OCI runtime is given: a config.json, and beside it all that the container mounts.

::

    <run directory>/bundle/         in a mount namespace of the shim's own, which nobody else sees
        config.json                 the spec, with paths in place of our descriptors and numbers in place of names
        rootfs/                     the container's root, mounted here until the container has it
        sources/<index>             what it binds; both below /mnt where the container has a user namespace
        log.json  pid  console.sock  process.json        see external.py

Source: OCI runtime spec, bundle.md and config.md.
"""

from __future__ import annotations

import json
import os
import stat

from carrack.linux import namespaces as ns
from carrack.linux.mount import AT_FDCWD, MNT_DETACH, MS_PRIVATE, MS_REC, MS_SLAVE, UMOUNT_NOFOLLOW, read_mountinfo
from carrack.runtime import inroot, process, users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Process, Spec

_CGROUPS = "/sys/fs/cgroup"
#: covered in our mount namespace, for who may not come to the run directory
_OPEN = "/mnt"
#: older runtimes take no later one, and none needs to be told one for the later fields that it knows
_OCI_VERSION = "1.0.2"


class Bundle:
    """One container's. ``paths``: namespaces that exist already, type to path; the other ones of the spec are new."""

    def __init__(self, kernel: Kernel, directory: str, paths: dict[str, str]) -> None:
        self._kernel = kernel
        self._directory = f"{directory}/bundle"
        self._paths = paths
        self._place = _OPEN if "user" in paths else self._directory

    def make(self, plan: dict[str, Any]) -> None:
        """All of it, from a runtime's InitPlan whose descriptors are ours. Raises OSError, CarrackError."""
        withdraw(self._kernel)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if self._place == _OPEN:
            self._open_up()
        for name in ("sources", "rootfs"):
            os.makedirs(f"{self._place}/{name}", mode=0o711, exist_ok=True)
        root, spec = plan["rootfs_fd"], plan["spec"]
        program = self.complete(spec["process"], plan, root, create=True)
        self._kernel.move_mount(root, AT_FDCWD, f"{self._place}/rootfs")
        sources = {int(index): self._mount(index, fd) for index, fd in plan.get("source_fds", {}).items()}
        with open(f"{self._directory}/config.json", "w") as file:
            json.dump({**config(spec, f"{self._place}/rootfs", sources, self._paths), "process": program}, file)

    def clear(self) -> None:
        """The container has it all; nothing here keeps its file systems busy. Runtimes want the directories still.

        A bind that is shared with the host would take what is mounted below it along there, so it is private first.
        """
        mounted = [f"{self._place}/rootfs", *(f"{self._place}/sources/{name}" for name in _names(self._place))]
        for path in mounted:
            try:
                self._kernel.mount(None, path, None, MS_REC | MS_PRIVATE)
                self._kernel.umount(path, MNT_DETACH | UMOUNT_NOFOLLOW)
            except OSError:  # it did not come so far
                pass

    def complete(self, words: Process, plan: dict[str, Any], root: int, create: bool = False) -> Process:
        """A process with numbers for its user, by the files below ``root``, and nothing that we may not give.

        ``create``: make its working directory where it is missing. Raises NotFound for a user there is not.
        """
        procfs = inroot.Procfs(self._kernel)
        try:
            accounts = users.read_accounts(self._kernel, procfs, root)
            found = users.identify(plan.get("user") or "", plan.get("groups", ()), accounts)
            mask = process.permitted_mask(procfs)
        finally:
            procfs.close()
        if create and plan.get("working_directory_create"):
            _make_directory(self._kernel, root, words.get("cwd") or "/")
        variables = process.environment(words, found.home)
        result: Process = {
            **words,
            "user": {"uid": found.uid, "gid": found.gid, "additionalGids": found.groups},
            "env": [f"{name}={value}" for name, value in variables.items()],
            "capabilities": process.allowed_capabilities(words.get("capabilities", {}), mask),
        }
        if process.Unasked.oom_score_adj is not None:
            result.setdefault("oomScoreAdj", process.Unasked.oom_score_adj)
        return result

    def _open_up(self) -> None:
        """Who is root of a user namespace only may pass no directory of ours: what it mounts goes where anybody may."""
        fd = self._kernel.new_mount("tmpfs", [("size", "1m"), ("mode", "711")])
        try:
            self._kernel.move_mount(fd, AT_FDCWD, _OPEN)
        finally:
            os.close(fd)

    def _mount(self, index: str, fd: int) -> str:
        """Mount a bind's source where the runtime finds it."""
        path = f"{self._place}/sources/{index}"
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.makedirs(path, exist_ok=True)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._kernel.move_mount(fd, AT_FDCWD, path)
        return path


def config(spec: Spec, root: str, sources: dict[int, str], paths: dict[str, str]) -> dict[str, Any]:
    """The spec for another program: root and binds by path, and namespaces that are there by theirs."""
    linux: dict[str, Any] = dict(spec.get("linux", {}))
    new = [each for each in linux.get("namespaces", ()) if each["type"] not in paths]
    linux["namespaces"] = [*new, *({"type": kind, "path": path} for kind, path in paths.items())]
    mounts = [
        {**mount, "source": sources[index]} if index in sources else mount
        for index, mount in enumerate(spec.get("mounts", ()))
    ]
    place = {**spec.get("root", {}), "path": root}
    return {**spec, "ociVersion": _OCI_VERSION, "root": place, "mounts": mounts, "linux": linux}


def _names(place: str) -> list[str]:
    try:
        return os.listdir(f"{place}/sources")
    except FileNotFoundError:  # it did not come so far
        return []


def withdraw(kernel: Kernel) -> None:
    """Go into a mount namespace of our own, and leave what crun calls a hybrid: version 2 beside 1 is out of sight.

    Some runtimes refuse a machine on which both have controllers; what we do is all in version 1 there.
    """
    kernel.unshare(ns.CLONE_NEWNS)
    kernel.mount(None, "/", None, MS_REC | MS_SLAVE)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = read_mountinfo(file.read())
    for mount in mounts:
        if mount.fstype == "cgroup2" and mount.mount_point.startswith(_CGROUPS + "/"):
            kernel.umount(mount.mount_point, MNT_DETACH | UMOUNT_NOFOLLOW)


def _make_directory(kernel: Kernel, root: int, path: str) -> None:
    try:
        os.close(inroot.make_directories(kernel, root, path))
    except OSError:  # a read-only root, a file in the way: the runtime tells it
        pass
