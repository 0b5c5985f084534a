"""Builds as buildx drives them, without its connections; with the real one in tests/cli/test_buildx.py."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.buildkit import FakeCall, FakeCaller, FakeSession, Sender
from tests.fakes.images import HOST
from tests.unit.engine.build.test_service import builder

from carrack.api.buildkit.control import Control
from carrack.errors import InvalidArgument, NotFound, NotSupported
from carrack.oci import attestation, manifest

SOLVE: dict[str, Any] = {
    "FrontendInputs": {},
    "Ref": "r", "Session": "s", "Entitlements": [], "Frontend": "", "FrontendAttrs": {}, "Exporter": "",
    "ExporterAttrs": {}, "Exporters": [{"Type": "moby", "Attrs": {"name": "app:1"}}],
}  # fmt: skip
BRIDGE = {"Definition": None, "Frontend": "dockerfile.v0", "FrontendOpt": {"filename": "Dockerfile"},
          "FrontendInputs": {}}  # fmt: skip


class OneSession:
    """See Sessions."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def find(self, identity: str) -> Any:
        return self._session


def control(workshop: Workshop, dockerfile: str = "FROM base\nCOPY a /a\nRUN x") -> Control:
    folders = {"dockerfile": Sender({"Dockerfile": dockerfile}), "context": Sender({"a": "1"})}
    sessions: Any = OneSession(FakeSession(FakeCaller(folders)))
    return Control(builder(workshop), sessions, HOST, str(workshop.room / "agents"))


async def drive(
    made: Control, bridge: dict[str, Any] | None = None, **asked: Any
) -> tuple[FakeCall, FakeCall, list[Any]]:
    """As buildx does: one call waits, the bridge builds and returns, a third watches."""
    methods, prefix = made.methods(), "/moby.buildkit.v1."
    solve = FakeCall({**SOLVE, **asked})
    name = str(asked.get("Ref", "r"))
    status, names = FakeCall({"Ref": name}), {"buildkit-controlapi-buildid": name}
    solved = FakeCall({**BRIDGE, **(bridge or {})}, **names)
    async with asyncio.TaskGroup() as group:
        solving = group.create_task(methods[f"{prefix}Control/Solve"].serve(solve))
        group.create_task(methods[f"{prefix}Control/Status"].serve(status))
        try:
            await methods[f"{prefix}frontend.LLBBridge/Solve"].serve(solved)
            result = {key: value for key, value in solved.sent[0]["result"].items() if key != "metadata"}
            returned = FakeCall({"result": result, "error": None}, **names)
            await methods[f"{prefix}frontend.LLBBridge/Return"].serve(returned)
        except BaseException:
            solving.cancel()
            raise
    return solve, solved, status.sent


def test_a_build(workshop: Workshop) -> None:
    async def run() -> None:
        solve, solved, told = await drive(control(workshop))
        answer = solve.sent[0]["ExporterResponse"]
        image = await workshop.world.store.resolve("app:1")
        assert answer["containerimage.config.digest"] == image.id
        assert b'"Cmd"' not in solved.sent[0]["result"]["metadata"]["containerimage.config"]
        names = [
            vertex["name"] for message in told for vertex in message.get("vertexes", ()) if vertex.get("completed")
        ]
        assert names[:4] == [
            "[internal] load build definition from Dockerfile",
            "[internal] load .dockerignore",
            "[internal] load metadata for docker.io/library/base:latest",
            "[1/3] FROM docker.io/library/base:latest",
        ]
        assert "[3/3] RUN x" in names
        assert names[-1] == "exporting to image"
        assert any(log["msg"] == b"ran x\n" for message in told for log in message.get("logs", ()))

    asyncio.run(run())
    assert list((workshop.world.folder / "content" / "ingest").iterdir()) == []


