"""Targets: Dockerfiles and what lies beside them. Whatever they are, they are read quickly or refused by a place."""

from __future__ import annotations

from tests.fakes import dockerfiles

from carrack.dockerfile import checks, file, ignore, mounts, outline
from carrack.dockerfile.problem import DockerfileError, excerpt
from carrack.errors import InvalidArgument


def whole(data: bytes) -> None:
    """A Dockerfile to the end of its stages, its checks and outline; a refusal names a line that there is."""
    try:
        parsed = file.parse(data)
        dockerfiles.states(parsed, {"A": "b"})
        checks.check(parsed, {"A": "b"}, lambda image: ("PATH",))
        outline.targets(parsed)
        outline.outline(parsed, {})
    except DockerfileError as error:
        place = error.place
        assert 1 <= place.line <= place.end <= max(1, data.count(b"\n") + 1), place
        excerpt(data.decode("utf-8", "replace"), place)
    except InvalidArgument:
        pass


def ignored(data: bytes) -> None:
    """Patterns apart by lines, the last line a path: what is ignored whole is ignored."""
    *patterns, path = data.decode("utf-8", "surrogateescape").split("\n")
    try:
        found = ignore.Ignored(ignore.parse("\n".join(patterns).encode("utf-8", "surrogateescape")))
    except InvalidArgument:
        return
    inside = path in found
    assert inside or not found.whole(path)


def run_mounts(data: bytes) -> None:
    try:
        mount = mounts.parse(data.decode("utf-8", "surrogateescape"))
    except InvalidArgument:
        return
    assert mount.target or mount.type in ("secret", "ssh")
