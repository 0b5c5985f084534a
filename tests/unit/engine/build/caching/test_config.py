"""The document of a cache: read from strangers, and written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carrack.engine.build.caching import config
from carrack.engine.build.caching.graph import Link, Node, contents, rooted
from carrack.errors import InvalidArgument
from carrack.oci.descriptor import Descriptor

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
BLOBS = [Descriptor(GZIP, digest, 3, {"containerd.io/uncompressed": digest}) for digest in (A, B)]
LAYERS = [{"blob": A, "parent": -1}, {"blob": B, "parent": 0}, {"blob": C, "parent": 0}]


def read(records: list[Any], layers: list[Any] | None = None) -> config.Chains:
    document = {"layers": LAYERS if layers is None else layers, "records": records}
    return config.parse(json.dumps(document).encode(), BLOBS, "x")


def test_layers_lie_on_each_other() -> None:
    at = "2020-01-01T00:00:00Z"
    records = [{"digest": A, "layers": [{"layer": 1, "createdAt": at}]}, {"digest": B, "chains": [{"layers": [1]}]}]
    first, second = read(records).records
    assert [diff_id for _, diff_id in first.outcomes[0].pieces] == [A, B]
    assert first.outcomes[0].created == 1577836800 * 10**9
    assert [diff_id for _, diff_id in second.outcomes[0].pieces] == [B]


def test_layers_that_cannot_be_had_give_nothing() -> None:
    assert read([{"digest": A, "layers": [{"layer": 2}]}]).records[0].outcomes == ()
    assert read([{"digest": A, "chains": [{"layers": [0, 7]}]}]).records[0].outcomes == ()


@pytest.mark.parametrize(
    ("records", "layers"),
    [
        ([{"digest": A, "inputs": [[{"link": 1}]]}], None),
        ([{"digest": A, "inputs": [[{"link": -1}]]}], None),
        ([{"digest": A, "inputs": [{"link": 0}]}], None),
        ([{"digest": A, "inputs": [[{"link": True}]]}], None),
        ([{"digest": 7}], None),
        ([[]], None),
        ([{"digest": A, "layers": [{"layer": 9}]}], None),
        ([{"digest": A, "layers": [{"layer": 0}]}], [{"blob": A, "parent": 1}, {"blob": A, "parent": 0}]),
        ([{"digest": A}] * (config.RECORDS_LIMIT + 1), None),
        ([], [{"blob": A, "parent": -1}] * (config.LAYERS_LIMIT + 1)),
        ([{"digest": A, "layers": [{"layer": 0}] * 50_000}] * 9, None),
    ],
)  # fmt: skip
def test_what_strangers_say_wrongly_is_refused(records: list[Any], layers: list[Any] | None) -> None:
    with pytest.raises(InvalidArgument):
        read(records, layers)


def test_a_manifest_and_an_index() -> None:
    pointer = {"mediaType": config.CONFIG, "digest": C, "size": 1}
    blob = {"mediaType": GZIP, "digest": A, "size": 3}
    for document in ({"config": pointer, "layers": [blob]}, {"manifests": [blob, pointer]}):
        found, blobs = config.manifest(json.dumps(document).encode(), "x")
        assert found is not None
        assert (found.digest, [each.digest for each in blobs]) == (C, [A])
    assert config.manifest(json.dumps({"manifests": [blob]}).encode(), "x")[0] is None
    with pytest.raises(InvalidArgument):
        config.manifest(b'{"layers": {"a": 1}}', "x")


def test_records_of_an_image_mean_its_layers() -> None:
    data = json.dumps([{"digest": A, "layers": [{"layer": 1}]}]).encode()
    (record,) = config.parse_inline(data, [(BLOBS[0], A), (BLOBS[1], B)], "x").records
    assert [diff_id for _, diff_id in record.outcomes[0].pieces] == [A, B]
    with pytest.raises(InvalidArgument):
        config.parse_inline(b"{}", [], "x")


def _graph() -> tuple[Node, Node]:
    """A step on contents, known by two names, and one on top of it."""
    low = Node(rooted("low"), ((Link(contents(A), "sel"), Link(contents(B), "sel")),), layers=(A,), created=1)
    return low, Node(rooted("top"), ((Link(low),),), own="mine", layers=(A, B), created=2)


def test_what_is_written_is_found_again() -> None:
    _, top = _graph()
    layers, records = config.write([top], lambda node: bool(node.layers), str)
    chains = config.parse(json.dumps({"layers": layers, "records": records}).encode(), BLOBS, "x")
    _, again = _graph()
    (number,) = config.find(again, chains, 0)
    assert [diff_id for _, diff_id in chains.records[number].outcomes[0].pieces] == [A, B]
    (own,) = chains.by_digest[rooted("mine")]
    assert chains.records[own].outcomes == chains.records[number].outcomes


def test_one_name_of_an_input_is_enough_and_none_is_not() -> None:
    _, top = _graph()
    chains = read(config.write([top], lambda node: False, str)[1])
    half = Node(rooted("low"), ((Link(contents(B), "sel"),),))
    assert config.find(half, chains, 0)
    for other in (((Link(contents(B), "other"),),), ((Link(contents(C), "sel"),),), ()):
        assert not config.find(Node(rooted("low"), other), chains, 0)


def test_the_same_done_twice_is_one_record() -> None:
    low, _ = _graph()
    twin, _ = _graph()
    both = Node(rooted("both"), ((Link(low),), (Link(twin),)))
    _, records = config.write([both, low], lambda node: True, str)
    assert sum(record["digest"] == low.digest for record in records) == 1


def test_an_image_carries_numbers_of_its_own_layers() -> None:
    _, top = _graph()
    layers, records = config.write([top], lambda node: bool(node.layers), str, (A, B))
    assert layers == []
    assert sorted(each["layer"] for record in records for each in record.get("layers", ())) == [0, 1, 1]
