"""Pages of tags, of the catalogue, and referrers by their type."""

from __future__ import annotations

import pytest
from tests.fakes.own_registry import Client, digest_of, image

from carrack.oci import media_types as types


def test_tags_in_pages(client: Client) -> None:
    assert client("GET", "/v2/a/tags/list").code == "NAME_UNKNOWN"
    for tag in ("b", "a", "d", "c"):
        client.push_image("a", tag)
    assert client("GET", "/v2/a/tags/list").json == {"name": "a", "tags": ["a", "b", "c", "d"]}
    first = client("GET", "/v2/a/tags/list?n=3")
    assert first.json["tags"] == ["a", "b", "c"]
    assert first.headers["link"] == '</v2/a/tags/list?last=c&n=3>; rel="next"'
    second = client("GET", first.headers["link"].partition(">")[0][1:])
    assert second.json["tags"] == ["d"]
    assert "link" not in second.headers
    assert client("GET", "/v2/a/tags/list?n=0").json["tags"] == []
    assert client("GET", "/v2/a/tags/list?last=bb").json["tags"] == ["c", "d"]
    assert client("GET", "/v2/a/tags/list?n=2&last=z").json["tags"] == []


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "%C2%B2", "9999999999"])
def test_numbers_that_are_none(client: Client, number: str) -> None:
    client.push_image("a", "v1")
    reply = client("GET", f"/v2/a/tags/list?n={number}")
    assert reply.code == "PAGINATION_NUMBER_INVALID"


@pytest.mark.census("registry catalog")
def test_the_catalogue_in_pages(client: Client) -> None:
    assert client("GET", "/v2/_catalog").json == {"repositories": []}
    for name in ("b/x", "a", "c"):
        client.push_image(name, "v1")
    first = client("GET", "/v2/_catalog?n=2")
    assert first.json["repositories"] == ["a", "b/x"]
    assert first.headers["link"] == '</v2/_catalog?last=b%2Fx&n=2>; rel="next"'
    assert client("GET", "/v2/_catalog?n=2&last=b%2Fx").json["repositories"] == ["c"]


def test_referrers_by_type(client: Client) -> None:
    subject = {"mediaType": types.OCI_MANIFEST, "digest": digest_of(b"absent"), "size": 6}
    empty = client("GET", f"/v2/a/referrers/{subject['digest']}")
    assert (empty.status, empty.headers["content-type"], empty.json["manifests"]) == (200, types.OCI_INDEX, [])
    config = b"{}"
    client.push_blob("a", config)
    one = client.push_manifest("a", "", image(config, subject=subject, artifactType="application/x-one"))
    two = client.push_manifest("a", "", image(config, subject=subject))
    everything = client("GET", f"/v2/a/referrers/{subject['digest']}")
    assert {each["digest"] for each in everything.json["manifests"]} == {one, two}
    assert "oci-filters-applied" not in everything.headers
    for kind, digest in (("application/x-one", one), (types.OCI_CONFIG, two)):
        reply = client("GET", f"/v2/a/referrers/{subject['digest']}?artifactType={kind.replace('+', '%2B')}")
        assert [each["digest"] for each in reply.json["manifests"]] == [digest]
        assert reply.headers["oci-filters-applied"] == "artifactType"
    assert client("GET", "/v2/a/referrers/x").code == "DIGEST_INVALID"
