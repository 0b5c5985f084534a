"""What reaches a registry by its name: logins, searches, what a name stands for there, and pushes."""

from __future__ import annotations

from typing import Any

from carrack.api.app import Route
from carrack.api.json_text import parse_json
from carrack.api.request import Request
from carrack.api.response import Response, json_response, stream
from carrack.api.stream import ClientGone, StreamWriter
from carrack.engine.images import progress
from carrack.engine.images.service import Images
from carrack.errors import CarrackError, Forbidden, InvalidArgument, NotFound, Unauthorized
from carrack.oci import platform, reference
from carrack.oci.platform import Platform
from carrack.oci.reference import Reference
from carrack.registry import credentials
from carrack.registry.credentials import ANONYMOUS, Credentials


def routes(images: Images) -> list[Route]:
    """The route table."""
    face = _Face(images)
    return [
        Route("POST", "/auth", face.login),
        Route("GET", "/distribution/{name:.*}/json", face.describe),
        Route("GET", "/images/search", face.search),
        Route("POST", "/images/{name:.*}/push", face.push),
    ]


class _Face:
    def __init__(self, images: Images) -> None:
        self._images = images

    async def login(self, request: Request) -> Response:
        given = credentials.from_document(await request.json_object("registry.AuthConfig", required=True))
        return json_response(await self._images.remote.login(given))

    async def describe(self, request: Request) -> Response:
        name, given = reference.parse(request.path["name"]), sent_credentials(request)
        try:
            return json_response(await self._images.remote.describe(name, given))
        except Unauthorized as error:
            raise error if given else Forbidden(str(error)) from error

    async def search(self, request: Request) -> Response:
        query = request.query
        try:
            limit = query.integer("limit", 0) or 0
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid limit specified: {error}") from None
        found = await self._images.remote.search(query.text("term"), limit, query.filters(), sent_credentials(request))
        return json_response(found)

    async def push(self, request: Request) -> Response:
        tag, wanted = request.query.text("tag"), _platform_document(request)
        name = reference.parse(request.path["name"])
        if tag:
            name = name.with_tag(tag)
        pusher, given = self._images.pusher, sent_credentials(request)
        await pusher.check(name, wanted)

        async def produce(writer: StreamWriter) -> None:
            try:
                every = not name.tag and not name.digest
                await pusher.push(name, given, writer.json, platform=wanted, all_tags=every)
            except ClientGone:
                raise
            except (CarrackError, OSError) as error:
                await writer.json(progress.failure(error))

        return stream(produce)


def sent_credentials(request: Request) -> Credentials:
    """Those of `X-Registry-Auth`; what cannot be read counts as none, as with dockerd."""
    try:
        return credentials.decode(request.headers.get("X-Registry-Auth", ""))
    except InvalidArgument:
        return ANONYMOUS


def denied(error: Unauthorized | Forbidden, name: Reference, given: Credentials) -> CarrackError:
    """What a refused pull is told as. By a status of 401 docker's client asks for another account, on whatever its
    standard input is; so one that was given none is told in dockerd's words that there is nothing, as by dockerd."""
    if isinstance(error, Unauthorized) and given:
        return error
    text = f"pull access denied for {name.familiar_name}, repository does not exist or may require 'docker login'"
    return NotFound(f"{text}: {error}")


def _platform_document(request: Request) -> Platform | None:
    """Which of an image's platforms to push: of the API since 1.46."""
    text = request.query.text("platform") if request.version >= (1, 46) else ""
    value: Any = parse_json(text, "failed to parse platform") if text else None
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidArgument("failed to parse platform: expected a JSON object with os and architecture")
    return platform.from_document(value)
