"""``/etc/hosts``, ``/etc/hostname`` and ``/etc/resolv.conf``: the engine's files, bound into the container.

They are written in place, so that the inode the container sees never changes. A container in another's network sees
the other's files.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from carrack.engine.containers import naming, networking
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.userns import Remap
from carrack.network import sandbox_files
from carrack.network.sandbox_files import Entry
from carrack.oci.runtime_spec import Mount

FILES = {"/etc/resolv.conf": "resolv.conf", "/etc/hostname": "hostname", "/etc/hosts": "hosts"}


class NameFiles:
    """The name files of all containers. ``gateway`` is the host's address on the default network."""

    def __init__(
        self,
        paths: Paths,
        gateway: str,
        given: ContainerDefaults | None = None,
        remap: Remap | None = None,
    ) -> None:
        self._paths = paths
        self._given = given or ContainerDefaults()
        self._gateways: Sequence[str] = self._given.gateways or (gateway,)
        self._remap = remap

    def mounts(self, c: Container) -> list[Mount]:
        """Binds of the files, but where the user mounts something of his own."""
        owner = c.id
        if c.host_config["NetworkMode"].startswith("container:"):
            owner = c.host_config["NetworkMode"].removeprefix("container:")
        taken = {point["Destination"] for point in c.mounts} | set(c.host_config["Tmpfs"] or {})
        options = ["rbind", "rprivate"] + (["ro"] if c.host_config["ReadonlyRootfs"] else [])
        return [
            {"destination": target, "type": "bind", "source": self._paths.file(owner, name), "options": options}
            for target, name in FILES.items()
            if target not in taken
        ]

    def prepare(self, c: Container) -> None:
        """Make the files, so that they can be bound before the addresses are known (blocking)."""
        host = c.host_config
        if host["NetworkMode"].startswith("container:"):
            return
        shared = host["NetworkMode"] == "host"
        self._write(c, "hostname", sandbox_files.hostname(c.config["Hostname"]))
        self.resolve(c)
        if shared and not host["ExtraHosts"]:
            self._write(c, "hosts", _read("/etc/hosts"))
        elif c.wants_cable:
            self._write(c, "hosts", None)  # `hosts` does it, when the addresses are known
        else:
            self.hosts(c)

    def resolve(self, c: Container) -> None:
        """Write /etc/resolv.conf (blocking)."""
        host, given = c.host_config, self._given
        servers, search = host["Dns"] or given.dns, host["DnsSearch"] or given.dns_search
        options = host["DnsOptions"] or given.dns_options
        if naming.answered(c, given):
            text = sandbox_files.internal_resolv_conf(_read("/etc/resolv.conf"), servers, search, options)
        else:
            shared = host["NetworkMode"] == "host"
            text = sandbox_files.resolv_conf(_host_resolv_conf(), servers, search, options, same_namespace=shared)
        self._write(c, "resolv.conf", text)

    def hosts(self, c: Container, linked: Sequence[Entry] = ()) -> None:
        """Write /etc/hosts for a start, with the addresses of the container's endpoints."""
        entries = [*linked, *own_entries(c)]
        self._write(c, "hosts", sandbox_files.hosts(entries, c.host_config["ExtraHosts"] or (), self._gateways))

    def change_hosts(self, c: Container, linked: Sequence[Entry], aliases: Collection[str]) -> None:
        """Bring the addresses in /etc/hosts of a running container up to date; what was edited inside stays.

        ``aliases`` are those of links that may stand there.
        """
        text = _read(self._paths.file(c.id, "hosts"))
        own = sandbox_files.own_names(c.config["Hostname"], c.config["Domainname"])
        self._write(c, "hosts", sandbox_files.changed(text, [*linked, *own_entries(c)], own, aliases))

    def _write(self, c: Container, name: str, text: str | None) -> None:
        """Write in place, for the file may be mounted; None: it need only be there. It is the container's root's."""
        path = self._paths.file(c.id, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o644)
        except FileNotFoundError:  # somebody has deleted the directory
            os.makedirs(self._paths.data(c.id), mode=0o710, exist_ok=True)
            fd = os.open(path, flags, 0o644)
        try:
            info = os.fstat(fd)
            if info.st_mode & 0o7777 != 0o644:
                os.fchmod(fd, 0o644)
            remap = self._remap if c.host_config["UsernsMode"] != "host" else None
            if (info.st_uid, info.st_gid) != (owner := remap.root if remap else (0, 0)):
                os.fchown(fd, *owner)
            if text is not None:
                data = text.encode()
                os.write(fd, data)
                if info.st_size > len(data):
                    os.ftruncate(fd, len(data))
        except OSError as error:  # a full disk
            error.filename = path
            raise
        finally:
            os.close(fd)


def own_entries(c: Container) -> list[Entry]:
    """The lines that tell a container's own name at each of its addresses, in the order of its interfaces."""
    names = sandbox_files.own_names(c.config["Hostname"], c.config["Domainname"])
    found = (c.endpoints[name] for name in networking.order(c.wanted) if name in c.endpoints)
    return [
        (address, names)
        for endpoint in found
        for address in (endpoint["IPAddress"], endpoint["GlobalIPv6Address"])
        if address
    ]


def _host_resolv_conf() -> str:
    text = _read("/etc/resolv.conf")
    if sandbox_files.uses_resolved_stub(text):
        return _read(sandbox_files.RESOLVED_PATH) or text
    return text


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""
