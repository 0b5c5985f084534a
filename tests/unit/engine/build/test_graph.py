"""Builds as graphs of operations."""

from __future__ import annotations

from typing import Any

from tests.fakes.building import Workshop
from tests.unit.engine.build.test_trace import traced

from carrack.engine.build import graph as graphs
from carrack.engine.build.trace import Base, Trace
from carrack.oci import media_types
from carrack.oci.descriptor import Descriptor


def steps(trace: Trace, **contexts: str) -> list[dict[str, Any]]:
    return graphs.graph(trace, contexts).definition()["llbDefinition"]  # type: ignore[no-any-return]


def kinds(found: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    return [("".join(step["op"]["Op"]), step.get("inputs", [])) for step in found]


def test_operations_in_an_order_in_which_they_can_be_done(workshop: Workshop) -> None:
    _, trace = traced(workshop)
    found = steps(trace)
    assert kinds(found) == [
        ("source", []),
        ("source", []),
        ("file", ["step0:0", "step1:0"]),
        ("exec", ["step2:0"]),
        ("file", ["step3:0"]),
        ("file", ["step4:0"]),
        ("", ["step5:0"]),
    ]
    base, context, copied, ran, other, folder, _ = found
    assert base["op"]["Op"]["source"]["identifier"] == "docker-image://docker.io/library/base:latest"
    assert base["op"]["platform"] == {"Architecture": "amd64", "OS": "linux"}
    assert context["op"]["Op"]["source"] == {"identifier": "local://context"}
    (action,) = copied["op"]["Op"]["file"]["actions"]
    assert (action["input"], action["secondaryInput"]) == (0, 1)
    assert (action["Action"]["copy"]["src"], action["Action"]["copy"]["dest"]) == ("/a", "/a")
    program = ran["op"]["Op"]["exec"]
    assert (program["meta"]["args"], program["network"]) == (["/bin/sh", "-c", "x"], 2)
    (action,) = other["op"]["Op"]["file"]["actions"]
    assert (action["input"], action["secondaryInput"]) == (-1, 0)
    assert folder["op"]["Op"]["file"]["actions"][0]["Action"]["mkdir"]["path"] == "/w"
    definition = graphs.graph(trace, {}).definition()
    assert sorted(definition["digestMapping"].values()) == sorted(step["id"] for step in found)


def test_where_they_are_and_what_they_gave(workshop: Workshop) -> None:
    result, trace = traced(workshop)
    made = graphs.graph(trace, {})
    places = graphs.locations(made)
    assert places["step3"]["locations"][0]["ranges"] == [{"start": {"line": 3}, "end": {"line": 3}}]
    assert list(places) == [f"step{number}" for number in range(6)]
    known = graphs.layers(made, lambda diff_id: Descriptor(media_types.OCI_LAYER, diff_id, 5))
    assert [row["digest"] for row in known["step5:0"][0]] == list(result.layers)
    assert "step0:0" not in known


def test_named_contexts_pins_and_what_was_fetched(workshop: Workshop) -> None:
    _, trace = traced(workshop, "FROM scratch\nRUN --mount=from=base,target=/m x\n")
    trace.bases["base linux/amd64"] = Base("base", "linux/amd64", "sha256:" + "a" * 64)
    (base, *_) = steps(trace)
    assert base["op"]["Op"]["source"]["identifier"] == f"docker-image://docker.io/library/base:latest@sha256:{'a' * 64}"
    (named, *_) = steps(trace, base="local:elsewhere")
    assert named["op"]["Op"]["source"]["identifier"] == "local://elsewhere"


def test_mounts_and_owners_as_clients_read_them(workshop: Workshop) -> None:
    mounts = "--mount=target=/b --mount=type=cache,target=/c,id=x --mount=type=tmpfs,target=/t --mount=type=ssh"
    _, trace = traced(workshop, f"FROM base\nRUN {mounts} --mount=type=secret,id=s x\nCOPY --chown=7:8 a /a\n")
    ran, copied = [step["op"]["Op"] for step in steps(trace) if "source" not in step["op"]["Op"]][:2]
    found = [(row.get("mountType"), row.get("cacheOpt") or row.get("secretOpt")) for row in ran["exec"]["mounts"]]
    assert found == [(None, None), (0, None), (3, {"ID": "x"}), (4, None), (2, None), (1, {"ID": "s"})]
    owner = copied["file"]["actions"][0]["Action"]["copy"]["owner"]
    assert owner == {"user": {"User": {"byId": 7}}, "group": {"User": {"byId": 8}}}


def test_a_long_chain(workshop: Workshop) -> None:
    _, trace = traced(workshop, "FROM base AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nRUN {n}\n" for n in range(100)))
    assert len(steps(trace)) == 102
