from __future__ import annotations

import base64
import json

import pytest

from carrack.errors import InvalidArgument, NotFound
from carrack.registry import credentials
from carrack.registry.credentials import ANONYMOUS, Credentials


def _encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.census("registry X-Registry-Auth header")
def test_name_and_password() -> None:
    found = credentials.decode(_encoded({"username": "jane", "password": "pä?ss>", "serveraddress": "r.example.com"}))
    assert found == Credentials("jane", "pä?ss>", server_address="r.example.com")
    assert found


def test_tokens() -> None:
    assert credentials.decode(_encoded({"identitytoken": "i"})).identity_token == "i"
    assert credentials.decode(_encoded({"registrytoken": "r"})).registry_token == "r"


def test_auth_is_name_and_password_in_one() -> None:
    auth = base64.b64encode(b"jane:a:b").decode()
    assert credentials.decode(_encoded({"auth": auth})) == Credentials("jane", "a:b")


@pytest.mark.parametrize("header", ["", " ", _encoded({}), _encoded(None), _encoded({"username": None, "x": 1})])
def test_nothing_is_anonymous(header: str) -> None:
    assert credentials.decode(header) == ANONYMOUS
    assert not ANONYMOUS


def test_padding_and_alphabet_do_not_matter() -> None:
    text = base64.b64encode(json.dumps({"username": "j", "password": "??>>~~ü"}, ensure_ascii=False).encode()).decode()
    assert credentials.decode(text) == credentials.decode(text.rstrip("=").replace("+", "-").replace("/", "_"))


@pytest.mark.parametrize(
    "header",
    ["%%%", "aGVsbG8", _encoded([]), _encoded({"username": 1}), _encoded({"username": "a:b", "password": "c"}),
     _encoded({"auth": base64.b64encode(b"no colon").decode()}), "A" * 70_000],
)  # fmt: skip
def test_malformed_headers_are_refused(header: str) -> None:
    with pytest.raises(InvalidArgument, match="X-Registry-Auth"):
        credentials.decode(header)


@pytest.mark.census("registry X-Registry-Config header")
def test_config_is_by_server() -> None:
    found = credentials.decode_config(_encoded({"a.example.com": {"username": "u", "password": "p"}}))
    assert found == {"a.example.com": Credentials("u", "p")}
    with pytest.raises(InvalidArgument, match="X-Registry-Config"):
        credentials.decode_config(_encoded({"a.example.com": "p"}))


def test_no_secret_is_shown() -> None:
    shown = repr(Credentials("jane", "canary-1", "canary-2", "canary-3"))
    assert "jane" in shown
    assert "canary" not in shown


def test_what_a_registry_says_back_is_hidden() -> None:
    """However it came to know the secret; words too short to be one are left alone."""
    made = Credentials("user", "secret-word", identity_token="a-token-of-mine")
    header = base64.b64encode(b"user:secret-word").decode()
    with pytest.raises(NotFound) as caught, made.kept():
        raise NotFound(f"no secret-word, no {header}, no a-token-of-mine, but user")
    assert str(caught.value) == "no xxxxx, no xxxxx, no xxxxx, but user"
    assert Credentials("u", "no").hidden("no way") == "no way"
