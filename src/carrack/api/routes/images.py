"""Images: everything of Docker's image API that needs no registry, and our own `bootstrap`."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from carrack.api.app import Route
from carrack.api.json_text import parse_json
from carrack.api.request import Request
from carrack.api.response import Response, empty, json_response, stream
from carrack.api.routes import image_reports, registries
from carrack.api.routes.registries import denied, sent_credentials
from carrack.api.stream import StreamWriter
from carrack.engine.images import progress
from carrack.engine.images.service import Images
from carrack.errors import CarrackError, Forbidden, InvalidArgument, NotSupported, Unauthorized
from carrack.oci import digest as digests
from carrack.oci import platform, reference
from carrack.oci.platform import Platform
from carrack.oci.reference import Reference


def routes(images: Images) -> list[Route]:
    """The route table."""
    face, transfer = _Face(images), _Transfer(images)
    return [
        Route("GET", "/images/json", face.summaries),
        Route("GET", "/images/get", transfer.save_many),
        Route("GET", "/images/{name:.*}/get", transfer.save_one),
        Route("GET", "/images/{name:.*}/history", face.history),
        Route("GET", "/images/{name:.*}/json", face.inspect),
        Route("POST", "/images/create", transfer.create),
        Route("POST", "/images/load", transfer.load),
        Route("POST", "/images/prune", face.prune),
        Route("POST", "/images/{name:.*}/tag", face.tag),
        Route("DELETE", "/images/{name:.*}", face.remove),
        Route("POST", "/commit", transfer.commit),
        Route("POST", "/carrack/images/bootstrap", transfer.bootstrap),
        *registries.routes(images),
        *image_reports.routes(images.looker),
    ]


class _Face:
    """What is here: shown, named, removed."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def summaries(self, request: Request) -> Response:
        query = request.query
        rows = await self._images.lister.summaries(
            query.filters(),
            every=query.flag("all"),
            shared=query.flag("shared-size"),
            manifests=query.flag("manifests"),
            version=request.version,
        )
        return json_response(rows)

    async def inspect(self, request: Request) -> Response:
        manifests = request.version >= (1, 48) and request.query.flag("manifests")
        wanted = _platform_since(request, (1, 49))
        if manifests and wanted is not None:
            raise InvalidArgument("conflicting options: manifests and platform options cannot both be set")
        shown = await self._images.lister.inspect(
            request.path["name"], request.version, platform=wanted, manifests=manifests
        )
        return json_response(shown)

    async def history(self, request: Request) -> Response:
        wanted = _platform_since(request, (1, 48))
        return json_response(await self._images.lister.history(request.path["name"], wanted))

    async def tag(self, request: Request) -> Response:
        if request.query.text("repo") == "sha256":
            raise InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name")
        name = reference.parse_for_tag(request.query.text("repo"), request.query.text("tag"))
        image = await self._images.store.resolve(request.path["name"])
        await self._images.store.tag(image, name)
        return empty(201)

    async def remove(self, request: Request) -> Response:
        query = request.query
        given = query.texts("platforms") if request.version >= (1, 50) else []
        answers = await self._images.remover.remove(
            request.path["name"],
            force=query.flag("force"),
            prune=not query.flag("noprune"),
            platforms=[wanted for text in given if (wanted := _platform(text)) is not None],
        )
        return json_response(answers)

    async def prune(self, request: Request) -> Response:
        answers, freed = await self._images.remover.prune(request.query.filters())
        return json_response({"ImagesDeleted": answers or None, "SpaceReclaimed": freed})


