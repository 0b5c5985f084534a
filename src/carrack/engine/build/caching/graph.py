"""What a build consists of, as a cache tells it: nodes, and for each what it was made of.

A node has a digest that says what is done, and for each of its inputs one or several links: ways to name the same
thing, of which one is enough to know it again. Source: BuildKit, the documents it writes for ``--cache-to``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.oci.platform import Platform

#: the output number of a node that stands for contents alone
CONTENTS = -1


@dataclass(frozen=True, slots=True)
class Link:
    """A node that something was made of; ``selector`` is the digest of the paths taken of it, "" for no choice."""

    node: Node
    selector: str = ""


@dataclass(slots=True, eq=False)
class Node:
    """One thing done. ``digest`` is rooted (see ``rooted``). ``own``: our own key of the step, "" for what is none.

    ``others`` are more names of the same thing, each of which is enough.
    ``layers`` and ``created`` (nanoseconds since 1970) are set once it is done; None for what gives none of its own: a
    base image, or contents."""

    digest: str
    inputs: tuple[tuple[Link, ...], ...] = ()
    own: str = ""
    others: tuple[Node, ...] = ()
    layers: tuple[str, ...] | None = None
    created: int = 0
    known: dict[int, frozenset[int]] = field(default_factory=dict)
    """By cache (its number in a build), the records of it that are this node; see matching."""


def digest_of(data: bytes) -> str:
    """The sha256 of bytes, as digests are written."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def rooted(digest: str, output: int = 0) -> str:
    """The digest of one output of what has a digest, as records of caches have it."""
    return digest_of(f"{digest}@{output}".encode())


def contents(digest: str) -> Node:
    """The node of files that are known by their contents alone."""
    return Node(rooted(digest, CONTENTS))


def links(node: Node, selector: str = "") -> tuple[Link, ...]:
    """All that may be said of what something was made of."""
    return tuple(Link(each, selector) for each in (node, *node.others))


def source(name: str) -> Node:
    """The node of what comes from elsewhere, by the name that BuildKit has for its version."""
    return Node(rooted(digest_of(f"buildkit.source.v0:{name}".encode())))


def image(chain: str, pin: str = "", platform: Platform | None = None) -> Node:
    """The node of an image that a stage begins with; ``chain`` is the chain id of its layers, ``pin`` the digest of its
    manifest or index, "" where none is known: by that alone BuildKit knows an image that it has not met before."""
    if not pin or platform is None:
        return source(chain)
    said = {"Digest": pin, "OS": platform.os, "Arch": platform.architecture, "Variant": platform.variant}
    kept = {key: value for key, value in said.items() if value or key != "Variant"}
    node = source(chain)
    node.others = (source(digest_of(json.dumps(kept, separators=(",", ":")).encode())),)
    return node
