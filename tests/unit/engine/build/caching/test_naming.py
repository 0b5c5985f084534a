"""The names of steps, against those that a real BuildKit gave the same ones."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from pathlib import Path

import pytest
from tests.fakes import cached
from tests.fakes.building import NoAgents, NoFetcher, NoMounts, Workshop
from tests.fakes.images import HOST

from carrack.dockerfile import file
from carrack.engine.build import copying, state
from carrack.engine.build.caching import config, graph, naming
from carrack.engine.build.caching.graph import Node
from carrack.engine.build.caching.operations import REMOTE, Need
from carrack.engine.build.caching.service import Caches
from carrack.engine.build.caching.wanted import CacheAt
from carrack.engine.build.copying import Fetched
from carrack.engine.build.doing import Doer
from carrack.engine.build.progress import Silent
from carrack.engine.build.request import Files, Request
from carrack.engine.build.results import Result
from carrack.engine.build.running import Job
from carrack.engine.build.solve import Solver
from carrack.engine.build.steps import CopyStep
from carrack.engine.build.working import Worker
from carrack.storage.tarheader import REGULAR, TarEntry
from carrack.storage.trees.single import SingleTree
from carrack.storage.trees.tarred import receive

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ADDED = [
    {"digest": "sha256:8970898d8b6f0b15669c807e810a479d43cfda60b65d07d13a7d12a2664c6ad8"},
    {"digest": "sha256:e7985f6e31ed15e2d74e8c9a03d15407b4a6e1432fd79e5bd3b2d5bd34024a63"},
    {"digest": "sha256:f0ce66222395f396fbab3b52b314f9d3a1ca12b42d94104901eef61ca61d2b39", "inputs": [[{"link": 0}, {
        "selector": "sha256:95743e40eac77718788f68c7c1b03a7f298348d3425cbf2965cf783a00216f8d", "link": 1,
    }]]},
]  # fmt: skip


class _Watching(Caches):
    """Remembers the nodes, by steps, and finds nothing."""

    def __init__(self, request: Request) -> None:
        super().__init__(request, None, Silent())  # type: ignore[arg-type]
        self.nodes: dict[str, Node] = {}

    def image(self, result: Result) -> Node | None:
        return graph.image(cached.recorded()["base"])

    async def find(self, note, node):  # type: ignore[no-untyped-def]
        self.nodes[note.description] = node


async def _program(job: Job, upper: Path) -> int:
    said = job.words[-1]
    if said.endswith("> /out"):
        (upper / "out").write_text("4 <2> & 3\n")
    if "passwd" in said:
        (upper / "etc").mkdir()
        (upper / "etc/passwd").write_text("root:x:0:0:::\nbob:x:9:9::/:/bin/sh\n")
        (upper / "etc/group").write_text("root:x:0:\ngrp:x:77:\n")
    return 0


@pytest.fixture
def watched(workshop: Workshop) -> _Watching:
    workshop.runner.program = _program
    workshop.bases.images["busybox:latest"] = {"config": {"Env": [_PATH]}}
    tree = receive(io.BytesIO(cached.context()), workshop.world.content.ingest())

    async def context() -> Files:
        return Files(tree)

    async def build() -> _Watching:
        parsed = file.parse(cached.DOCKERFILE)
        request = Request(parsed, context, HOST, HOST, NoAgents(), exports=(CacheAt("inline"),))
        caches = _Watching(request)
        doer = Doer(Worker(workshop.tools), NoMounts(), NoFetcher(), request, Silent())
        async with Solver(workshop.tools, workshop.bases, doer, request, Silent(), "b", caches) as solver:
            await solver.solve()
        await doer.close()
        return caches

    found = asyncio.run(build())
    tree.close()
    return found


def test_each_step_is_known_in_a_cache_of_buildkit(watched: _Watching) -> None:
    chains = config.parse(json.dumps(cached.recorded()["config"]).encode(), (), "recorded")
    unknown = [name for name, node in watched.nodes.items() if not config.find(node, chains, 0)]
    assert unknown == []
    assert len(watched.nodes) == 33


def test_what_buildkit_has_no_name_for_goes_by_our_key(workshop: Workshop) -> None:
    async def run() -> None:
        request = Request(file.parse("FROM x"), None, HOST, HOST, NoAgents(), exports=(CacheAt("inline"),))  # type: ignore[arg-type]
        caches = Caches(request, None, Silent())  # type: ignore[arg-type]
        from carrack.engine.build.steps import CopyStep

        below = Result(state.begin({}), HOST, node=graph.image("sha256:x"))
        node = await caches.node(CopyStep(("a",), "/", parents=True), below, None, None, "sha256:own")  # type: ignore[arg-type]
        assert node is not None
        assert (node.digest, node.inputs, node.own) == (graph.rooted("sha256:own"), (), "sha256:own")

    asyncio.run(run())


def test_what_a_url_gave_is_named_by_its_contents(workshop: Workshop) -> None:
    spool = workshop.world.content.ingest()
    spool.write(memoryview(b"hi\n"))
    spool.finish()
    entry = TarEntry(b"f", REGULAR, 0o600)
    entry.size = 3
    tree = SingleTree(entry, spool, hashlib.sha256(b"hi\n").digest())
    gathered = copying.gather(CopyStep(("http://h/f",), "/", remote=True), None, {"http://h/f": Fetched(tree)})
    digest = naming._fetched(Need(REMOTE, "http://h/f", ("/f",)), gathered)
    assert graph.contents(digest).digest == "sha256:6fcad735cea20f444b55fdba77d5fe31d91d0c117cdfe377792723bbc74d55b9"
    tree.close()
    spool.discard()


def test_what_a_url_gave_is_known_in_a_cache_of_dockerd(workshop: Workshop) -> None:
    """The records are all that one exported of ``FROM scratch`` and this ADD. It names the file twice: by what is in
    it, and, as a part of what the server gave, by a version of that."""
    spool = workshop.world.content.ingest()
    spool.write(memoryview(b"hello\n"))
    spool.finish()
    entry = TarEntry(b"file.txt", REGULAR, 0o600)
    entry.size = 6
    tree = SingleTree(entry, spool, hashlib.sha256(b"hello\n").digest())
    step = CopyStep(("http://h/file.txt",), "/f/", remote=True)
    gathered = copying.gather(step, None, {"http://h/file.txt": Fetched(tree)})
    request = Request(file.parse("FROM scratch"), None, HOST, HOST, NoAgents())  # type: ignore[arg-type]
    below = Result(state.begin({}), HOST)
    node = asyncio.run(naming.named(step, request, below, None, gathered, ""))  # type: ignore[arg-type]
    chains = config.parse(json.dumps({"records": _ADDED}).encode(), (), "recorded")
    assert config.find(node, chains, 0) == {2}
    tree.close()
    spool.discard()