class _Transfer:
    """What comes in, goes out or is made."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def save_one(self, request: Request) -> Response:
        return self._saved([request.path["name"]], _platform_since(request, (1, 48)))

    async def save_many(self, request: Request) -> Response:
        return self._saved(request.query.texts("names"), _platform_since(request, (1, 48)))

    async def load(self, request: Request) -> Response:
        wanted = _platform_since(request, (1, 48))
        quiet = request.query.flag("quiet")

        async def produce(writer: StreamWriter) -> None:
            try:
                await self._images.loader.load(request.stream(), writer.json, platform=wanted, quiet=quiet)
            except (CarrackError, OSError) as error:
                await _fail(writer, error)

        return stream(produce)

    async def create(self, request: Request) -> Response:
        query = request.query
        if query.text("fromImage"):
            return self._pulled(request)
        if query.text("fromSrc") != "-":
            raise NotSupported(
                "importing from a URL is not built yet; fetch the file and import it from standard input"
            )
        name = _name(query.text("repo"), query.text("tag"))
        wanted = platform.parse(query.text("platform")) if query.text("platform") else None
        image = await self._images.importer.load(
            request.stream(),
            name,
            message=query.text("message"),
            instructions=query.texts("changes"),
            platform=wanted,
        )
        return json_response({"status": image.id})

    async def commit(self, request: Request) -> Response:
        query = request.query
        image = await self._images.commits.commit(
            query.text("container"),
            _name(query.text("repo"), query.text("tag")),
            overrides=await request.json_object("container.CreateRequest"),
            instructions=query.texts("changes"),
            author=query.text("author"),
            comment=query.text("comment"),
            pause=query.flag("pause", True),
        )
        return json_response({"Id": image.id}, status=201)

    async def bootstrap(self, request: Request) -> Response:
        name = request.query.text("name")
        if not name:
            raise InvalidArgument("the parameter name is required: the base image to make")

        async def produce(writer: StreamWriter) -> None:
            try:
                await self._images.bootstrapper.make(name, writer.json)
            except (CarrackError, OSError) as error:
                if not writer.started:
                    raise
                await writer.json(progress.failure(error))

        return stream(produce)

    def _pulled(self, request: Request) -> Response:
        """A failure before the first message is the answer's status, as clients expect."""
        query = request.query
        name = _pulled_name(query.text("fromImage"), query.text("tag"))
        wanted = platform.parse(query.text("platform")) if query.text("platform") else None
        given = sent_credentials(request)
        every = not name.tag and not name.digest

        async def produce(writer: StreamWriter) -> None:
            try:
                await self._images.puller.pull(name, given, writer.json, platform=wanted, all_tags=every)
            except (Unauthorized, Forbidden) as error:
                if not writer.started:
                    raise denied(error, name, given) from error
                await writer.json(progress.failure(error))
            except (CarrackError, OSError) as error:
                if not writer.started or isinstance(error, ConnectionError):
                    raise
                await writer.json(progress.failure(error))

        return stream(produce)

    def _saved(self, names: list[str], wanted: Platform | None) -> Response:
        async def produce(writer: StreamWriter) -> None:
            async with aclosing(self._images.saver.save(names, wanted)) as chunks:
                async for chunk in chunks:
                    await writer.write(chunk)

        return stream(produce, content_type="application/x-tar")


async def _fail(writer: StreamWriter, error: Exception) -> None:
    """A failed load is told in the stream, also when nothing was written before: so dockerd does, so clients expect."""
    if isinstance(error, ConnectionError):
        raise error
    await writer.json(progress.failure(error))


def _pulled_name(image: str, tag: str) -> Reference:
    """What `fromImage` and `tag` (or digest) name together: all tags of a repository when neither says one."""
    name = reference.parse(image.removesuffix(":"))
    if name.domain == reference.DEFAULT_DOMAIN and name.path == "library/scratch":
        raise Forbidden("'scratch' is a reserved name")
    if digests.is_digest(tag):
        return name.only(digest=tag)
    return name.with_tag(tag) if tag else name


def _name(repository: str, tag: str) -> Reference | None:
    return reference.parse_for_tag(repository, tag) if repository else None


def _platform_since(request: Request, version: tuple[int, int]) -> Platform | None:
    """The query's platform, a JSON object; None when absent, or when the client's version did not have it yet."""
    return _platform(request.query.text("platform")) if request.version >= version else None


def _platform(text: str) -> Platform | None:
    value: Any = parse_json(text, "failed to parse platform") if text else None
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidArgument("failed to parse platform: expected a JSON object with os and architecture")
    return platform.from_document(value)
