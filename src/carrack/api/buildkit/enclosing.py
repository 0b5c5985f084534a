"""What BuildKit's clients find with the record of a build: its messages, its provenance, what it gave, why it failed.

Messages lie one after the other, each behind its length in four bytes; provenance is the bare predicate, of mode max
whatever was asked for, from which clients leave out what they do not want. Source: what dockerd 28.5 has there.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.api.buildkit import messages as m
from carrack.api.buildkit.watching import Told
from carrack.engine.build import attesting, provenance
from carrack.engine.build.enclosing import ERROR, LOG, PROVENANCE, RESULT, Enclosure
from carrack.http import grpc, protobuf
from carrack.oci import attestation, image_config

if TYPE_CHECKING:
    from carrack.api.buildkit.exporting import Given
    from carrack.engine.build.attesting import Who
    from carrack.engine.build.history import Record
    from carrack.engine.build.product import Part, Product
    from carrack.engine.build.recording import Event
    from carrack.oci.attestation import Describe
    from carrack.storage.content import ContentStore

_STATUS = "application/vnd.buildkit.status.v0"
_ERROR = "application/vnd.googeapis.google.rpc.status+proto"  # as it is spelt there


@dataclass(slots=True)
class Enclosing:
    """See Enclose. ``product``, ``who`` and ``given`` become known while the build goes on; ``content``: the store."""

    describe: Describe
    content: ContentStore
    product: Product | None = None
    who: Who | None = None
    given: Sequence[Given] = field(default_factory=tuple)

    def __call__(self, record: Record, events: Sequence[Event], failure: BaseException | None) -> Iterator[Enclosure]:
        yield Enclosure(LOG, _STATUS, told(events))
        if failure is not None:
            yield Enclosure(ERROR, _ERROR, _failed(record, failure))
            return
        if self.product is not None and self.who is not None:
            several = len(self.product.parts) > 1 or self.product.several
            for part in self.product.parts:
                if part.result.trace is not None and part.request is not None:
                    yield _provenance(part, self.who, self.describe, several)
        for each in self.given:
            pointer = each.pointer
            data = each.document or self.content.read(pointer.digest, image_config.SIZE_LIMIT)
            yield Enclosure(RESULT, pointer.media_type, data, pointer.annotations, number=each.number)


def told(events: Sequence[Event]) -> bytes:
    """All messages of a build that is over."""
    out, file = bytearray(), Told()
    for event in events:
        message = file.message(event)
        if message is not None:
            data = protobuf.encode(message, m.STATUSES)
            out += struct.pack("<I", len(data)) + data
    return bytes(out)


def _provenance(part: Part, who: Who, describe: Describe, several: bool) -> Enclosure:
    assert part.request is not None
    claim = provenance.claim(provenance.Asked(mode="max"), attesting.facts(part.request, part.result, who))
    data = json.dumps(claim.predicate(describe), indent=2).encode("utf-8", "backslashreplace")
    about = {attestation.PREDICATE_TYPE: claim.predicate_type}
    platform = str(part.result.platform) if several else ""
    return Enclosure(PROVENANCE, attestation.STATEMENT, data, about, platform)


def _failed(record: Record, failure: BaseException) -> bytes:
    details = list(failure.details) if isinstance(failure, grpc.Refused) else []
    return protobuf.encode({"code": record.code, "message": record.error, "details": details}, grpc.STATUS)
