"""Who is linked to whom (``--link``): resolved when a container is made, and followed as containers come and go.

A record keeps a link by its target's id, so that a rename changes nothing. Its effects belong to the default bridge
network; on other networks names are resolved anyway.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from carrack.engine.containers import links
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, Internal, InvalidArgument, NotFound
from carrack.network.sandbox_files import Entry

if TYPE_CHECKING:
    from carrack.engine.containers.store import ContainerStore

BRIDGE = "bridge"
_ALIAS = re.compile("[a-zA-Z0-9][a-zA-Z0-9_.-]*")


class Links:
    """The links among the containers of one store."""

    def __init__(self, store: ContainerStore) -> None:
        self._store = store

    def resolved(self, given: Sequence[str] | None) -> list[str] | None:
        """The links of a create request with the ids of their targets. Raises InvalidArgument, Internal."""
        if not given:
            return None
        found = []
        for text in given:
            target, alias = links.parse(text)
            try:
                other = self._store.find(target)
            except CarrackError as error:
                raise InvalidArgument(f"could not get container for {target}: {error}") from error
            if not _ALIAS.fullmatch(alias):
                raise InvalidArgument(f"invalid alias {alias!r} of link {text}: {_ALIAS.pattern} can be a host's name")
            if other.host_config["NetworkMode"] == "host":
                told = "host type networking can't be used with links. This would result in undefined behavior"
                raise InvalidArgument(f"conflicting options: {told}")
            found.append(f"{other.id}:{alias}")
        return found

    def of(self, c: Container) -> list[tuple[Container, str]]:
        """The targets of a container's links and their aliases; those that are removed are left out."""
        found = []
        for text in c.host_config["Links"] or ():
            target, alias = links.parse(text)
            if (other := self._target(target)) is not None:
                found.append((other, alias))
        return found

    def _target(self, identity: str) -> Container | None:
        try:
            return self._store.find(identity)
        except CarrackError:
            return None

    def check(self, c: Container) -> None:
        """Raise Internal (as Docker does) for a link that leads nowhere when a container starts."""
        if not c.host_config["Links"] or BRIDGE not in c.wanted:
            return
        for text in c.host_config["Links"]:
            target, alias = links.parse(text)
            other = self._target(target)
            if other is None:
                told = f"its target {target[:12]} is removed"
                raise Internal(f"Cannot link to a non running container: /{c.name}/{alias}: {told}")
            if not other.state.running:
                raise Internal(f"Cannot link to a non running container: /{other.name} AS /{c.name}/{alias}")
            if BRIDGE not in other.endpoints:
                raise Internal(f"container {other.id} not attached to default bridge network")

    def environment(self, c: Container) -> list[str]:
        """The variables that a container's links give its programs; none for targets that do not run."""
        if not c.host_config["Links"] or BRIDGE not in c.wanted:
            return []
        words = []
        for other, alias in self.of(c):
            address = other.endpoints.get(BRIDGE, {}).get("IPAddress", "")
            if not address:
                continue
            env, exposed = other.config["Env"] or (), other.config["ExposedPorts"] or ()
            words += links.environment(c.name, alias, address, env, exposed)
        return words

    def entries(self, c: Container) -> list[Entry]:
        """The lines in /etc/hosts of a container for those targets that run."""
        if not c.host_config["Links"] or BRIDGE not in c.wanted:
            return []
        found = []
        for other, alias in self.of(c):
            endpoint = other.endpoints.get(BRIDGE, {})
            addresses = endpoint.get("IPAddress", ""), endpoint.get("GlobalIPv6Address", "")
            found += links.hosts(alias, other.name, other.config["Hostname"], addresses)
        return found

    def aliases(self, c: Container, given: Sequence[str] | None = None) -> set[str]:
        """With which names the lines of a container's links (or of these) begin in its /etc/hosts."""
        return {links.parse(text)[1] for text in given or c.host_config["Links"] or ()}

    def told(self, c: Container) -> list[str] | None:
        """A container's links as inspect shows them."""
        found = [links.told(other.name, c.name, alias) for other, alias in self.of(c)]
        return found or None

    def sources(self, target: Container) -> list[Container]:
        """The containers that are linked to this one."""
        if not target.link_names:
            return []
        return [c for c in self._store if any(other is target for other, _ in self.of(c))]

    def refresh(self) -> None:
        """Find anew by which names containers are called through links, after one was made, named or removed."""
        found: dict[str, list[str]] = {}
        for c in self._store:
            for other, alias in self.of(c):
                found.setdefault(other.id, []).append(f"{c.name}/{alias}")
        for c in self._store:
            names = tuple(sorted(found.get(c.id, ())))
            if names != c.link_names:
                c.link_names = names

    def find(self, path: str) -> tuple[Container, str]:
        """The container that has a link and the link's alias, of ``web/database``. Raises NotFound, Internal."""
        name, slash, alias = path.strip("/").rpartition("/")
        if not slash:
            self._store.find(path)
            raise Internal("Conflict, cannot remove the default link name of the container")
        c = self._target(name)
        if c is None or not any(one == alias for _, one in self.of(c)):
            raise NotFound(f"No such container: {path.strip('/')}")
        return c, alias

    def without(self, c: Container, alias: str) -> list[str] | None:
        """A container's links but that of an alias."""
        return [text for text in c.host_config["Links"] or () if links.parse(text)[1] != alias] or None
