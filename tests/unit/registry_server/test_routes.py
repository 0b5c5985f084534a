"""Paths and where they lead."""

from __future__ import annotations

import pytest

from carrack.registry_server.message import Problem
from carrack.registry_server.routes import find


@pytest.mark.parametrize(
    ("method", "path", "place", "name", "action"),
    [
        ("GET", "/v2/", "check", None, "pull"),
        ("GET", "/v2", "check", None, "pull"),
        ("GET", "/v2/_catalog", "catalog", None, "pull"),
        ("GET", "/token", "token", None, "pull"),
        ("GET", "/v2/a/b/tags/list", "tags", "a/b", "pull"),
        ("HEAD", "/v2/a/manifests/latest", "manifest", "a", "pull"),
        ("PUT", "/v2/a/manifests/sha256:0", "manifest", "a", "push"),
        ("DELETE", "/v2/a/manifests/x", "manifest", "a", "delete"),
        ("POST", "/v2/a/blobs/uploads/", "uploads", "a", "push"),
        ("POST", "/v2/a/blobs/uploads", "uploads", "a", "push"),
        ("GET", "/v2/a/blobs/uploads/0f", "upload", "a", "push"),
        ("DELETE", "/v2/a/blobs/uploads/0f", "upload", "a", "push"),
        ("GET", "/v2/a/blobs/sha256:0", "blob", "a", "pull"),
        ("GET", "/v2/a/referrers/sha256:0", "referrers", "a", "pull"),
        ("GET", "/v2/tags/list/tags/list", "tags", "tags/list", "pull"),
    ],
)
def test_places(method: str, path: str, place: str, name: str | None, action: str) -> None:
    route = find(method, path)
    assert (route.place, route.parts.get("name"), route.action) == (place, name, action)


@pytest.mark.parametrize("path", ["/", "/v1/", "/v2/x", "/v2//tags/list/", "/v2/a/blobs/x/y", "/tokens"])
def test_no_place(path: str) -> None:
    with pytest.raises(Problem) as caught:
        find("GET", path)
    assert caught.value.status == 404
