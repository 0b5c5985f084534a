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

from carrack.errors import CarrackError, words
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
        if culprit is None:
            raise
        raise Refused(words(error), [_detail(culprit)]) from error


def _detail(culprit: Culprit) -> Message:
    info = {"filename": culprit.name, "data": base64.b64encode(culprit.source).decode(), "language": "Dockerfile"}
    # columns stay 0, as in what BuildKit's own frontend sends: buildx shows whole lines
    ranges = [{"start": {"line": culprit.place.line}, "end": {"line": culprit.place.end}}]
    return {"type_url": _URL, "value": json.dumps({"info": info, "ranges": ranges}).encode()}
