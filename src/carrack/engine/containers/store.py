"""All containers of this daemon: found by id, name or unique prefix; every change recorded in one transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carrack.engine.containers import revision
from carrack.engine.containers.record import Container, unreadable
from carrack.errors import Conflict, InvalidArgument, NotFound

if TYPE_CHECKING:
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

_REMEMBERED = 1024


class ContainerStore:
    """The index in memory and the records behind it."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self.transient: set[str] = set()
        """The ids of what runs as a container, but has no record: see `transient`."""
        self.departed: dict[str, int] = {}
        """Id to exit code of the last containers that were removed by themselves, the oldest first. A client that runs
        one starts it with one request and waits with the next, and a short one has gone in between."""

    def load(self) -> None:
        """Read every record; one that cannot be understood is reported and left as it is, and shown as a dead container
        that only waits for its removal."""
        for identity, name, document in self._records.read("SELECT id, name, document FROM container"):
            try:
                container = Container.from_document(json.loads(document))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                log.error("container %s has an unreadable record (%s): it can only be removed", identity, error)
                container = unreadable(identity, name, str(error))
                self._unreadable.add(identity)
            self._by_id[container.id] = container
            self._by_name[container.name] = container.id
        revision.changed()

    def __iter__(self) -> Iterator[Container]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def names(self) -> dict[str, str]:
        """Name to id; a name stands here from its reservation on."""
        return self._by_name

    def find(self, reference: str) -> Container:
        """The container of an id, a name, a unique prefix of an id, or a link's name.

        Raises NotFound, or InvalidArgument when a prefix fits several.
        """
        if not reference:
            raise InvalidArgument('invalid name or ID supplied: ""')
        if found := self._by_id.get(reference):
            return found
        if (identity := self._by_name.get(reference.removeprefix("/"))) and identity in self._by_id:
            return self._by_id[identity]
        matches = [c for i, c in self._by_id.items() if i.startswith(reference)] or self._linked(reference)
        if len(matches) > 1:
            raise InvalidArgument(f"multiple IDs found with provided prefix: {reference}")
        if not matches:
            raise NotFound(f"No such container: {reference}")
        return matches[0]

    def _linked(self, reference: str) -> list[Container]:
        """The container that another one calls so by a link: ``web/database``."""
        name = reference.removeprefix("/")
        return [c for c in self._by_id.values() if name in c.link_names] if "/" in name else []

    def reserve(self, name: str, identity: str) -> None:
        """Take a name before anything is made. Raises Conflict when another container has it."""
        holder = self._by_name.get(name)
        if holder is not None:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._by_name[name] = identity

    def release(self, name: str) -> None:
        """Give a reserved name back."""
        self._by_name.pop(name, None)

    async def add(self, container: Container) -> None:
        """Record a new container whose name is reserved."""
        await self._save(container, spare=False)
        self._by_id[container.id] = container
        revision.changed()

    async def save(self, container: Container, durable: bool = True) -> None:
        """Record the container as it is now, on a full disk too; one on its way out stays so."""
        if container.transient:
            return
        if container.state.status != "removing" and container.id not in self._unreadable:
            await self._save(container, durable=durable, spare=True)

    async def _save(self, container: Container, *, durable: bool = True, spare: bool) -> None:
        row = (container.id, container.name, json.dumps(container.to_document()))
        await self._records.write(
            lambda db: db.execute("INSERT OR REPLACE INTO container (id, name, document) VALUES (?, ?, ?)", row),
            durable=durable,
            spare=spare,
        )

    async def rename(self, container: Container, name: str) -> None:
        """Move a container to a reserved name; the old one is free when the record stands."""
        old, container.name = container.name, name
        try:
            await self.save(container)
        except BaseException:
            container.name = old
            raise
        self.release(old)

    async def delete(self, container: Container, *, durable: bool = True) -> None:
        """Forget a container; one that is not gone durably may be found again after a power cut."""
        await self._records.write(
            lambda db: db.execute("DELETE FROM container WHERE id = ?", (container.id,)), durable=durable, spare=True
        )
        self._by_id.pop(container.id, None)
        revision.changed()
        self.release(container.name)
        if container.host_config.get("AutoRemove") and container.state.started_at:
            self.departed[container.id] = container.state.exit_code
            if len(self.departed) > _REMEMBERED:
                del self.departed[next(iter(self.departed))]
