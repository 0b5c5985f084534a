"""Building by Docker's classic request: a context as a tar in, a stream of messages out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from carrack.api.app import Route
from carrack.api.buildkit import exporting
from carrack.api.buildkit.control import Control
from carrack.api.buildkit.sessions import METHOD, Sessions
from carrack.api.folders import Folders, FolderStore
from carrack.api.json_text import parse_json
from carrack.api.response import HIJACKED, JSON, Response, json_response, stream
from carrack.api.routes import history, own_words, whole_builds
from carrack.api.routes.build_contexts import BuildContexts, secrets_of
from carrack.dockerfile.problem import DockerfileError, excerpt
from carrack.engine.build import order
from carrack.engine.build.attesting import Who
from carrack.engine.build.caching import wanted
from carrack.engine.build.classic import Classic
from carrack.engine.build.limits import Limits
from carrack.engine.build.product import Part, Product
from carrack.engine.build.recording import Both, Culprit, Recording
from carrack.engine.images import progress
from carrack.errors import CarrackError, InvalidArgument, NotFound, NotSupported
from carrack.http import grpc
from carrack.oci import reference
from carrack.oci.platform import of_machine
from carrack.registry.credentials import decode_config

if TYPE_CHECKING:
    from carrack.api.request import Query, Request
    from carrack.api.stream import StreamWriter
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.engine.build.history import Record
    from carrack.engine.build.request import Request as Wanted
    from carrack.engine.build.service import Builder
    from carrack.engine.images.image import Image
    from carrack.storage.trees.base import Tree

_OUTPUT = "carrack.build.output"  # the id of messages that carry a tar, in base64
_NUMBERS = {
    "memory": "Memory", "memswap": "MemorySwap", "cpushares": "CpuShares", "cpuperiod": "CpuPeriod",
    "cpuquota": "CpuQuota", "shmsize": "ShmSize",
}  # fmt: skip
_TEXTS = {"cpusetcpus": "CpusetCpus", "cpusetmems": "CpusetMems", "cgroupparent": "CgroupParent"}


def routes(builder: Builder, room: str) -> list[Route]:
    """The route table. ``room``: a folder for sockets of clients' ssh agents."""
    face, kit = _Face(builder, room), _Kit(builder, room)
    return [
        Route("POST", "/session", kit.session),
        Route("POST", "/grpc", kit.grpc),
        Route("POST", "/build", face.build),
        *face.contexts.routes(),
        Route("POST", "/build/folders", face.folders),
        Route("POST", "/build/prune", face.prune),
        Route("POST", "/build/cancel", face.cancel),
        *history.routes(builder.history),
    ]


class _Kit:
    """BuildKit's face."""

    def __init__(self, builder: Builder, room: str) -> None:
        self._sessions = Sessions()
        control = Control(builder, self._sessions, of_machine(os.uname().machine), room)
        self._service = grpc.Service(control.methods())

    async def session(self, request: Request) -> Response:
        stream = await request.hijack(upgrade="h2c")
        await self._sessions.serve(stream, request.headers, request.header_values(METHOD))
        return HIJACKED

    async def grpc(self, request: Request) -> Response:
        stream = await request.hijack(upgrade="h2c")
        await self._service.serve(stream)
        return HIJACKED


@dataclass(frozen=True, slots=True)
class _Job:
    """One classic build."""

    asked: order.Asked
    tree: Tree
    made: Wanted
    names: list[reference.Reference]
    classic: Classic
    wants: whole_builds.Wants

    @classmethod
    def of(cls, asked: order.Asked, tree: Tree, wants: whole_builds.Wants, *, alone: bool = False) -> _Job:
        """Raises InvalidArgument for what is wrong before anything is done."""
        try:
            made = order.request(asked, tree, alone=alone)
            names = [reference.parse_for_tag(name, "") for name in asked.names]
            classic = Classic(order.told(made), quiet=asked.quiet, explain=asked.explain)
        except DockerfileError as error:
            source = order.read(tree, asked.dockerfile)
            raise InvalidArgument(f"{error}{_shown(Culprit(asked.dockerfile, source, error.place), asked)}") from error
        return cls(asked, tree, made, names, classic, wants)


