"""The tree of repositories on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from carrack.registry_server.message import Problem
from carrack.registry_server.repositories import Referrers, Repositories, Tags, blob_used, is_tag

DIGEST, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32


@pytest.mark.parametrize("name", ["", "A", "a//b", "../b", "_blobs", "a/_tags", "a:b", "a" * 300, "a/", "/a", "a@b"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match="no repository name"):
        Repositories(tmp_path).get(name)


def test_names_listed_are_those_with_manifests(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path)
    for name in ("b/c", "a", "b", "b-x/y"):
        repositories.get(name).add(DIGEST, "x/y", 1)
    repositories.get("only/blobs").link(DIGEST)
    assert list(repositories.names()) == ["a", "b", "b-x/y", "b/c"]
    assert sorted(each.name for each in repositories.everywhere()) == ["a", "b", "b-x/y", "b/c", "only/blobs"]
    repositories.get("a").remove(DIGEST)
    assert "a" not in list(repositories.names())
    assert repositories.get("a").exists()


def test_blobs_belong_to_repositories(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path)
    digest = repositories.content.put(b"blob")
    one, two = repositories.get("one"), repositories.get("two")
    one.link(digest)
    assert one.has_blob(digest)
    assert not two.has_blob(digest)
    assert one.blobs() == [digest]
    assert one.unlink(digest)
    assert not one.unlink(digest)
    one.link(OTHER)
    assert not one.has_blob(OTHER), "its content is not there"


def test_another_use_is_noted(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path)
    repository = repositories.get("a")
    digest = repositories.content.put(b"blob")
    repository.link(digest)
    os.utime(repository.path / "_blobs" / digest[7:], (1000, 1000))
    assert blob_used(repository, digest) == 1000
    assert repository.has_blob(digest)
    assert time.time() - blob_used(repository, digest) < 60


def test_records(tmp_path: Path) -> None:
    repository = Repositories(tmp_path).get("a/b")
    assert repository.record(DIGEST) is None
    repository.add(DIGEST, "application/x", 12)
    record = repository.record(DIGEST)
    assert record is not None
    assert (record.media_type, record.size) == ("application/x", 12)
    assert abs(record.pushed - time.time()) < 60
    os.utime(repository.path / "_manifests" / DIGEST[7:], (1000, 1000))
    repository.pulled(DIGEST)
    (again,) = repository.records()
    assert again.pulled > 1000
    assert again.pushed == record.pushed
    assert repository.remove(DIGEST)
    assert repository.records() == []


def test_tags(tmp_path: Path) -> None:
    tags = Tags(Repositories(tmp_path).get("a"))
    assert tags.names() == []
    assert tags.get("x") is None
    for tag, digest in (("b", DIGEST), ("a", DIGEST), ("c", OTHER), ("b", OTHER)):
        tags.set(tag, digest)
    assert tags.names() == ["a", "b", "c"]
    assert tags.get("b") == OTHER
    assert {tag: digest for tag, (digest, _) in tags.all().items()} == {"a": DIGEST, "b": OTHER, "c": OTHER}
    tags.drop(OTHER)
    assert tags.names() == ["a"]
    assert tags.remove("a")
    assert not tags.remove("a")


def test_tags_by_their_grammar() -> None:
    assert is_tag("v1.0_x-Y")
    assert not any(map(is_tag, ("", ".x", "a/b", "a" * 129, "a:b", "..")))


def test_referrers(tmp_path: Path) -> None:
    referrers = Referrers(Repositories(tmp_path).get("a"))
    assert referrers.of(DIGEST) == []
    referrers.add(DIGEST, {"digest": OTHER, "size": 1})
    assert referrers.of(DIGEST) == [{"digest": OTHER, "size": 1}]
    referrers.remove(DIGEST, OTHER)
    assert referrers.of(DIGEST) == []


def test_only_sha256(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="sha256"):
        Repositories(tmp_path).get("a").record("sha512:" + "ab" * 64)


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path)
    repository = repositories.get("a")
    Tags(repository).set("v1", DIGEST)
    repositories.get("a/b").add(DIGEST, "x/y", 1)
    left = [repository.path / "_tags" / ".0123", repository.path / "_tags" / ".4567"]
    for path in left:
        path.write_text("")
    os.utime(left[0], (1000, 1000))
    os.utime(repository.path / "_tags" / "v1", (1000, 1000))
    repository.sweep(3600.0)
    assert [path.exists() for path in left] == [False, True]
    assert Tags(repository).names() == ["v1"]