def test_older_clients_name_the_frontend_at_once(workshop: Workshop) -> None:
    async def run() -> None:
        call = FakeCall({**SOLVE, "Frontend": "dockerfile.v0", "FrontendAttrs": {"filename": "Dockerfile"}})
        await control(workshop).methods()["/moby.buildkit.v1.Control/Solve"].serve(call)
        assert "containerimage.digest" in call.sent[0]["ExporterResponse"]

    asyncio.run(run())


def test_a_build_of_a_name_that_another_has(workshop: Workshop) -> None:
    async def run() -> None:
        made = control(workshop)
        solve = made.methods()["/moby.buildkit.v1.Control/Solve"].serve
        first = asyncio.get_running_loop().create_task(solve(FakeCall(dict(SOLVE))))
        await asyncio.sleep(0)
        with pytest.raises(InvalidArgument, match="job ID r exists"):
            await solve(FakeCall(dict(SOLVE)))
        old = made._builds["r"]
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.get_running_loop().create_task(solve(FakeCall(dict(SOLVE))))
        await asyncio.sleep(0)
        made._forget(old)
        assert "r" in made._builds
        second.cancel()
        await asyncio.wait([second])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("bridge", "asked"),
    [
        ({"Frontend": "gateway.v0"}, {}),
        ({"FrontendOpt": {"requestid": "frontend.other"}}, {}),
        ({"Definition": {"definition": [b"x"]}}, {}),
        ({}, {"Exporters": [{"Type": "containerd", "Attrs": {}}]}),
        ({}, {"Cache": {"Exports": [{"Type": "s3", "Attrs": {}}], "Imports": []}}),
    ],
)
def test_what_is_not_built_is_refused(workshop: Workshop, bridge: dict[str, Any], asked: dict[str, Any]) -> None:
    with pytest.raises((NotSupported, ExceptionGroup)) as caught:
        asyncio.run(drive(control(workshop), bridge, **asked))
    assert "not supported" in repr(caught.value)


def test_several_platforms_and_what_is_said_of_them(workshop: Workshop) -> None:
    attributes = {"platform": "linux/arm64,linux/amd64", "attest:provenance": "mode=max", "attest:sbom": ""}

    async def run() -> None:
        made = control(workshop, "FROM base\nCOPY a /a\n")
        solve, _, told = await drive(made, {"FrontendOpt": {"filename": "Dockerfile", **attributes}})
        image = await workshop.world.store.resolve("app:1")
        assert solve.sent[0]["ExporterResponse"]["containerimage.digest"] == image.index
        assert image.config["architecture"] == "amd64"
        index = manifest.parse_index(workshop.world.content.read(image.index, 1 << 20))
        assert [attestation.is_attestation(each) for each in index.manifests] == [False, False, True, True]
        contexts = [vertex for message in told for vertex in message.get("vertexes", ())
                    if vertex["name"] == "[internal] load build context" and vertex.get("completed")]  # fmt: skip
        assert len(contexts) == 1  # one for all platforms

    asyncio.run(run())


def test_a_build_is_on_record(workshop: Workshop) -> None:
    async def run() -> None:
        made = control(workshop)
        await drive(made, Ref="r", FrontendAttrs={"filename": "Dockerfile"})
        await workshop.jobs.drain()
        record = workshop.history.get("r")
        assert record.answer["containerimage.config.digest"]
        assert (record.attributes, record.done) == ({"filename": "Dockerfile"}, record.total)
        made._builds.clear()  # as some time later
        later = FakeCall({"Ref": "r"})
        await made.methods()["/moby.buildkit.v1.Control/Status"].serve(later)
        assert any(log["msg"] == b"ran x\n" for message in later.sent for log in message.get("logs", ()))
        inner = control(workshop)
        await drive(inner, {"FrontendOpt": {"requestid": "frontend.targets"}}, Ref="r2", Internal=True)
        assert not workshop.history.has("r2")

    asyncio.run(run())


