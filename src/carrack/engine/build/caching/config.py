"""The document of a cache: its layers, and records that say what gave them. Read from strangers, and written. Pure.

    {"layers": [{"blob": digest, "parent": number or -1}],
     "records": [{"digest": rooted digest, "inputs": [[{"selector": digest, "link": number}]],
                  "layers": [{"layer": number, "createdAt": time}], "chains": [{"layers": [numbers], …}]}]}

Numbers count from 0; one that is left out is 0. An image carries the records alone: its own layers are what they mean.
Source: BuildKit, ``application/vnd.buildkit.cacheconfig.v0`` and the image config's ``moby.buildkit.cache.v0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carrack.engine.build.caching.graph import digest_of, rooted
from carrack.engine.images.image import moment
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.oci import descriptor as descriptors
from carrack.oci import digest as digests
from carrack.oci import document, media_types

if TYPE_CHECKING:
    from carrack.engine.build.caching.graph import Node
    from carrack.oci.descriptor import Descriptor

CONFIG = "application/vnd.buildkit.cacheconfig.v0"
INLINE = "moby.buildkit.cache.v0"
SIZE_LIMIT = 16 << 20
RECORDS_LIMIT = 50_000
LINKS_LIMIT = 400_000
LAYERS_LIMIT = 10_000
DEPTH_LIMIT = 512
_UNCOMPRESSED = "containerd.io/uncompressed"

#: a layer as it travels, and its diff id
Piece = tuple["Descriptor", str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a record gave: layers, base first, and when (nanoseconds since 1970)."""

    pieces: tuple[Piece, ...]
    created: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """``inputs``: for each, the records (by number) that count as it, with a selector."""

    digest: str
    inputs: tuple[frozenset[tuple[str, int]], ...] = ()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(slots=True)
class Chains:
    """The records of one cache."""

    records: tuple[Record, ...]
    by_digest: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, record in enumerate(self.records):
            self.by_digest.setdefault(record.digest, []).append(number)


def manifest(data: bytes, what: str) -> tuple[Descriptor | None, list[Descriptor]]:
    """The config and the layers of a cache's manifest, an index or an image's; no config for what is no cache.

    Raises InvalidArgument.
    """
    value = document.parse(data, limit=SIZE_LIMIT, what=what)
    found = _entries(value, "layers" if "layers" in value else "manifests", what)
    config = descriptors.from_document(value["config"], what) if "config" in value else None
    configs = [each for each in ([config] if config else []) + found if each.media_type == CONFIG]
    return (configs[0] if configs else None), [each for each in found if each.media_type != CONFIG]


def _entries(value: Mapping[str, Any], key: str, what: str) -> list[Descriptor]:
    listed = value.get(key) or []
    if not isinstance(listed, list) or len(listed) > RECORDS_LIMIT:
        raise InvalidArgument(f"{what}: {key} must be a list of at most {RECORDS_LIMIT}")
    return [descriptors.from_document(each, what) for each in listed]


def parse(data: bytes, blobs: Iterable[Descriptor], what: str) -> Chains:
    """The records of a cache's config. Raises InvalidArgument for what is none."""
    value = document.parse(data, limit=SIZE_LIMIT, what=what)
    by_digest = {blob.digest: blob for blob in blobs}
    return _chains(_list(value, "records", what), _layers(_list(value, "layers", what), by_digest, what), what)


def parse_inline(data: bytes, pieces: Sequence[Piece], what: str) -> Chains:
    """The records that an image carries; ``pieces`` are its layers."""
    value = document.parse_value(data, limit=SIZE_LIMIT, what=what)
    if not isinstance(value, list):
        raise InvalidArgument(f"{what}: its cache must be a list")
    return _chains(value, [(piece, number - 1) for number, piece in enumerate(pieces)], what)


