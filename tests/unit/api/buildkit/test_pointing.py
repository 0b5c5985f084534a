"""Lines of Dockerfiles in the words of BuildKit's errors."""

import base64
import json

import pytest

from carrack.api.buildkit.pointing import pointed
from carrack.dockerfile.problem import DockerfileError, Place
from carrack.engine.build.progress import Vertex
from carrack.engine.build.recording import Recording
from carrack.errors import InvalidArgument
from carrack.http.grpc import Refused


def test_as_buildkit_writes_it() -> None:
    recording = Recording()
    recording.reads("D", b"FROM x\nFOO\n")
    with pytest.raises(Refused, match="line 2: no such thing") as caught, pointed(recording):
        raise DockerfileError("no such thing", Place(2, 3, 5))
    [detail] = caught.value.details
    assert detail["type_url"] == "github.com/moby/buildkit/errdefs.Source+json"
    told = json.loads(detail["value"])
    assert base64.b64decode(told["info"].pop("data")) == b"FROM x\nFOO\n"
    assert told == {
        "info": {"filename": "D", "language": "Dockerfile"},
        "ranges": [{"start": {"line": 2}, "end": {"line": 3}}],
    }


def test_what_is_of_no_line_stays_what_it_is() -> None:
    recording = Recording()
    recording.reads("D", b"FROM x\n")
    with pytest.raises(InvalidArgument, match=r"^other$"), pointed(recording):
        raise InvalidArgument("other")


def test_a_full_disk_is_told_in_words() -> None:
    recording = Recording()
    recording.reads("D", b"FROM x\n")
    recording.ended(Vertex("a", "b", place=Place(1, 1)), error="x")
    with pytest.raises(Refused, match="no space left on device: remove"), pointed(recording):
        raise OSError(28, "No space left on device", "/srv")