class _Face:
    def __init__(self, builder: Builder, room: str) -> None:
        self._builder = builder
        self._folders = Folders()
        self.contexts = BuildContexts(builder, self._folders, room)

    async def build(self, request: Request) -> Response:
        """The context is taken in whole before anything is answered, so that a bad one is refused with a status."""
        asked = own_words.read(request.query, replace(_asked(request), stores=self._stores(request.query)))
        outputs, wants = _outputs(request.query), _wants(request.query)
        if outputs and wants:
            raise InvalidArgument("outputs: files of several platforms, and of what is said about them, need buildx")
        asked = self.contexts.lent(request.query, asked)
        held = AsyncExitStack()
        try:
            asked = self.contexts.named.opened(asked, held)
            if asked.remote:
                return stream(lambda writer: self._elsewhere(asked, wants, outputs, held, writer), content_type=JSON)
            tree = await self.contexts.received(request)
            held.callback(tree.close)
            job = _Job.of(asked, tree, wants)
        except BaseException:
            await held.aclose()
            raise

        async def produce(writer: StreamWriter) -> None:
            async with held:
                await self._run(job, outputs, writer)

        return stream(produce, content_type=JSON)

    async def _elsewhere(
        self, asked: order.Asked, wants: whole_builds.Wants, outputs: bool, held: AsyncExitStack, writer: StreamWriter
    ) -> None:
        """Build a context that has to be fetched."""
        async with held:
            try:
                asked, tree, alone = await self.contexts.fetched(asked, held, writer.json)
                job = _Job.of(asked, tree, wants, alone=alone)
            except (CarrackError, OSError) as error:
                if not writer.started:
                    raise
                await writer.json(progress.failure(error))  # how far the download was has been told already
                return
            await self._run(job, outputs, writer)

    async def _run(self, job: _Job, outputs: bool, writer: StreamWriter) -> None:
        told = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._give(job, writer, told) if outputs else self._build(job))
                async for messages in job.classic.messages():
                    await (writer.end if job.classic.over and not outputs else writer.json)(*messages)
                told.set()
        except ExceptionGroup as failures:  # a client that has gone, most likely
            raise failures.exceptions[0] from None

    async def _build(self, job: _Job) -> None:
        asked, classic = job.asked, job.classic
        try:
            async with self._on_record(job, "image") as (record, watched):
                image, record.answer = await self._built(job, record.ref, watched)
            short = image.id.removeprefix("sha256:")[:12]
            classic.close_steps()
            if asked.quiet:
                classic.tell({"stream": image.id + "\n"})
                return
            metadata = (
                {"Metadata": {**record.answer, "buildx.build.ref": record.ref}} if asked.style != "classic" else {}
            )
            classic.tell({"aux": {"ID": image.id, **metadata}})
            classic.tell(progress.line(f"Successfully built {short}"))
            for name in job.names:
                classic.tell(progress.line(f"Successfully tagged {name.familiar}"))
        except (CarrackError, OSError) as error:
            classic.close_steps()
            classic.tell(progress.failure(error))
        finally:
            classic.close()

    async def _built(self, job: _Job, ref: str, watched: Both) -> tuple[Image, dict[str, str]]:
        """The image, and what BuildKit's exporter of images would say of it."""
        asked, made = job.asked, None
        if job.wants:
            folders = () if asked.remote else ("context", "dockerfile")
            who = Who(order.attributes(asked), ref, order.read(job.tree, asked.dockerfile), folders)
            image, made = await whole_builds.build(self._builder, job.wants, job.made, job.names, who, watched)
        else:
            image = (await self._builder.build(job.made, job.names, watched, asked.identity)).image
        return image, exporting.told(image, made, job.names)

    async def _give(self, job: _Job, writer: StreamWriter, told: asyncio.Event) -> None:
        """Build, and send the files as a tar in messages of their own after all others; no image is made."""
        classic = job.classic
        try:
            async with (
                self._on_record(job, "tar") as (_, watched),
                self._builder.solved(job.made, watched, job.asked.identity) as result,
            ):
                await self._builder.give_caches([result], job.made, watched, job.asked.identity)
                classic.close_steps()
                classic.close()
                await told.wait()
                product = Product((Part(result),), epoch=job.made.epoch)
                async with contextlib.aclosing(self._builder.export.tar(product, job.made.epoch)) as chunks:
                    async for chunk in chunks:
                        await writer.json({"id": _OUTPUT, "aux": {"Data": base64.b64encode(chunk).decode()}})
        except (CarrackError, OSError) as error:
            classic.close_steps()
            classic.close()
            await told.wait()
            await writer.json(progress.failure(error))

    @asynccontextmanager
    async def _on_record(self, job: _Job, kind: str) -> AsyncIterator[tuple[Record, Both]]:
        """The build's place in the history, and who watches it."""
        asked = job.asked
        recording, ref = Recording(), asked.identity or secrets.token_hex(12)
        recording.reads(asked.dockerfile, order.read(job.tree, asked.dockerfile))
        exports = [{"Type": kind, "Attrs": {"name": ",".join(asked.names)} if asked.names else {}}]
        frontend = "dockerfile.v0" if asked.style == "buildkit" else "classic"
        with self._builder.cancellable(ref):
            async with self._builder.history.of(ref, frontend, order.attributes(asked), exports, recording) as record:
                try:
                    yield record, Both(job.classic, recording)
                except (CarrackError, OSError) as error:
                    job.classic.close_steps()
                    if lines := _shown(recording.culprit(error), asked):
                        job.classic.tell({"stream": lines})
                    raise

    async def folders(self, request: Request) -> Response:
        """A connection for folders of the client's, for as long as it wants."""
        stream = await request.hijack()
        await self._folders.serve(stream, request.query.text("id"))
        return HIJACKED

    def _stores(self, query: Query) -> Callable[[CacheAt], FolderStore] | None:
        return self._folders.opener(query.text("folders")) if query.text("folders") else None

    async def prune(self, request: Request) -> Response:
        query = request.query
        limits = Limits(
            every=query.flag("all"),
            reserved=_space(query, "reserved-space") or _space(query, "keep-storage"),
            most=_space(query, "max-used-space"),
            free=_space(query, "min-free-space"),
        )
        return json_response(await self._builder.cache.asked(limits, query.filters()))

    async def cancel(self, request: Request) -> Response:
        with contextlib.suppress(NotFound):  # it may have ended just now
            self._builder.cancel(request.query.text("id"))
        return Response(200, content_type=JSON)


