"""Who may do what, and what is answered to all else."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.fakes.own_registry import OwnRegistry, digest_of, request

from carrack.registry_server.app import Open, Policy
from carrack.registry_server.message import Answer, Request
from carrack.registry_server.rights import Identity, Rights, Rule


class _Named(Open):
    """Believes what the request says of itself."""

    def identify(self, request: Request) -> Identity:
        return Identity(request.headers.get("x-user", ""))

    def challenge(self, request: Request, repository: str, actions: str) -> dict[str, str]:
        return {"WWW-Authenticate": f"Test {repository}:{actions}"}


RIGHTS = Rights(
    (
        Rule(frozenset({"anonymous", "*"}), ("public/**",), frozenset({"pull"})),
        Rule(frozenset({"alice"}), ("public/**", "team/**"), frozenset({"pull", "push"})),
    ),
    closed=True,
)


@pytest.fixture
def guarded(tmp_path: Path) -> OwnRegistry:
    return OwnRegistry(tmp_path, _Named(), Policy(RIGHTS))


@pytest.mark.parametrize(
    ("user", "method", "path", "status", "challenge"),
    [
        ("", "GET", "/v2/", 401, "Test :"),
        ("bob", "GET", "/v2/", 200, None),
        ("", "GET", "/v2/public/a/manifests/x", 404, None),
        ("", "GET", "/v2/team/a/manifests/x", 401, "Test team/a:pull"),
        ("bob", "GET", "/v2/team/a/manifests/x", 403, None),
        ("alice", "GET", "/v2/team/a/manifests/x", 404, None),
        ("", "POST", "/v2/public/a/blobs/uploads/", 401, "Test public/a:pull,push"),
        ("bob", "POST", "/v2/public/a/blobs/uploads/", 403, None),
        ("alice", "POST", "/v2/public/a/blobs/uploads/", 202, None),
        ("alice", "DELETE", "/v2/team/a/manifests/x", 403, None),
        ("", "GET", "/v2/_catalog", 401, "Test :"),
    ],
)
def test_rights(guarded: OwnRegistry, user: str, method: str, path: str, status: int, challenge: str | None) -> None:
    answer = guarded.app(request(method, path, x_user=user))
    assert answer.status == status
    assert answer.headers.get("WWW-Authenticate") == challenge
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"


def test_a_blob_is_not_mounted_out_of_a_repository_one_may_not_pull(guarded: OwnRegistry) -> None:
    digest = guarded.repositories.content.put(b"secret")
    for name in ("hidden/a", "team/a"):
        guarded.repositories.get(name).link(digest)
    hidden = request("POST", f"/v2/team/b/blobs/uploads/?mount={digest}&from=hidden/a", x_user="alice")
    assert guarded.app(hidden).status == 202
    assert not guarded.repositories.get("team/b").has_blob(digest)
    own = request("POST", f"/v2/team/b/blobs/uploads/?mount={digest}&from=team/a", x_user="alice")
    assert guarded.app(own).status == 201


def test_the_catalogue_shows_what_one_may_pull(guarded: OwnRegistry) -> None:
    for name in ("public/a", "team/a", "hidden/a"):
        guarded.repositories.get(name).add(digest_of(b"x"), "a/b", 1)
    seen = {user: guarded.app(request("GET", "/v2/_catalog", x_user=user)).body.decode() for user in ("alice", "bob")}
    assert seen == {
        "alice": '{"repositories":["public/a","team/a"]}',
        "bob": '{"repositories":["public/a"]}',
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_read_only(tmp_path: Path, method: str) -> None:
    registry = OwnRegistry(tmp_path, policy=Policy(closed="this registry is read-only"))
    answer = registry.app(request(method, "/v2/a/manifests/x"))
    assert answer.status == 405
    assert b"this registry is read-only" in answer.body
    assert registry.app(request("GET", "/v2/")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PATCH", "/v2/a/manifests/x", 405), ("GET", "/", 404), ("GET", "/v2/A/manifests/x", 400), ("GET", "/token", 404)],
)
def test_what_there_is_not(tmp_path: Path, method: str, path: str, status: int) -> None:
    answer = OwnRegistry(tmp_path).app(request(method, path))
    assert answer.status == status
    assert ("Allow" in answer.headers) is (status == 405)


def test_a_full_disk_is_told_with_the_place(tmp_path: Path) -> None:
    registry = OwnRegistry(tmp_path)

    def full(request: Request, parts: Mapping[str, str]) -> Answer:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/registry/x")

    registry.app.table["check"]["GET"] = full
    answer = registry.app(request("GET", "/v2/"))
    assert answer.status == 503
    assert b"/srv/registry/x: no space left on device" in answer.body