def test_results_are_there(workshop: Workshop) -> None:
    async def run() -> None:
        made = control(workshop)
        solve = FakeCall(dict(SOLVE))
        methods = made.methods()
        solving = asyncio.get_running_loop().create_task(methods["/moby.buildkit.v1.Control/Solve"].serve(solve))
        named = {"buildkit-controlapi-buildid": "r"}
        asked = FakeCall({**BRIDGE, "FrontendOpt": {"filename": "Dockerfile"}}, **named)
        await methods["/moby.buildkit.v1.frontend.LLBBridge/Solve"].serve(asked)
        evaluate = methods["/moby.buildkit.v1.frontend.LLBBridge/Evaluate"].serve
        name = asked.sent[0]["result"]["ref"]["id"]
        await evaluate(FakeCall({"Ref": name}, **named))
        with pytest.raises(NotFound):
            await evaluate(FakeCall({"Ref": "other"}, **named))
        solving.cancel()

    asyncio.run(run())


def test_nobody_waits_for_what_is_refused_at_once(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        methods = control(workshop).methods()
        solve, status = FakeCall({**SOLVE, "Exporters": [{"Type": "containerd", "Attrs": {}}]}), FakeCall({"Ref": "r"})
        with pytest.raises(NotSupported):
            await methods["/moby.buildkit.v1.Control/Solve"].serve(solve)
        bridge = FakeCall(dict(BRIDGE), **{"buildkit-controlapi-buildid": "r"})
        async with asyncio.timeout(10):  # buildx waits 20 s for the end of the status
            await methods["/moby.buildkit.v1.Control/Status"].serve(status)
            with pytest.raises(InvalidArgument, match="over"):
                await methods["/moby.buildkit.v1.frontend.LLBBridge/Solve"].serve(bridge)
        assert status.sent == []
        error = {"code": 3, "message": "this build is over", "details": []}
        returned = FakeCall({"result": None, "error": error}, **{"buildkit-controlapi-buildid": "r"})
        await methods["/moby.buildkit.v1.frontend.LLBBridge/Return"].serve(returned)

    asyncio.run(run())
    gc.collect()
    assert caplog.text == ""  # what it returned was looked at


def test_a_client_that_gives_up(workshop: Workshop) -> None:
    async def run() -> None:
        made = control(workshop)
        solve = FakeCall(dict(SOLVE))
        methods = made.methods()
        solving = asyncio.get_running_loop().create_task(methods["/moby.buildkit.v1.Control/Solve"].serve(solve))
        await asyncio.sleep(0)
        returned = FakeCall(
            {"result": None, "error": {"code": 2, "message": "no", "details": []}},
            **{"buildkit-controlapi-buildid": "r"},
        )
        await methods["/moby.buildkit.v1.frontend.LLBBridge/Return"].serve(returned)
        with pytest.raises(InvalidArgument, match="no"):
            await solving

    asyncio.run(run())


_LIMITS = ("keepDuration", "reservedSpace", "maxUsedSpace", "minFreeSpace")


def test_what_there_is(workshop: Workshop) -> None:
    async def run() -> None:
        made = control(workshop)
        await drive(made)
        methods = made.methods()
        answers = {}
        for name, message in (
            ("Control/ListWorkers", {}), ("Control/Info", {}), ("Control/DiskUsage", {"filter": []}),
            ("frontend.LLBBridge/Ping", {}),
            ("Control/Prune", {"all": True, **dict.fromkeys(_LIMITS, 0), "filter": [""]}),
        ):  # fmt: skip
            call = FakeCall(message)
            await methods[f"/moby.buildkit.v1.{name}"].serve(call)
            answers[name] = call.sent
        assert answers["Control/ListWorkers"][0]["record"][0]["platforms"][0]["Architecture"] == "amd64"
        assert answers["Control/Info"][0]["buildkitVersion"]["package"] == "carrack"
        assert len(answers["Control/DiskUsage"][0]["record"]) == 2
        assert answers["frontend.LLBBridge/Ping"][0]["FrontendAPICaps"]
        assert len(answers["Control/Prune"]) == 2

    asyncio.run(run())