def _space(query: Query, name: str) -> int:
    try:
        return query.integer(name) or 0
    except InvalidArgument:
        text = query.text(name)
        raise InvalidArgument(
            f'{name} is in bytes and expects an integer, got {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        ) from None


def _asked(request: Request) -> order.Asked:
    query = request.query
    if query.texts("securityopt"):
        raise NotSupported(
            "security options of a build are not supported on Linux: its programs have the default guards"
        )
    if query.text("isolation") not in ("", "default"):
        raise InvalidArgument(f"unsupported isolation: {query.text('isolation')!r}: there is the default one on Linux")
    if query.text("version") == "2":
        raise InvalidArgument("version=2 needs a session; build with buildx, or with DOCKER_BUILDKIT=0")
    if query.text("version") not in ("", "1"):
        raise InvalidArgument(f'invalid version "{query.text("version")}"')
    classic, sources = query.text("style") != "buildkit", wanted.listed(query.text("cachefrom"), "cachefrom")
    return order.Asked(
        dockerfile=query.text("dockerfile") or order.DOCKERFILE,
        remote=query.text("remote"),
        names=tuple(query.texts("t")),
        arguments=_map(query.text("buildargs"), "buildargs"),
        labels=_map(query.text("labels"), "labels"),
        target=query.text("target"),
        platform=query.text("platform").partition(",")[0],
        network=query.text("networkmode"),
        extra_hosts=tuple(query.texts("extrahosts")),
        quiet=query.flag("q"),
        no_cache=query.flag("nocache"),
        pull=query.flag("pull"),
        identity=query.text("buildid"),
        explain=query.flag("explain"),
        squash=query.flag("squash"),
        style="classic" if classic else "buildkit",
        host_config=_limits(query),
        credentials=decode_config(request.headers.get("X-Registry-Config", "")),
        secrets=secrets_of(request),
        imports=() if classic else tuple(sources),
        exports=tuple(map(wanted.check_export, wanted.listed(query.text("cacheto"), "cacheto"))),
        ancestors=tuple(each.place for each in sources) if classic else (),
    )


def _shown(culprit: Culprit | None, asked: order.Asked) -> str:
    """The lines that a build failed of; dockerd's classic builder shows none."""
    if culprit is None or asked.style != "buildkit":
        return ""
    return f"\n{excerpt(culprit.source.decode('utf-8', 'replace'), culprit.place, culprit.name)}\n"


def _wants(query: Query) -> whole_builds.Wants:
    """What docker's classic command has no words for. Raises InvalidArgument."""
    wants = whole_builds.read(query.text("platform"), query.texts("attest"), query.texts("annotation"))
    if wants and query.text("style") != "buildkit":
        raise InvalidArgument("several platforms, attestations and annotations need style=buildkit, or buildx")
    return wants


def _outputs(query: Query) -> bool:
    """Whether the files of what is built are wanted instead of an image. Raises InvalidArgument, NotSupported."""
    try:
        wanted = json.loads(query.text("outputs") or "[]")
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"outputs: invalid JSON: {error}") from None
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise InvalidArgument("outputs: must be a list of objects")
    for each in wanted:
        if each.get("Type") != "tar" or each.get("Attrs"):
            raise NotSupported(f"outputs: the type {each.get('Type')!r} needs a session: build with buildx")
    return bool(wanted)


def _limits(query: Query) -> dict[str, Any]:
    """What the programs of a build may use, in the names of a HostConfig."""
    numbers = {name: query.integer(word) for word, name in _NUMBERS.items() if query.text(word)}
    texts = {name: query.text(word) for word, name in _TEXTS.items() if query.text(word)}
    found: dict[str, Any] = {**numbers, **texts}
    if query.text("ulimits"):
        try:
            found["Ulimits"] = json.loads(query.text("ulimits"))
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"ulimits: invalid JSON: {error}") from None
    return found


def _map(text: str, name: str) -> dict[str, str]:
    """A JSON object of strings; a null value counts as not given."""
    if not text:
        return {}
    value = parse_json(text, f"{name}: invalid JSON")
    if not isinstance(value, dict) or not all(isinstance(word, str | None) for word in value.values()):
        raise InvalidArgument(f"{name}: must be an object of strings")
    return {key: word for key, word in value.items() if word is not None}
