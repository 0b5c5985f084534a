from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.credential_helper import install

from carrack.client.account import HUB, Account
from carrack.client.credential_helper import HelperError
from carrack.client.credentials import Credentials
from carrack.errors import InvalidArgument

ONE, TWO, THREE = ({"auth": auth} for auth in ("b25lOjE=", "dHdvOjI=", "dGhyZWU6Mw=="))  # one:1, two:2, three:3


class Kept:
    """The credentials of a folder with these settings."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None, **settings: Any) -> None:
        (folder / "config.json").write_text(json.dumps(settings))
        self.folder, self.warnings = folder, list[str]()
        self.credentials = Credentials(str(folder), environment or {}, self.warnings.append)

    def user(self, name: str) -> str:
        return self.credentials.for_repository(name).username

    @property
    def settings(self) -> Any:
        return json.loads((self.folder / "config.json").read_text())


@pytest.mark.census("credential plaintext auths base64")
def test_accounts_of_the_file(tmp_path: Path) -> None:
    kept = Kept(tmp_path, auths={HUB: ONE, "https://r.example/v1/": TWO, "other:5000": THREE})
    hub = kept.credentials.for_repository("docker.io/library/busybox")
    assert hub.document() == {"username": "one", "password": "1", "serveraddress": HUB}
    assert (kept.user("r.example/a/b"), kept.user("other:5000/x"), kept.user("other/x")) == ("two", "three", "")
    assert kept.credentials.for_repository("other:5000/x").server == "other:5000"
    assert kept.credentials.places() == ["docker.io", "other:5000", "r.example"]


def test_the_nearest_of_several_accounts_at_one_registry(tmp_path: Path) -> None:
    kept = Kept(tmp_path, auths={"r/team": TWO, "r": ONE, "r/team/deep": THREE})
    assert kept.user("r/team/deep/app") == "three"
    assert kept.user("r/team/deep") == "three"
    assert kept.user("r/team/deeper") == "two"
    assert kept.user("r/teams/app") == "one"
    assert kept.credentials.for_repository("r/team/app").server == "r"
    assert Kept(tmp_path, auths={"r/team": TWO}).user("r/other") == ""


@pytest.mark.census("credential DOCKER_AUTH_CONFIG env")
def test_the_environment_comes_first(tmp_path: Path) -> None:
    environment = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {"r": TWO, "s/team": THREE}})}
    kept = Kept(tmp_path, environment, auths={"r": ONE, "s": ONE})
    assert (kept.user("r/x"), kept.user("s/x"), kept.user("s/team/x")) == ("two", "one", "three")
    kept = Kept(tmp_path, {"DOCKER_AUTH_CONFIG": "{canary"}, auths={"r": ONE})
    assert kept.user("r/x") == ""
    assert kept.warnings == ["WARNING: DOCKER_AUTH_CONFIG is no JSON object; going on without credentials"]


@pytest.mark.census("credential credsStore")
def test_a_helper_for_all(tmp_path: Path) -> None:
    kept = Kept(tmp_path, install(tmp_path, "test"), credsStore="test", psFormat="x")
    assert kept.user("r/x") == ""
    kept.credentials.store("r", Account("r", "me", "canary"))
    kept.credentials.store("r/team", Account("r", "us", "canary"))
    assert not kept.credentials.is_plain("r")
    assert kept.settings == {"credsStore": "test", "psFormat": "x", "auths": {"r": {}, "r/team": {}}}
    assert (kept.user("r/x"), kept.user("r/team/x"), kept.user("docker.io/library/x")) == ("me", "us", "")
    (tmp_path / "calls").unlink()
    assert kept.user("r/a/b/c/d") == "me"
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
    kept.credentials.erase("r")
    assert (kept.user("r/x"), kept.user("r/team/x")) == ("", "us")
    assert kept.settings["auths"] == {"r/team": {}}


@pytest.mark.census("credential credHelpers per registry")
def test_a_helper_for_one_registry(tmp_path: Path) -> None:
    kept = Kept(tmp_path, install(tmp_path, "test"), credHelpers={"r": "test"}, auths={"r": ONE, "s": ONE})
    kept.credentials.store("r", Account("r", "me", "canary"))
    assert (kept.user("r/x"), kept.user("s/x")) == ("me", "one")
    assert kept.credentials.is_plain("s")
    assert kept.settings["auths"] == {"r": {}, "s": ONE}


def test_what_is_stored_plainly_is_for_the_owner_alone(tmp_path: Path) -> None:
    kept = Kept(tmp_path, auths={"https://r/v2/": ONE})
    (tmp_path / "config.json").chmod(0o644)
    kept.credentials.store("r", Account("r", "me", "pw"))
    kept.credentials.store("docker.io", Account("r", "me", "", "token"))
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert kept.settings["auths"] == {HUB: {"auth": "bWU6", "identitytoken": "token"}, "r": {"auth": "bWU6cHc="}}
    assert kept.credentials.for_repository("docker.io/a/b").identity_token == "token"
    kept.credentials.erase("docker.io")
    kept.credentials.erase("docker.io")
    assert list(kept.settings["auths"]) == ["r"]


def test_what_hinders_a_login_only_warns_a_pull(tmp_path: Path) -> None:
    kept = Kept(tmp_path, {"PATH": "/nowhere"}, credsStore="gone")
    assert kept.user("r/x") == ""
    assert "docker-credential-gone is not on the PATH" in kept.warnings[0]
    with pytest.raises(HelperError):
        kept.credentials.store("r", Account("r", "me", "pw"))
    assert kept.settings == {"credsStore": "gone"}
    for settings in ({"auths": [1]}, {"auths": {"r": {"auth": "!"}}}, {"credsStore": 1}, {"credHelpers": {"r": 1}}):
        kept = Kept(tmp_path, {}, **settings)
        assert kept.user("r/x") == ""
        assert len(kept.warnings) == 1
        with pytest.raises(InvalidArgument):
            kept.credentials.find("r")
