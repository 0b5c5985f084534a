"""Ports of EXPOSE."""

import pytest

from carrack.dockerfile import ports
from carrack.dockerfile.commands import Expose
from carrack.dockerfile.problem import DockerfileError, Place

COMMAND = Expose(Place(1, 1), "EXPOSE x", ())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("80", ["80/tcp"]),
        ("53/UDP", ["53/udp"]),
        ("8000-8002", ["8000/tcp", "8001/tcp", "8002/tcp"]),
        ("8080:80", ["80/tcp"]),
        ("127.0.0.1:8080:80", ["80/tcp"]),
        ("[::1]::53/udp", ["53/udp"]),
    ],
)
def test_each(word: str, expected: list[str]) -> None:
    assert list(ports.each(word, COMMAND)) == expected


@pytest.mark.parametrize("word", ["0", "65536", "9-8", "80/icmp", "x", "a:80", "80:"])
def test_refused(word: str) -> None:
    with pytest.raises(DockerfileError, match="invalid containerPort"):
        list(ports.each(word, COMMAND))
