"""Bindings of ports: written one way, limited, changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import container

from carrack.engine.containers import publishing
from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound
from carrack.model.ports import PublishedPort

FREE = {"HostIp": "", "HostPort": ""}


def place(port: str = "", address: str = "") -> dict[str, Any]:
    return {"HostIp": address, "HostPort": port}


def test_bindings_are_written_one_way() -> None:
    given = {"80": [{"HostPort": "1", "Allow": ["10.0.0.1", "fd00::/8"]}], "80/TCP": None, "53/udp": []}
    assert publishing.completed(given) == {
        "80/tcp": [{**place("1"), "Allow": ["10.0.0.1/32", "fd00::/8"]}, FREE],
        "53/udp": [FREE],
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"http": [FREE]}, 'invalid port specification: "http"'),
        ({"80/icmp": None}, 'invalid port specification: "80/icmp"'),
        ({"80": [place("9-8")]}, 'invalid port specification: "9-8"'),
        ({"80": [{"Allow": ["10.0.0.1/8"]}]}, 'invalid network "10.0.0.1/8"'),
    ],
)
def test_bindings_that_cannot_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        publishing.completed(given)


@given(st.text(max_size=10) | st.from_regex(r"[0-9]{1,6}(/[a-zA-Z]{0,4})?", fullmatch=True))
def test_a_port_key_is_a_port_or_refused(text: str) -> None:
    try:
        key = publishing.port_key(text)
    except InvalidArgument:
        return
    number, protocol = key.split("/")
    assert 1 <= int(number) <= 65535
    assert protocol in ("tcp", "udp", "sctp")
    assert publishing.port_key(key) == key


def test_what_is_published() -> None:
    bindings = {"80": [{"HostIp": "127.0.0.1", "HostPort": "8000-8010"}, {"Allow": ["10.0.0.0/8"]}], "53/udp": None}
    body = {"ExposedPorts": {"80/tcp": {}, "90": {}}, "HostConfig": {"PublishAllPorts": True, "PortBindings": bindings}}
    assert publishing.wanted(container(1, body)) == [
        PublishedPort("53/udp", "", ""),
        PublishedPort("80/tcp", "127.0.0.1", "8000-8010"),
        PublishedPort("80/tcp", "", "", ("10.0.0.0/8",)),
        PublishedPort("90/tcp", "", ""),
    ]
    ranged = {f"{n}/tcp": [{"HostPort": str(n)}] for n in range(2000, 2100)}
    body = {"ExposedPorts": {"2000/tcp": {}}, "HostConfig": {"PublishAllPorts": True, "PortBindings": ranged}}
    assert publishing.wanted(container(1, body)) == [PublishedPort("2000-2099/tcp", "", "2000-2099")]
    exposed = container(1, {"ExposedPorts": {"80/tcp": {}}})
    assert publishing.wanted(exposed) == []
    assert publishing.any_wanted(exposed)
    assert not publishing.any_wanted(container(1))


@pytest.mark.parametrize(
    ("before", "remove", "after"),
    [
        ({"80/tcp": [place("8080"), place("8081")]}, ["80"], {}),
        ({"80/tcp": [place("8080"), place("8081")]}, ["8080:80/tcp"], {"80/tcp": [place("8081")]}),
        ({"80/tcp": [FREE, place("8081")]}, ["49153:80"], {"80/tcp": [place("8081")]}),
        ({"80/tcp": [place("8000-8009")], "53/udp": [FREE]}, ["8004:80/tcp"], {"53/udp": [FREE]}),
    ],
)
def test_fewer_ports(before: dict[str, Any], remove: list[str], after: dict[str, Any]) -> None:
    assert publishing.without(before, remove) == after


@pytest.mark.parametrize("word", ["81", "80/udp", "9:80/tcp"])
def test_what_is_not_published_cannot_be_removed(word: str) -> None:
    with pytest.raises(NotFound, match=f"port {word} is not published"):
        publishing.without({"80/tcp": [place("8080")]}, [word])


def test_more_ports() -> None:
    before = {"80/tcp": [place("8080")]}
    after = publishing.together(before, {"80/tcp": [place("8080", "127.0.0.1"), FREE, FREE], "53/udp": [place("53")]})
    assert after == {"80/tcp": [place("8080"), place("8080", "127.0.0.1"), FREE, FREE], "53/udp": [place("53")]}
    assert before == {"80/tcp": [place("8080")]}
    with pytest.raises(Conflict, match=r"port 80/tcp is published at 0\.0\.0\.0:8080 already"):
        publishing.together(before, {"80/tcp": [place("8080")]})


@given(
    st.dictionaries(
        st.sampled_from(["80/tcp", "53/udp"]),
        st.lists(st.builds(place, st.integers(1, 9).map(str)), min_size=1, max_size=3, unique_by=str),
        max_size=2,
    )
)
def test_what_was_added_can_be_removed_again(more: dict[str, Any]) -> None:
    before = {"80/tcp": [place("10"), FREE]}
    after = publishing.together(before, more)
    try:
        assert publishing.without(after, publishing.as_words(before, after)) == before
    except CarrackError as error:  # pragma: no cover - a defect
        raise AssertionError(str(error)) from error
