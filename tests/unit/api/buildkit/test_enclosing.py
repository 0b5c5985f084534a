"""What BuildKit's clients find with the record of a build."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.buildkit import FakeCall
from tests.unit.api.buildkit.test_control import control, drive

from carrack.api.buildkit import messages as m
from carrack.api.buildkit.enclosing import Enclosing, told
from carrack.engine.build.history import Record
from carrack.http import grpc, protobuf

ASKED = {"ActiveOnly": False, "Ref": "r", "EarlyExit": True, "Filter": [], "Limit": 0}


def read_messages(data: bytes) -> list[dict[str, Any]]:
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(protobuf.decode(data[at + 4 : at + 4 + size], m.STATUSES))
        at += 4 + size
    return found


def test_messages() -> None:
    events: list[dict[str, Any]] = [
        {"do": "file", "at": 1, "vertex": "", "name": "Dockerfile", "text": "FROM x\n"},
        {"do": "start", "at": 2, "vertex": "d", "name": "n", "inputs": []},
        {"do": "log", "at": 3, "vertex": "d", "stream": 1, "text": "said\n"},
        {"do": "warn", "at": 4, "vertex": "d", "text": "careful", "line": 1, "end": 1},
    ]
    first, second, third = read_messages(told(events))
    assert (first["vertexes"][0]["name"], second["logs"][0]["msg"]) == ("n", b"said\n")
    assert third["warnings"][0]["info"]["data"] == b"FROM x\n"


def test_why_it_failed(workshop: Workshop) -> None:
    made = Enclosing(lambda diff_id: pytest.fail("no layer is described"), workshop.world.content)
    refused = grpc.Refused("no", [{"type_url": "u", "value": b"v"}])
    _, error = made(Record("r", "f", error="no", code=2), [], refused)
    found = protobuf.decode(error.data, grpc.STATUS)
    assert (found["code"], found["message"], found["details"][0]["value"]) == (2, "no", b"v")


async def _record(workshop: Workshop, **asked: Any) -> dict[str, Any]:
    made = control(workshop, "FROM base\nCOPY a /a\n")
    await drive(made, Ref="r", **asked)
    call = FakeCall(ASKED)
    await made.methods()["/moby.buildkit.v1.Control/ListenBuildHistory"].serve(call)
    found: dict[str, Any] = call.sent[0]["record"]
    return found


async def _content(workshop: Workshop, digest: str) -> bytes:
    call = FakeCall({"digest": digest, "offset": 0, "size": 0})
    await control(workshop).methods()["/containerd.services.content.v1.Content/Read"].serve(call)
    return b"".join(each["data"] for each in call.sent)


def test_what_a_record_points_to(workshop: Workshop) -> None:
    async def run() -> None:
        record = await _record(workshop)
        result = record["Result"]
        said = json.loads(await _content(workshop, result["Attestations"][0]["digest"]))
        assert said["invocation"]["configSource"] == {"entryPoint": "Dockerfile"}
        assert said["buildConfig"]["llbDefinition"]
        assert result["Attestations"][0]["annotations"]["in-toto.io/predicate-type"].endswith("provenance/v0.2")
        image = await workshop.world.store.resolve("app:1")
        assert result["ResultDeprecated"]["digest"] == image.id == result["Results"][0]["value"]["digest"]
        assert json.loads(await _content(workshop, image.id)) == image.config
        told_again = read_messages(await _content(workshop, record["logs"]["digest"]))
        assert any(each["name"] == "exporting to image" for one in told_again for each in one["vertexes"])
        assert record["Results"] == {}
        encoded = protobuf.decode(protobuf.encode(record, m.HISTORY_RECORD), m.HISTORY_RECORD)
        assert encoded["logs"]["digest"] == record["logs"]["digest"]
        assert encoded["Result"]["Results"][0]["value"]["media_type"].endswith("container.image.v1+json")

    asyncio.run(run())
