"""BuildKit's Control and LLBBridge services: a build asked for by one call, driven by others, watched by a third.

buildx calls ``Solve`` without a frontend and then drives the build itself: it asks the bridge to solve the Dockerfile,
and ``Return``s what it got, upon which the first call exports it and ends. Older clients name the frontend at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carrack import __version__
from carrack.api.buildkit import attributes, contents, products, ruling, subrequests
from carrack.api.buildkit import messages as m
from carrack.api.buildkit.attributes import FRONTEND
from carrack.api.buildkit.client import SessionAgents
from carrack.api.buildkit.enclosing import Enclosing
from carrack.api.buildkit.exporting import Exporting, check
from carrack.api.buildkit.histories import Histories
from carrack.api.buildkit.inputs import Inputs
from carrack.api.buildkit.linking import Results
from carrack.api.buildkit.pointing import pointed
from carrack.api.buildkit.sessions import METHOD
from carrack.api.buildkit.usage import Usage
from carrack.api.buildkit.watching import messages
from carrack.dockerfile import file, ignore
from carrack.engine.build import emulation, policies
from carrack.engine.build.attesting import Who
from carrack.engine.build.caching.wanted import CacheAt, check_export
from carrack.engine.build.history import Record
from carrack.engine.build.recording import Recording
from carrack.engine.build.request import Elsewhere, Limits, Request
from carrack.errors import InvalidArgument, NotFound, NotSupported
from carrack.http import tunnel
from carrack.http.grpc import ANSWERS, STREAM, UNARY, Method, Refused
from carrack.oci import document
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from carrack.api.buildkit.sessions import Session, Sessions
    from carrack.engine.build.policies import Policy
    from carrack.engine.build.product import Product
    from carrack.engine.build.service import Builder
    from carrack.oci.platform import Platform

log = logging.getLogger(__name__)

_PATIENCE = 10.0
_VERSION = {"package": "carrack", "version": f"v{__version__}", "revision": ""}
_NAMES = ("exporter.multiple", "exporter.image.attestations", "exporter.image.annotations", "gc.freespacefilter")
_FEATURES = [{"ID": name, "Enabled": True} for name in _NAMES]
#: of a worker; from one that names its snapshotter, buildx expects archives, pushes and lists of platforms
_LABEL = "org.mobyproject.buildkit.worker."
_CAPABILITIES = (
    "solve.base", "solve.inlinereturn", "resolveimage", "resolveimage.resolvemode", "readfile", "return", "returnmap",
    "readdir", "statfile", "importcaches", "proto.refarray", "reference.output", "frontend.inputs", "frontend.caps",
    "gateway.solve.metadata", "gateway.evaluate", "gateway.warnings",
)  # fmt: skip


@dataclass(slots=True)
class _Build:
    """One build: what watches it, what it holds, and what its client wants to have of it."""

    watching: Recording
    held: AsyncExitStack = field(default_factory=AsyncExitStack)
    results: dict[str, Product] = field(default_factory=dict)
    returned: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    session: str = ""
    ref: str = ""
    source: bytes = b""
    enclosing: Enclosing | None = None
    allow: frozenset[str] = frozenset()
    over: bool = False
    caches: tuple[CacheAt, ...] = ()
    policy: Policy = policies.ALL


class Control:
    """Answers calls. ``room``: for sockets of ssh agents."""

    def __init__(self, builder: Builder, sessions: Sessions, host: Platform, room: str) -> None:
        self._builder = builder
        self._usage = Usage(builder.cache)
        self._sessions = sessions
        self._host = host
        self._room = room
        self._builds: dict[str, _Build] = {}
        self._results = Results()
        self._news = asyncio.Event()

    def methods(self) -> dict[str, Method]:
        """By path, what is answered."""
        control, bridge = "/moby.buildkit.v1.Control/", "/moby.buildkit.v1.frontend.LLBBridge/"
        return {
            f"{control}Solve": Method(self._solve, UNARY, m.SOLVE, m.SOLVED),
            f"{control}Status": Method(self._status, ANSWERS, m.STATUS, m.STATUSES),
            f"{control}ListWorkers": Method(self._workers, UNARY, m.EMPTY, m.WORKERS),
            f"{control}Info": Method(self._info, UNARY, m.EMPTY, m.INFO),
            f"{control}Session": Method(self._session_here, STREAM, m.BYTES, m.BYTES),
            f"{bridge}Ping": Method(self._ping, UNARY, m.EMPTY, m.PONG),
            f"{bridge}Solve": Method(self._bridge_solve, UNARY, m.BRIDGE_SOLVE, m.BRIDGE_SOLVED),
            f"{bridge}Evaluate": Method(self._evaluate, UNARY, m.EVALUATE, m.EMPTY),
            f"{bridge}Return": Method(self._return, UNARY, m.RETURN, m.EMPTY),
            **self._usage.methods(),
            **Histories(self._builder.history, self._builder.tools.content).methods(),
        }

    async def _solve(self, call: Any) -> None:
        asked = await call.recv_message()
        before = self._builds.get(asked["Ref"])
        if before is not None and not before.over:
            raise InvalidArgument(f"job ID {asked['Ref']} exists")  # in BuildKit's words
        build = _Build(Recording(), session=asked["Session"], ref=asked["Ref"], allow=frozenset(asked["Entitlements"]))
        self._builds[asked["Ref"]] = build
        self._news.set()
        self._news = asyncio.Event()
        try:
            exports = _exports(asked)
            _refuse(asked, exports)  # now that its status can be asked for, and ends: buildx waits 20 s for that end
            build.caches = tuple(_cache_exports(asked))
            build.policy = ruling.policy(asked.get("SourcePolicy"))
            async with self._on_record(asked, exports, build) as record, build.held:
                if asked["Frontend"]:
                    name = await self._run(build, asked)
                else:
                    name = await build.returned
                answer = record.answer = await self._export(build, name, exports)
            await call.send_message({"ExporterResponse": answer})
        except asyncio.CancelledError:
            log.info("build %s was cut off: its client has gone", asked["Ref"])
            raise
        finally:
            build.over = True
            build.watching.close()
            asyncio.get_running_loop().call_later(_PATIENCE, self._forget, build)

    def _forget(self, build: _Build) -> None:
        if self._builds.get(build.ref) is build:
            del self._builds[build.ref]

    def _on_record(
        self, asked: dict[str, Any], exports: list[dict[str, Any]], build: _Build
    ) -> AbstractAsyncContextManager[Record]:
        """The place of a build in the history; what a client calls internal, as its questions, has none."""
        attributes = asked["FrontendAttrs"]
        if asked.get("Internal"):
            return nullcontext(Record(asked["Ref"], FRONTEND))
        build.enclosing = Enclosing(self._builder.export.describe, self._builder.tools.content)
        return self._builder.history.of(
            asked["Ref"], FRONTEND, attributes, exports, build.watching, build.enclosing
        )  # fmt: skip

    async def _find(self, ref: str) -> _Build:
        try:
            async with asyncio.timeout(_PATIENCE):
                while ref not in self._builds:
                    await self._news.wait()
        except TimeoutError:
            raise NotFound(f"no such job {ref}") from None
        return self._builds[ref]

    async def _status(self, call: Any) -> None:
        asked = await call.recv_message()
        if asked["Ref"] in self._builds or not self._builder.history.has(asked["Ref"]):
            bursts = (await self._find(asked["Ref"])).watching.bursts()
        else:
            bursts = self._builder.history.bursts(asked["Ref"])
        async for message in messages(bursts):
            await call.send_message(message)

    async def _run(self, build: _Build, asked: dict[str, Any]) -> str:
        """Build a Dockerfile; returns the name of its result."""
        frontend, attrs = asked["Frontend"], asked["FrontendOpt"] if "FrontendOpt" in asked else asked["FrontendAttrs"]
        attributes.frontend(frontend, attrs)
        wanted = attributes.read(attrs)
        if wanted.request:
            raise NotSupported(f"the request {wanted.request} is not supported without the client's own build loop")
        session = await self._sessions.find(build.session)
        with pointed(build.watching):
            linked = self._results.inputs(asked["FrontendInputs"], wanted.contexts)
            request = await self._request(build, session, wanted, linked)
            requests = products.each(request, [platforms.parse(each) for each in wanted.platforms])
            who = Who(attrs, build.ref, build.source, tuple(wanted.locals))
            product = await products.solve(
                self._builder, build.held, requests, wanted.attests, who, build.watching, wanted.several
            )  # fmt: skip
        if build.enclosing is not None:
            build.enclosing.who = who
        name = f"result-{len(build.results)}"
        build.results[name] = product
        self._results.add(_called(build, name), product)
        build.held.callback(self._results.remove, _called(build, name))
        return name

    async def _request(
        self, build: _Build, session: Session, wanted: attributes.Wanted, linked: dict[str, Elsewhere]
    ) -> Request:
        agents = SessionAgents(session, self._room)
        inputs = Inputs(self._builder, session, agents, wanted, build.watching, build.held, linked, build.policy)
        source = build.source = await inputs.definition()
        contexts = {name: inputs.named(name, text) for name, text in wanted.contexts.items()}
        platform = platforms.parse(wanted.platforms[0]) if wanted.platforms else self._host
        return Request(
            file=file.parse(source), context=inputs.context, build_platform=self._host, platform=platform,
            agents=agents, arguments=wanted.arguments, labels=wanted.labels,
            contexts=contexts, target=wanted.target, network=wanted.network, extra_hosts=wanted.extra_hosts,
            hostname=wanted.hostname or "buildkitsandbox", no_cache=wanted.no_cache,
            no_cache_stages=wanted.no_cache_stages, pull=wanted.pull, allow=build.allow,
            ignored=ignore.Ignored(inputs.patterns), limits=Limits(wanted.host_config), epoch=wanted.epoch,
            identity=f"{session.id}/{wanted.filename}",
            imports=wanted.cache_imports, exports=build.caches, stores=contents.opener(session), policy=build.policy,
        )  # fmt: skip

    async def _export(self, build: _Build, name: str, exports: list[dict[str, Any]]) -> dict[str, str]:
        product = build.results.get(name)
        if product is None:
            return {}
        session = await self._sessions.find(build.session)
        agents = SessionAgents(session, self._room)
        exporting = Exporting(self._builder.export, session, agents, build.watching, build.session)
        if build.enclosing is not None:
            build.enclosing.product, build.enclosing.given = product, exporting.given
        answer = await exporting.run(product, exports)
        results, request = [part.result for part in product.parts], product.parts[0].request
        if request is not None:
            for cache in await self._builder.give_caches(results, request, build.watching, build.session):
                answer["cache.manifest"] = document.encode(cache.document()).decode()
        return answer

    async def _bridge_solve(self, call: Any) -> None:
        asked = await call.recv_message()
        build = await self._find(_build_id(call))
        if build.over:  # refused before it began: its session may be gone, and would be waited for
            raise InvalidArgument("this build is over")
        if asked["Definition"] is not None and asked["Definition"]["definition"]:
            raise NotSupported("builds of another frontend's graph are not supported by this version of Carrack")
        wanted = attributes.read(asked["FrontendOpt"])
        if wanted.request and asked["Frontend"] == FRONTEND:
            await call.send_message({"result": {"metadata": await self._answer(build, wanted)}})
            return
        name = await self._run(build, asked)
        await call.send_message({"result": products.answer(name, build.results[name], _called(build, name))})

    async def _answer(self, build: _Build, wanted: attributes.Wanted) -> dict[str, bytes]:
        """What is asked about a Dockerfile instead of its build."""
        session = await self._sessions.find(build.session)
        agents = SessionAgents(session, self._room)
        inputs = Inputs(self._builder, session, agents, wanted, build.watching, build.held, policy=build.policy)
        source = await inputs.definition()
        platform = platforms.parse(wanted.platforms[0]) if wanted.platforms else self._host
        return await subrequests.answer(wanted, source, inputs.patterns, self._builder, platform)

    async def _evaluate(self, call: Any) -> None:
        """Have a result: it is there, for a solve ends no sooner."""
        asked = await call.recv_message()
        build = await self._find(_build_id(call))
        if asked["Ref"].partition("/")[0] not in build.results:
            raise NotFound(f"no result {asked['Ref']} of this build")
        await call.send_message({})

    async def _return(self, call: Any) -> None:
        asked = await call.recv_message()
        build = await self._find(_build_id(call))
        if not build.returned.done():
            if asked["error"] is not None:
                error = asked["error"]
                build.returned.set_exception(Refused(error["message"], error["details"]))
                build.returned.exception()  # looked at: nobody waits for it where the solve was refused or cut off
            else:
                build.returned.set_result(products.returned(asked["result"]))
        await call.send_message({})

    async def _ping(self, call: Any) -> None:
        await call.recv_message()
        caps = [{"ID": name, "Enabled": True} for name in _CAPABILITIES]
        await call.send_message({"FrontendAPICaps": caps, "LLBCaps": _FEATURES, "Workers": [self._worker()]})

    async def _workers(self, call: Any) -> None:
        await call.recv_message()
        await call.send_message({"record": [self._worker()]})

    def _worker(self) -> dict[str, Any]:
        labels = {_LABEL + "executor": "carrack", _LABEL + "snapshotter": "carrack"}
        shown = [{"Architecture": name, "OS": self._host.os} for name in emulation.runnable(self._host)]
        shown[0]["Variant"] = self._host.variant
        return {
            "ID": "carrack", "Labels": labels, "platforms": shown, "GCPolicy": self._usage.rules(),
            "BuildkitVersion": _VERSION,
        }  # fmt: skip

    async def _info(self, call: Any) -> None:
        await call.recv_message()
        await call.send_message({"buildkitVersion": _VERSION})

    async def _session_here(self, call: Any) -> None:
        """A session of a client that speaks HTTP/2 from its first byte; others come to ``/session``."""
        async with tunnel.opened(call) as stream:
            methods = [str(each) for each in call.metadata.getall(METHOD.lower(), [])]
            headers = {name.title(): str(value) for name, value in call.metadata.items()}
            await self._sessions.serve(stream, headers, methods)


def _exports(asked: dict[str, Any]) -> list[dict[str, Any]]:
    if asked["Exporters"]:
        exports: list[dict[str, Any]] = asked["Exporters"]
        return exports
    return [{"Type": asked["Exporter"], "Attrs": asked["ExporterAttrs"]}] if asked["Exporter"] else []


def _refuse(asked: dict[str, Any], exports: list[dict[str, Any]]) -> None:
    """Refuse, before anything is built, what cannot be exported."""
    for export in exports:
        check(export["Type"], export["Attrs"])


def _cache_exports(asked: dict[str, Any]) -> list[CacheAt]:
    """The caches that are to be given. Raises NotSupported, InvalidArgument, before anything is built."""
    listed = (asked.get("Cache") or {}).get("Exports", ())
    return [check_export(CacheAt(each["Type"], each["Attrs"])) for each in listed]


def _called(build: _Build, name: str) -> str:
    """What other builds call a result of this one by."""
    return f"{build.ref}.{name}"


def _build_id(call: Any) -> str:
    """Of which build a call of the bridge is."""
    name: str = call.metadata.get("buildkit-controlapi-buildid", "")
    if not name:
        raise InvalidArgument("a call of the bridge names no build")
    return name