def _layers(listed: list[Any], blobs: Mapping[str, Descriptor], what: str) -> list[tuple[Piece | None, int]]:
    """Of each layer itself (None when it cannot be had) and the number of the one below."""
    if len(listed) > LAYERS_LIMIT:
        raise InvalidArgument(f"{what}: {len(listed)} layers; the limit is {LAYERS_LIMIT}")
    found: list[tuple[Piece | None, int]] = []
    for each in listed:
        value = _object(each, what)
        blob = blobs.get(document.text(value, "blob", what))
        diff_id = _diff_id(blob) if blob else ""
        piece = (blob, diff_id) if blob and diff_id else None
        found.append((piece, _number(value, "parent", what)))
    return found


def _diff_id(blob: Descriptor) -> str:
    plain = media_types.LAYER_COMPRESSION.get(blob.media_type)
    said = blob.annotations.get(_UNCOMPRESSED, blob.digest if plain == "" else "")
    return said if plain is not None and digests.is_digest(said) else ""


def _chains(listed: list[Any], layers: list[tuple[Piece | None, int]], what: str) -> Chains:
    records, links, stairs = [], 0, _Stairs(layers, what)
    for each in listed:
        value = _object(each, what)
        inputs = [
            frozenset(_link(link, len(listed), what) for link in _each(of, what)) for of in _list(value, "inputs", what)
        ]
        outcomes = _outcomes(value, stairs, what)
        links += sum(map(len, inputs)) + len(outcomes)
        if links > LINKS_LIMIT:
            raise InvalidArgument(f"{what}: more than {LINKS_LIMIT} links between records")
        records.append(Record(document.text(value, "digest", what), tuple(inputs), tuple(outcomes)))
    return Chains(tuple(records))


def _outcomes(value: Mapping[str, Any], stairs: _Stairs, what: str) -> list[Outcome]:
    found = []
    for each in _list(value, "layers", what):
        result = _object(each, what)
        pieces = stairs.up_to(_number(result, "layer", what))
        if pieces is not None:
            found.append(Outcome(pieces, _moment(result)))
    for each in _list(value, "chains", what):
        result = _object(each, what)
        numbers = [_whole(number, what) for number in _list(result, "layers", what)[:DEPTH_LIMIT]]
        chosen = [stairs.layers[number][0] if 0 <= number < len(stairs.layers) else None for number in numbers]
        if None not in chosen:
            found.append(Outcome(tuple(piece for piece in chosen if piece), _moment(result)))
    return found


class _Stairs:
    """Layers as they lie on each other. Each is climbed to once, for a stranger may ask for the same many times."""

    def __init__(self, layers: list[tuple[Piece | None, int]], what: str) -> None:
        self.layers = layers
        self._what = what
        self._known: dict[int, tuple[Piece, ...] | None] = {}

    def up_to(self, number: int) -> tuple[Piece, ...] | None:
        """The layers from the lowest up to this one; None when one of them cannot be had. Raises InvalidArgument."""
        if number not in self._known:
            self._known[number] = self._climb(number)
        return self._known[number]

    def _climb(self, number: int) -> tuple[Piece, ...] | None:
        found: list[Piece] = []
        while number != -1:
            if not 0 <= number < len(self.layers) or len(found) > DEPTH_LIMIT:
                raise InvalidArgument(f"{self._what}: layers that lead nowhere, or round in a circle")
            piece, number = self.layers[number]
            if piece is None:
                return None
            found.append(piece)
        return tuple(reversed(found))


def _link(value: object, count: int, what: str) -> tuple[str, int]:
    link = _object(value, what)
    number = _number(link, "link", what)
    if not 0 <= number < count:
        raise InvalidArgument(f"{what}: a link to record {number} of {count}")
    return document.text(link, "selector", what), number


def _moment(value: Mapping[str, Any]) -> int:
    said = value.get("createdAt")
    return moment(said) if isinstance(said, str) else 0


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: expected an object, found {document.kind(value)}")
    return value


