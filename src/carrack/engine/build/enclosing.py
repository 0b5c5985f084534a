"""What records of builds come with: all that was told in its client's form, provenance, why it failed, what was made.

::

    build/history/enclosed/<sha256 of the content>     compressed by zlib

A record lists its enclosures by digest, as BuildKit's records do. They stay for as long as a record lists them.
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carrack.oci import digest as digests

if TYPE_CHECKING:
    from carrack.engine.build.history import Record
    from carrack.engine.build.recording import Event

#: what an enclosure is
LOG, PROVENANCE, ERROR, RESULT = "log", "provenance", "error", "result"
_MOST = 64 << 20


@dataclass(frozen=True, slots=True)
class Enclosure:
    """One of them. ``platform`` of a provenance where there are several, ``number`` of the export of a result."""

    kind: str
    media_type: str
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    number: int = 0

    def entry(self) -> dict[str, Any]:
        """It as a record lists it."""
        return {
            "kind": self.kind, "media_type": self.media_type, "digest": digests.of(self.data), "size": len(self.data),
            "annotations": dict(self.annotations), "platform": self.platform, "number": self.number,
        }  # fmt: skip


#: makes the enclosures of a build that is over, from what it told and what it failed of; blocks
Enclose = Callable[["Record", Sequence["Event"], BaseException | None], Iterable[Enclosure]]


class Enclosures:
    """The folder of all. Everything blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, enclosures: Iterable[Enclosure]) -> list[dict[str, Any]]:
        """Keep them; the entries for their record. Raises OSError."""
        entries = []
        for each in enclosures:
            if len(each.data) > _MOST:
                continue
            entry = each.entry()
            self._write(self._place(entry["digest"]), each.data)
            entries.append(entry)
        return entries

    def get(self, digest: str) -> bytes | None:
        """The content of that digest; None where there is none, or it is damaged."""
        try:
            data = zlib.decompress(self._place(digest).read_bytes())
        except (OSError, zlib.error):
            return None
        return data if digests.of(data) == digest else None

    def remove(self, listed: Iterable[str]) -> None:
        """Remove what has these digests."""
        for digest in listed:
            self._place(digest).unlink(missing_ok=True)

    def sweep(self, listed: Iterable[str]) -> None:
        """Remove all that no record lists."""
        known = {self._place(digest) for digest in listed}
        for path in self._root.iterdir() if self._root.is_dir() else ():
            if path not in known:
                path.unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        return self._root / digests.encoded(digests.validate(digest))

    def _write(self, place: Path, data: bytes) -> None:
        """A file that is cut short by a crash is found damaged, and is as good as none."""
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = place.with_suffix(f".{secrets.token_hex(4)}")  # another build may enclose the same just now
        try:
            new.write_bytes(zlib.compress(data, 1))
            os.replace(new, place)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def listed(records: Iterable[Record]) -> set[str]:
    """The digests of all that records enclose."""
    return {entry["digest"] for record in records for entry in record.enclosed}
