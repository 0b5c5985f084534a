"""The predefined networks bridge, host and none: found, listed, inspected. Networks of the user's own are refused."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NoReturn

from carrack.engine.networks.document import Attached, document
from carrack.errors import Forbidden, InvalidArgument, NotFound, NotSupported
from carrack.model import times
from carrack.model.container import Document
from carrack.model.pattern import found
from carrack.network.bridge import BridgeSettings

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

Filters = Mapping[str, Sequence[str]]
DRIVERS = {"bridge": "bridge", "host": "host", "none": "null"}
_KNOWN_FILTERS = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
_PRUNE_FILTERS = frozenset(("label", "label!", "until"))


@dataclass(frozen=True, slots=True)
class Network:
    """One network; ``created`` is nanoseconds since 1970."""

    id: str
    name: str
    driver: str
    created: int


async def load_predefined(records: Records) -> list[Network]:
    """The three predefined networks, recorded the first time, so that their ids stay."""
    found = {}
    for identity, text in records.read("SELECT id, document FROM network"):
        try:
            network = Network(**json.loads(text))
        except (ValueError, TypeError) as error:
            log.error("network %s has an unreadable record (%s); it is left alone", identity, error)
            continue
        found[network.name] = network
    new = [Network(secrets.token_hex(32), name, DRIVERS[name], times.now()) for name in DRIVERS if name not in found]
    rows = [(network.id, json.dumps(asdict(network))) for network in new]
    if rows:
        await records.write(lambda db: db.executemany("INSERT INTO network (id, document) VALUES (?, ?)", rows))
    found.update((network.name, network) for network in new)
    return [found[name] for name in DRIVERS]


class Networks:
    """All networks of this daemon. ``attached`` tells which running containers are on one, by its name."""

    def __init__(
        self,
        networks: Sequence[Network],
        bridge: BridgeSettings,
        attached: Callable[[str], Mapping[str, Attached]],
        events: Events,
    ) -> None:
        self._networks = list(networks)
        self._bridge = bridge
        self._attached = attached
        self._events = events

    def find(self, term: str) -> Network:
        """The network by name, id, or the beginning of an id. NotFound; InvalidArgument when several match."""
        for network in self._networks:
            if term in (network.name, network.id):
                return network
        matches = [network for network in self._networks if term and network.id.startswith(term)]
        if len(matches) > 1:
            raise InvalidArgument(f"network {term} is ambiguous ({len(matches)} matches found based on ID prefix)")
        if not matches:
            raise NotFound(f"network {term} not found")
        return matches[0]

    def inspect(self, term: str) -> Document:
        """The document of one network, with its containers."""
        network = self.find(term)
        return document(network, self._bridge, self._attached(network.name))

    def select(self, filters: Filters) -> list[Document]:
        """The documents that match Docker's filters (all keys must match), without containers. InvalidArgument."""
        for key in filters:
            if key not in _KNOWN_FILTERS:
                raise InvalidArgument(f"invalid filter '{key}'")
        return [document(network, self._bridge, {}) for network in self._networks if self._matches(network, filters)]

    def _matches(self, network: Network, filters: Filters) -> bool:
        kinds, dangling = filters.get("type", ()), filters.get("dangling", ())
        if unknown := set(kinds) - {"builtin", "custom"}:
            raise InvalidArgument(f"invalid filter: 'type'='{min(unknown)}'")
        if len(dangling) > 1:
            raise InvalidArgument(f'got more than one value for filter key "dangling": {" ".join(dangling)}')
        return all(
            (
                not kinds or "builtin" in kinds,
                not dangling or not _truth(dangling[0]),
                _any(filters, "name", lambda word: found(word, network.name)),
                _any(filters, "id", network.id.startswith),
                _any(filters, "driver", network.driver.__eq__),
                _any(filters, "scope", "local".__eq__),
                not filters.get("label"),
            )
        )

    def create(self, name: str) -> NoReturn:
        """Refuse: Forbidden for a predefined name, NotSupported for all others."""
        if name in DRIVERS:
            raise Forbidden(f"operation is not permitted on predefined {name} network ")
        raise NotSupported(
            f"cannot create network {name}: user-defined networks are not supported yet; use --network bridge, host, "
            "none or container:NAME"
        )

    def remove(self, term: str) -> NoReturn:
        """Refuse: NotFound, or Forbidden, since all there are is predefined."""
        raise Forbidden(f"{self.find(term).name} is a pre-defined network and cannot be removed")

    def change(self, term: str) -> NoReturn:
        """Refuse to connect or disconnect a container after its creation: NotFound, or NotSupported."""
        name = self.find(term).name
        raise NotSupported(
            f"connecting containers to network {name} or disconnecting them is not supported yet: create the "
            f"container with --network {name}"
        )

    def prune(self, filters: Filters) -> list[str]:
        """Names of networks removed: none, as only a user's own may be. InvalidArgument for an unknown filter."""
        for key in filters:
            if key not in _PRUNE_FILTERS:
                raise InvalidArgument(f"invalid filter '{key}'")
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return []


def _any(filters: Filters, key: str, test: Callable[[str], bool]) -> bool:
    words = filters.get(key, ())
    return not words or any(test(word) for word in words)


def _truth(word: str) -> bool:
    if word.lower() in ("true", "1"):
        return True
    if word.lower() in ("false", "0"):
        return False
    raise InvalidArgument('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")')