def _each(value: object, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > RECORDS_LIMIT:
        raise InvalidArgument(f"{what}: expected a list of at most {RECORDS_LIMIT}, found {document.kind(value)}")
    return value


def _list(value: Mapping[str, Any], key: str, what: str) -> list[Any]:
    return _each(value.get(key) or [], f"{what}: {key}")


def _number(value: Mapping[str, Any], key: str, what: str) -> int:
    return _whole(value.get(key, 0), what)


def _whole(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgument(f"{what}: expected a number, found {document.kind(value)}")
    return value


def find(node: Node, chains: Chains, number: int) -> frozenset[int]:
    """The records of a cache that are this node: they say the same of what was done and of each thing it was done with.

    ``number`` tells the caches of a build apart; what was found is kept in the nodes.
    """
    waiting = [node]
    while waiting:
        top = waiting[-1]
        below = [link.node for links in top.inputs for link in links if number not in link.node.known]
        if number not in top.known and below:
            waiting += below
            continue
        waiting.pop()
        if number not in top.known:
            fitting = (
                each for each in chains.by_digest.get(top.digest, ()) if _fits(top, chains.records[each], number)
            )
            top.known[number] = frozenset(fitting)
    return node.known[number]


def _fits(node: Node, record: Record, number: int) -> bool:
    return len(node.inputs) == len(record.inputs) and all(
        any((link.selector, known) in wanted for link in links for known in link.node.known[number])
        for links, wanted in zip(node.inputs, record.inputs, strict=True)
    )


def write(
    tops: Sequence[Node], kept: Callable[[Node], bool], blob: Callable[[str], str], image: Sequence[str] | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The layers and the records of all that ``tops`` were made of.

    ``kept``: whose layers are written; ``blob``: the digest that a diff id travels under. With ``image``, the layers of
    an image, they are what numbers mean, and the layers are left out.
    """
    book = _Book(blob, image)
    for node in lowest_first(*tops):
        given = node.layers if node.layers is not None and kept(node) else None
        book.add(node, given)
    return book.layers, book.records


def lowest_first(*tops: Node) -> list[Node]:
    """All that nodes were made of, each after what it was made of itself."""
    done: dict[int, Node] = {}
    waiting = list(tops)
    while waiting:
        node = waiting[-1]
        below = [link.node for links in node.inputs for link in links if id(link.node) not in done]
        if below and id(node) not in done:
            waiting += below
            continue
        waiting.pop()
        done.setdefault(id(node), node)
    return list(done.values())


def identity(node: Node) -> str:
    """The digest of all that a node says, down to what it was made of in the beginning."""
    done: dict[int, str] = {}
    for each in lowest_first(node):
        inputs = [[[link.selector, done[id(link.node)]] for link in links] for links in each.inputs]
        done[id(each)] = digest_of(document.encode([each.digest, inputs]))
    return done[id(node)]


class _Book:
    """What has been written so far. The same thing done in two stages is one record."""

    def __init__(self, blob: Callable[[str], str], image: Sequence[str] | None) -> None:
        self.layers: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []
        self._blob = blob
        self._image = image
        self._numbers: dict[int, int] = {}
        self._known: dict[tuple[Any, ...], int] = {}
        self._chains: dict[tuple[str, ...], int] = {}

    def add(self, node: Node, layers: tuple[str, ...] | None) -> None:
        inputs = [
            [
                ({"selector": link.selector} if link.selector else {}) | {"link": self._numbers[id(link.node)]}
                for link in links
            ]
            for links in node.inputs
        ]
        self._numbers[id(node)] = self._record(node.digest, inputs, layers, node.created)
        if node.own and layers is not None and node.digest != rooted(node.own):
            self._record(rooted(node.own), [], layers, node.created)

    def _record(self, digest: str, inputs: list[Any], layers: tuple[str, ...] | None, created: int) -> int:
        key = (digest, repr(inputs))
        if key not in self._known:
            self._known[key] = len(self.records)
            self.records.append({"digest": digest} | ({"inputs": inputs} if inputs else {}))
        record = self.records[self._known[key]]
        if layers and "layers" not in record:
            record["layers"] = [{"layer": self._layer(layers), "createdAt": times.rfc3339(created)}]
        return self._known[key]

    def _layer(self, layers: tuple[str, ...]) -> int:
        if self._image is not None:
            return len(layers) - 1
        number = -1
        for count in range(1, len(layers) + 1):
            chain = layers[:count]
            if chain not in self._chains:
                self._chains[chain] = len(self.layers)
                self.layers.append({"blob": self._blob(chain[-1]), "parent": number})
            number = self._chains[chain]
        return number
