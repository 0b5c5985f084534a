"""The process that reads everything again: ``python -m carrack.storage.judge REQUEST``, started by `storage/judges.py`.

What may be damaged is read here and not in the daemon, whose interpreter lock and memory stay free, and at a low
priority. REQUEST is a JSON object (see ``JudgeRequest``); each line of standard input is ``blob DIGEST`` or
``layer DIFF-ID``, and for each comes one line of JSON: ``{"wrong": text, "" for nothing, "size": bytes read}``. Nothing
is written anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypedDict

from carrack.errors import CarrackError, NotFound
from carrack.oci import digest as digests
from carrack.storage.content import ContentStore
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.worker import confine

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIECE = 1 << 20
_NICE = 10


class JudgeRequest(TypedDict):
    """``driver`` and ``root`` as for ``layer_store``, ``content`` the root of the content store."""

    driver: str
    root: str
    content: str
    parent: int


class Verdict(NamedTuple):
    """What is wrong, in words that follow the name of the thing, "" for nothing; and the bytes read."""

    wrong: str
    size: int


class Layers(Protocol):
    """What is needed of a driver's layers."""

    def damage(self, diff_id: str) -> str: ...


def main(arguments: Sequence[str]) -> int:
    """Judge until no more is asked."""
    request: JudgeRequest = json.loads(arguments[0])
    confine(request["parent"])
    os.nice(_NICE)
    layers = layer_store(request["driver"], Path(request["root"]))
    content = ContentStore(request["content"])
    for line in sys.stdin:
        kind, digest = line.split()
        verdict = of_blob(content, digest) if kind == "blob" else of_layer(layers, digest)
        sys.stdout.write(json.dumps(verdict._asdict()) + "\n")
        sys.stdout.flush()
    return 0


def of_blob(content: ContentStore, digest: str) -> Verdict:
    """Whether a blob is what its name says."""
    found, size, buffer = hashlib.sha256(), 0, memoryview(bytearray(_PIECE))
    try:
        with content.open(digest) as file:
            while count := file.readinto(buffer):  # type: ignore[attr-defined]
                found.update(buffer[:count])
                size += count
    except FileNotFoundError:
        return Verdict("is missing", 0)
    except OSError as error:
        return Verdict(f"cannot be read ({error.strerror or error})", size)
    same = found.hexdigest() == digests.encoded(digest)
    return Verdict("" if same else "has changed: its digest is another one", size)


def of_layer(layers: Layers, diff_id: str) -> Verdict:
    """Whether a layer is what its diff id says. The size is not told."""
    try:
        wrong = layers.damage(diff_id)
    except NotFound:
        return Verdict("is missing", 0)
    except (OSError, CarrackError, MemoryError) as error:
        return Verdict(f"cannot be read ({error})", 0)
    return Verdict(f"is damaged: {wrong}" if wrong else "", 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
