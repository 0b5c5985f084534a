"""The local driver: directories below the data root, and what is mounted on them by ``type``, ``o`` and ``device``.

On disk, below the data root::

    volumes/             0701 root
      <name>/_data       what containers see; with options, the mount point of what they ask for

What is mounted is mounted in the host's mount namespace, at first use, and taken away after the last one. The option
words are mount(8)'s; the texts of refusals are Docker's.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import re
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from carrack.engine.volumes.volume import LOCAL, About, Volume
from carrack.errors import Conflict, Internal, InvalidArgument
from carrack.linux import mount as words
from carrack.linux.syscalls import LINUX
from carrack.model.units import parse_bytes
from carrack.storage.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carrack.linux.kernel import MountKernel

_NEEDED = {"device": ("type",), "type": ("device",), "o": ("device", "type")}
_NETWORK = ("nfs", "cifs")
_MOST_LAYERS = 64
_DELETED = ".deleted-"  # no volume's name begins so


class LocalDriver:
    """Keeps volumes below ``root``."""

    scope = LOCAL

    def __init__(self, root: Path, kernel: MountKernel = LINUX, mountinfo: str = "/proc/self/mountinfo") -> None:
        self._root = root
        self._kernel = kernel
        self._mountinfo = mountinfo
        self.owner = (0, 0)  # of new volumes: whom the root of containers is on the host

    def path(self, name: str) -> Path:
        """The directory that containers see."""
        return self._root / name / "_data"

    def prepare(self) -> None:
        """Make the root; directories without a record are left for the user to judge."""
        self._root.mkdir(mode=0o701, parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what a crash kept from being removed (blocking)."""
        for name in os.listdir(self._root):
            if name.startswith(_DELETED):
                remove_tree(self._root / name)

    async def create(self, name: str, options: dict[str, str]) -> None:
        """See Driver."""
        check_options(options)
        made = not (self._root / name).exists()
        try:
            await asyncio.to_thread(self.path(name).mkdir, parents=True, exist_ok=True)
            if made and self.owner != (0, 0):
                os.chown(self.path(name), *self.owner)
        except BaseException:
            if made:
                await asyncio.shield(asyncio.to_thread(self._delete, name))
            raise

    def disown(self, name: str) -> None:
        """Make an empty volume the host's root's that was made for the root of remapped containers: it is to be mounted
        with mapped ids, which show that one as theirs."""
        path = self.path(name)
        found = os.stat(path)
        if self.owner != (0, 0) and (found.st_uid, found.st_gid) == self.owner and not os.listdir(path):
            os.chown(path, 0, 0)

    async def remove(self, volume: Volume) -> None:
        """See Driver."""
        await asyncio.to_thread(self._delete, volume.name)

    def needs_mount(self, volume: Volume) -> bool:
        """See Driver."""
        options = volume.options or {}
        return bool(options.get("device") or options.get("type"))

    async def mount(self, volume: Volume, holder: str) -> str:
        """See Driver."""
        path = str(self.path(volume.name))
        if self.needs_mount(volume) and not await asyncio.to_thread(self._is_mounted, volume.name):
            await asyncio.to_thread(self._mount, volume, path)
        return path

    async def unmount(self, volume: Volume, holder: str, *, last: bool) -> None:
        """See Driver."""
        if last and self.needs_mount(volume):
            await asyncio.to_thread(self.detach, volume.name)

    async def about(self, volume: Volume) -> About:
        """See Driver."""
        return About(str(self.path(volume.name)))

    def _is_mounted(self, name: str) -> bool:
        """Whether something is mounted on a volume's directory (blocking)."""
        return self.mounts_of((name,)) != set()

    def mounts_of(self, names: Iterable[str]) -> set[str]:
        """Those of the volumes on whose directory something is mounted (blocking)."""
        with open(self._mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            taken = {info.mount_point for info in words.read_mountinfo(file.read())}
        root = os.path.realpath(self._root)
        return {name for name in names if f"{root}/{name}/_data" in taken}

    def detach(self, name: str) -> None:
        """Take away all that is mounted on a volume's directory (blocking). Raises Internal when that fails."""
        path = str(self.path(name))
        for _ in range(_MOST_LAYERS):
            if not self._is_mounted(name):
                return
            try:
                self._kernel.umount(path, words.MNT_DETACH | words.UMOUNT_NOFOLLOW)
            except OSError as error:
                told = os.strerror(error.errno or 0).lower()
                raise Internal(f"error while unmounting volume '{path}': {told}") from error
        raise Internal(f"error while unmounting volume '{path}': there is always one more mount")

    def _delete(self, name: str) -> None:
        self.detach(name)  # or what is mounted there would be emptied
        trash = self._root / f"{_DELETED}{secrets.token_hex(8)}"
        try:
            os.rename(self._root / name, trash)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise Conflict(f"something is mounted below {self._root / name}: unmount it first") from error
        remove_tree(trash)

    def _mount(self, volume: Volume, path: str) -> None:
        options = volume.options or {}
        kind, told = options.get("type", ""), f"error while mounting volume '{path}': "
        if not options.get("device"):
            raise InvalidArgument(f"{told}missing device in volume options")
        try:
            device, data = resolve_address(kind, options["device"], options.get("o", ""))
        except ValueError as error:
            raise Internal(f"{told}error resolving passed in network volume address: {error}") from error
        parsed = words.parse_options(data.split(","))
        flags, rest = parsed.flags, ",".join(parsed.data)
        try:
            self._attach(device, path, kind, parsed)
        except (OSError, ValueError) as error:
            self._give_up(volume.name)
            what = f"mount {device}:{path}{f', flags: {flags:#x}' if flags else ''}{f', data: {rest}' if rest else ''}"
            raise Internal(f"{told}failed to mount local volume: {_hide(what)}: {_reason(error, kind)}") from error

    def _attach(self, device: str, path: str, kind: str, parsed: words.MountOptions) -> None:
        data = ",".join(parsed.data)
        self._kernel.mount(device, path, kind, parsed.flags, data)
        for propagation in parsed.propagation:
            self._kernel.mount(None, path, None, propagation)
        if parsed.flags & words.MS_BIND and parsed.flags & words.MS_RDONLY:  # the first call leaves it writable
            self._kernel.mount(None, path, None, parsed.flags & ~words.MS_REC | words.MS_REMOUNT)

    def _give_up(self, name: str) -> None:
        """Take a mount away of which only a part came about."""
        try:
            self.detach(name)
        except Internal:
            pass  # the failure before it is the one to tell


def check_options(options: dict[str, str]) -> None:
    """Refuse options that the local driver does not know, or of which others are missing."""
    if unknown := set(options) - {"type", "o", "device", "size"}:
        raise InvalidArgument(f'invalid option: "{min(unknown)}"')
    for option, others in _NEEDED.items():
        if option in options:
            for other in others:
                if other not in options:
                    raise InvalidArgument(f'missing required option: "{other}"')
    if "size" in options and parse_bytes(options["size"]):
        told = "quota size requested but no quota support"
        raise InvalidArgument(f"{told}: project quotas are not used; for a limit, make it a tmpfs or a loop device")


def resolve_address(kind: str, device: str, data: str) -> tuple[str, str]:
    """Device and options of a network file system with names of hosts replaced by addresses, which the kernel wants.

    Raises ValueError when a name cannot be resolved (blocking).
    """
    if kind not in _NETWORK:
        return device, data
    found = re.search(r"(?:^|,)addr=([^,]*)", data)
    if found and found[1] and not _is_address(found[1], (4,)):
        return device, data.replace(f"addr={found[1]}", f"addr={_lookup(found[1])}", 1)
    if kind == "cifs" and not (found and found[1]):
        host = urlsplit(device).hostname or ""
        if host and not _is_address(host, (4, 6)):
            return device.replace(host, _lookup(host), 1), data
    return device, data


def _is_address(text: str, versions: tuple[int, ...]) -> bool:
    try:
        return ipaddress.ip_address(text).version in versions
    except ValueError:
        return False


def _lookup(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise ValueError(f"lookup {host}: {error.args[-1]}") from error
    addresses = [str(address[0]) for _, _, _, _, address in found]
    return next((a for a in addresses if _is_address(a, (4,))), addresses[0])


def _hide(text: str) -> str:
    return re.sub(r"password=[^,]*(?=,|$)", "password=********", text)


def _reason(error: OSError | ValueError, kind: str) -> str:
    if not isinstance(error, OSError):
        return str(error)
    told = os.strerror(error.errno or 0).lower()
    if error.errno == errno.ENODEV:
        return f"{told}: the kernel has no file system {kind!r} (is its module there?)"
    return told
