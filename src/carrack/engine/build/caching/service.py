"""The caches of one build: those it was given, asked at each step, and those it is to give in the end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from carrack.engine.build.cache import base_of
from carrack.engine.build.caching import exporting, graph, naming
from carrack.engine.build.caching.wanted import IMPORTING, check_import
from carrack.engine.build.progress import Vertex
from carrack.errors import CarrackError, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.engine.build.cache import Entry
    from carrack.engine.build.caching.exporting import CacheExporter
    from carrack.engine.build.caching.graph import Node
    from carrack.engine.build.caching.importing import Imported, Importer
    from carrack.engine.build.copying import Gathered
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.engine.build.solve import FilesOf
    from carrack.engine.build.steps import Step
    from carrack.engine.build.working import Note
    from carrack.oci.descriptor import Descriptor

log = logging.getLogger(__name__)

_TITLES = {"registry": "exporting cache to registry", "local": "exporting cache to client directory"}


class Caching:
    """Opens the caches of builds, and writes them."""

    def __init__(self, importer: Importer, exporter: CacheExporter) -> None:
        self._importer = importer
        self._exporter = exporter

    async def open(self, request: Request, progress: Progress, build: str) -> Caches:
        """Read what a build was given. One that cannot be had stops no build: it is told."""
        caches = Caches(request, self._importer, progress)
        tasks = [self._load(number, request, progress, build) for number in range(len(request.imports))]
        caches.imports = [found for found in await asyncio.gather(*tasks) if found is not None]
        return caches

    async def _load(self, number: int, request: Request, progress: Progress, build: str) -> Imported | None:
        at = request.imports[number]
        vertex = Vertex.make(build, f"{IMPORTING}{at.place}", ordinal=number)
        progress.started(vertex)
        try:
            found = await self._importer.load(check_import(at), number, request)
        except (CarrackError, OSError) as error:
            progress.ended(vertex, error=words(error))
            return None
        except BaseException as error:
            progress.ended(vertex, error=str(error) or "canceled")
            raise
        progress.ended(vertex)
        return found

    async def export(
        self, results: Sequence[Result], request: Request, progress: Progress, build: str
    ) -> list[Descriptor]:
        """Write all that is wanted of a finished build, but what is carried by its image; their manifests.

        Raises what a registry or the client has against it, unless that was to be ignored.
        """
        written = []
        for number, at in enumerate(request.exports):
            if at.kind == "inline":
                continue
            vertex = Vertex.make(build, _TITLES[at.kind], ordinal=number)
            progress.started(vertex)

            async def tell(message: dict[str, Any], vertex: Vertex = vertex) -> None:
                detail = message.get("progressDetail") or {}
                if detail.get("total"):
                    name = f"writing layer {message.get('id')}"
                    progress.moved(vertex, name, detail["current"], detail["total"])

            try:
                pointer = await self._exporter.export(at, results, request, tell)
            except BaseException as error:
                progress.ended(vertex, error=str(error) or "canceled")
                if not (isinstance(error, CarrackError | OSError) and at.flag("ignore-error")):
                    raise
                continue
            progress.moved(vertex, f"writing cache manifest {pointer.digest}", 1, 1)
            progress.ended(vertex)
            written.append(pointer)
        return written


class Caches:
    """Those of one build. ``active``: whether there are any, so that steps must be named for them."""

    def __init__(self, request: Request, importer: Importer, progress: Progress) -> None:
        self._request = request
        self._importer = importer
        self._progress = progress
        self.imports: list[Imported] = []
        self.active = bool(request.imports or request.exports)

    def image(self, result: Result) -> Node | None:
        """The node of an image that a stage begins with."""
        if not (self.active and result.layers):
            return None
        pin = result.pin if result.pin != result.base else ""  # an image by its id alone has no other name
        return graph.image(base_of(result.layers), pin, result.platform)

    async def node(self, step: Step, below: Result, files: FilesOf, gathered: Gathered | None, own: str) -> Node | None:
        """The node of a step that is about to be done."""
        if not self.active:
            return None
        return await naming.named(step, self._request, below, files, gathered, own)

    async def early(self, step: Step, below: Result, files: FilesOf, gathered: Gathered | None) -> Node | None:
        """The node of a step whose files may not be there; None where it must be done to be known."""
        return await naming.early(step, self._request, below, files, gathered)

    def promise(self, node: Node) -> bool:
        """Whether one of the given caches says that it has what a step gave, on whatever layers."""
        return any(imported.promises(node) for imported in self.imports)

    async def find(self, note: Note, node: Node) -> tuple[Entry, str] | None:
        """What one of the given caches has of a step, fetched, and which of them it was."""
        for imported in list(self.imports):
            entry = self._importer.remembered(imported, note.key)
            if entry is None:
                outcome = imported.outcome(node, note.key, note.below)
                if outcome is None:
                    continue
                try:
                    entry = await self._importer.take(imported, outcome, note)
                except (CarrackError, OSError) as error:
                    log.warning("%s: %s", imported.name, error)
                    self._progress.warned(None, f"a layer of the cache {imported.name} cannot be had: {words(error)}")
                    self.imports = [each for each in self.imports if each is not imported]
                    continue
            return entry, imported.name
        return None

    def carried(self, result: Result) -> Result:
        """The result with what its image is to carry."""
        inline = any(at.kind == "inline" for at in self._request.exports)
        return exporting.carried(result) if inline and not self._request.squash else result
