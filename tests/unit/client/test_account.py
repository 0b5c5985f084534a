from __future__ import annotations

import base64
import json

import pytest

from carrack.client.account import HUB, Account, key_of, of_entry, place_of, places
from carrack.errors import InvalidArgument


def test_the_header_is_for_urls_and_says_what_is_known() -> None:
    header = Account("r:1", "me", "??>>~~").header()
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "me",
        "password": "??>>~~",
        "serveraddress": "r:1",
    }
    assert not {"+", "/"} & set(Account("r", "ÿÿÿ", "þþþ???>>>").header())


def test_secrets_do_not_show() -> None:
    shown = repr(Account("r", "me", "canary", "canary", "canary"))
    assert "canary" not in shown
    assert "me" in shown


def test_entries_come_back_as_they_went() -> None:
    for account in (Account("r", "me", "a:b"), Account("r", "me", "", "token"), Account("r", registry_token="t")):
        again = of_entry("r", account.entry())
        assert again.document() == account.document()
    assert of_entry("r", {"username": "a", "password": "b"}).document()["password"] == "b"
    assert not of_entry("r", {})


@pytest.mark.parametrize("entry", [[], {"auth": "!"}, {"auth": "YWI="}, {"auth": 1}, {"auth": "/////w=="}])
def test_what_is_no_entry_is_refused(entry: object) -> None:
    with pytest.raises(InvalidArgument, match="of r is"):
        of_entry("r", entry)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (HUB, "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("docker.io/team", "docker.io/team"),
        ("https://r.example:5000/v2/", "r.example:5000"),
        ("http://r.example/any", "r.example"),
        ("r.example/v1/", "r.example"),
        ("r.example/team/sub/", "r.example/team/sub"),
        ("localhost", "localhost"),
    ],
)
def test_places_of_keys(key: str, place: str) -> None:
    assert place_of(key) == place
    assert place_of(key_of(place)) == place


def test_places_of_a_repository_come_nearest_first() -> None:
    assert places("r:1/a/b") == ["r:1/a/b", "r:1/a", "r:1"]
