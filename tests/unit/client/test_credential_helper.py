from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.credential_helper import install

from carrack.client.account import Account
from carrack.client.credential_helper import Helper, HelperError


@pytest.mark.census("credential protocol get|store|erase|list")
def test_what_is_stored_comes_back_until_it_is_erased(tmp_path: Path) -> None:
    helper = Helper("test", install(tmp_path, "test"))
    assert helper.get("r") is None
    helper.store("r", Account("r", "me", "canary"))
    helper.store("https://index.docker.io/v1/", Account("x", "me", "", "token"))
    found, token = helper.get("r"), helper.get("https://index.docker.io/v1/")
    assert found is not None
    assert (found.username, found.password, found.identity_token) == ("me", "canary", "")
    assert token is not None
    assert (token.username, token.password, token.identity_token) == ("", "", "token")
    assert helper.users() == {"r": "me", "https://index.docker.io/v1/": "<token>"}
    helper.erase("r")
    helper.erase("r")
    assert helper.get("r") is None
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert {tuple(call["words"]) for call in calls} == {("get",), ("store",), ("erase",), ("list",)}
    assert not any("canary" in word or word == "token" for call in calls for word in call["words"])


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HelperError, match="docker-credential-none is not on the PATH: install it"):
        Helper("none", {"PATH": str(tmp_path)}).get("r")
    for name in ("", "../x", ".x"):
        with pytest.raises(HelperError, match="no name of a credential helper"):
            Helper(name, {})


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo locked; exit 3", "docker-credential-bad get: locked"),
        ("exit 3", "docker-credential-bad get: exit code 3"),
        ("echo x", "an answer that is not JSON"),
        ("echo []", "an answer that is not JSON"),
        ("""echo '{"Username": 1}'""", "an answer that is none"),
    ],
)
def test_bad_answers(tmp_path: Path, script: str, told: str) -> None:
    program = tmp_path / "docker-credential-bad"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(HelperError, match=told):
        Helper("bad", {"PATH": str(tmp_path)}).get("r")


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "docker-credential-bad").write_text("nothing")
    (tmp_path / "docker-credential-bad").chmod(0o755)
    with pytest.raises(HelperError, match="cannot be run"):
        Helper("bad", {"PATH": str(tmp_path)}).get("r")
