"""Which lines of the Dockerfile a build has failed of, for buildx to show them below the error.

It is a detail of gRPC's status: BuildKit's message ``errdefs.Source``, written as JSON, with the whole file in it.
Source: BuildKit, errdefs and pb.Range.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from carrack.engine.build.checkout import Unresolved
from carrack.errors import CarrackError, InvalidArgument, words
from carrack.http.grpc import Refused

if TYPE_CHECKING:
    from carrack.engine.build.recording import Culprit, Recording
    from carrack.http.protobuf import Message

_URL = "github.com/moby/buildkit/errdefs.Source+json"


@contextmanager
def pointed(recording: Recording) -> Iterator[None]:
    """Failures within are raised as Refused, with the lines of the Dockerfile where these are known."""
    try:
        yield
    except (CarrackError, OSError) as error:
        culprit = recording.culprit(error)
        error = _unresolved(error)
        if culprit is None:
            raise error
        raise Refused(words(error), [_detail(culprit)]) from error


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Failures within are those of getting the Dockerfile, or what has it, in BuildKit's words."""
    try:
        yield
    except CarrackError as error:
        kind = InvalidArgument if isinstance(error, Unresolved) else type(error)
        raise kind(f"failed to read {what}: {_unresolved(error)}") from error


def _unresolved(error: CarrackError | OSError) -> CarrackError | OSError:
    """What a source means is told apart from what is in it."""
    return InvalidArgument(f"failed to load cache key: {error}") if isinstance(error, Unresolved) else error


def _detail(culprit: Culprit) -> Message:
    info = {"filename": culprit.name, "data": base64.b64encode(culprit.source).decode(), "language": "Dockerfile"}
    # columns stay 0, as in what BuildKit's own frontend sends: buildx shows whole lines
    ranges = [{"start": {"line": culprit.place.line}, "end": {"line": culprit.place.end}}]
    return {"type_url": _URL, "value": json.dumps({"info": info, "ranges": ranges}).encode()}
