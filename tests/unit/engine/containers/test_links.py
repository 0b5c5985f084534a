"""Links: their words, the variables and the lines they give."""

from __future__ import annotations

import pytest

from carrack.engine.containers import links
from carrack.errors import Internal


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("db:data-base", ("db", "data-base")),
        ("/db:/web/data", ("/db", "data")),
        ("/db", ("/db", "db")),
        ("db:", ("db", "db")),
    ],
)
def test_words(text: str, parts: tuple[str, str]) -> None:
    assert links.parse(text) == parts


@pytest.mark.parametrize(("text", "told"), [("", "empty string specified"), ("a:b:c", "bad format for links: a:b:c")])
def test_malformed_words(text: str, told: str) -> None:
    with pytest.raises(Internal, match=told):
        links.parse(text)


def test_the_variables_are_dockers() -> None:
    env = ["PW=secret", "HOME=/x", "PATH=/bin", "BARE"]
    found = links.environment("web", "data-base", "172.17.0.2", env, ["5433/tcp", "53/udp", "5432/tcp", "80/tcp"])
    assert found == [
        "DATA_BASE_PORT=tcp://172.17.0.2:80",
        *(
            f"DATA_BASE_PORT_{number}_{protocol.upper()}{tail}"
            for number, protocol in ((80, "tcp"), (5432, "tcp"), (5433, "tcp"), (53, "udp"))
            for tail in (f"={protocol}://172.17.0.2:{number}", "_ADDR=172.17.0.2", f"_PORT={number}",
                         f"_PROTO={protocol}")
        ),
        "DATA_BASE_PORT_5432_TCP_START=tcp://172.17.0.2:5432",
        "DATA_BASE_PORT_5432_TCP_PORT_START=5432",
        "DATA_BASE_PORT_5432_TCP_END=tcp://172.17.0.2:5433",
        "DATA_BASE_PORT_5432_TCP_PORT_END=5433",
        "DATA_BASE_NAME=/web/data-base",
        "DATA_BASE_ENV_PW=secret",
    ]  # fmt: skip
    assert links.environment("web", "db", "172.17.0.2", [], []) == ["DB_NAME=/web/db"]


def test_lines_of_the_hosts_file() -> None:
    assert links.hosts("db", "db", "dbhost", ["172.17.0.2", ""]) == [("172.17.0.2", "db dbhost")]
    assert links.hosts("data", "db", "dbhost", ["10.0.0.2", "fd00::2"]) == [
        ("10.0.0.2", "data dbhost db"), ("fd00::2", "data dbhost db"),
    ]  # fmt: skip


def test_how_a_link_is_shown() -> None:
    assert links.told("db", "web", "data") == "/db:/web/data"
