"""Exporters: where a client wants to have what it has built, in the words of buildx's ``--output``.

What of an exporter's attributes is not done is refused by name, except for what only asks for what is done anyway.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from carrack.api.buildkit import filesend
from carrack.engine.build import annotating
from carrack.engine.build.progress import Vertex
from carrack.errors import InvalidArgument, NotSupported
from carrack.oci import document, media_types, reference
from carrack.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from carrack.api.buildkit.sessions import Session
    from carrack.engine.build.export import Exporter
    from carrack.engine.build.product import Assembled, Product
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.request import Agents
    from carrack.engine.images.image import Image
    from carrack.oci.reference import Reference

Attributes = Mapping[str, str]
Answer = dict[str, str]
_IMAGES = ("moby", "image", "docker")
_NO = ("false", "0", "")
#: by what is exported: attributes that are done, and those of which only these values are
_DONE = {
    "image": ("name", "push", "unpack", "dangling-name-prefix", "registry.insecure", "load"),
    "archive": ("name", "dest"),
    "files": ("dest", "attestation-prefix", "platform-split"),
}
_AS_IT_IS = {
    "image": {"store": ("true", "1"), "compression": ("gzip",), "oci-mediatypes": ("true",)},
    "archive": {"tar": ("true", "1"), "compression": ("uncompressed",)},
    "files": {},
}


@dataclass(frozen=True, slots=True)
class Given:
    """What an export (by its number) is called by: a document, and that document; b"" where it is in the store."""

    number: int
    pointer: Descriptor
    document: bytes


@dataclass(frozen=True, slots=True)
class Exporting:
    """The exports of one build; ``given``: those that gave an image, as they are done."""

    exporter: Exporter
    session: Session
    agents: Agents
    progress: Progress
    build: str
    given: list[Given] = field(default_factory=list)

    async def run(self, wanted: Product, exports: list[dict[str, Any]]) -> Answer:
        """Do them all, one after the other. Raises NotSupported, and what a registry or the client has against it."""
        answer: Answer = {}
        for number, export in enumerate(exports):
            kind, attributes = export["Type"], export["Attrs"]
            check(kind, attributes)
            vertex = Vertex.make(self.build, _title(kind, number))
            self.progress.started(vertex)
            try:
                answer |= await self._one(kind, wanted, number, attributes, vertex)
            except BaseException as error:
                self.progress.ended(vertex, error=str(error) or "canceled")
                raise
            self.progress.ended(vertex)
        return answer

    async def _one(self, kind: str, wanted: Product, number: int, attributes: Attributes, vertex: Vertex) -> Answer:
        archived = kind == "oci" or (kind == "docker" and self._takes_files())
        do: Callable[[Product, int, Attributes, Vertex], Awaitable[Answer]]
        if archived:
            do = self._archive
        else:
            do = {"local": self._local, "tar": self._tar, "cacheonly": self._nothing}.get(kind, self._image)
        return await do(wanted, number, attributes, vertex)

    def _takes_files(self) -> bool:
        return self.session.offers(filesend.PATH)

    async def _nothing(self, wanted: Product, number: int, attributes: Attributes, vertex: Vertex) -> Answer:
        return {}

    async def _image(self, wanted: Product, number: int, attributes: Attributes, vertex: Vertex) -> Answer:
        names, pushed = _names(attributes), attributes.get("push", "") not in _NO
        if pushed and not names:
            raise InvalidArgument("tag is needed when pushing to registry")
        product = replace(wanted, annotations=annotating.read(attributes)).leaving(pushed)
        if pushed and not product.plain:
            await self.exporter.ready(product)
        image, made = await self.exporter.product(product, names)
        self.progress.moved(vertex, f"writing image {image.id}", 1, 1)
        for each in names:
            self.progress.moved(vertex, f"naming to {each}", 1, 1)
        answer = told(image, made, names)
        self.given.append(_given(number, image, made))
        if pushed:
            for each in names:
                answer["containerimage.digest"] = await self._push(each, vertex)
        return answer

    async def _push(self, name: Reference, vertex: Vertex) -> str:
        async def tell(message: dict[str, Any]) -> None:
            detail = message.get("progressDetail") or {}
            if detail.get("total"):
                self.progress.moved(vertex, f"pushing layer {message.get('id')}", detail["current"], detail["total"])

        digest = await self.exporter.push(name, await self.agents.credentials(name.domain), tell)
        self.progress.moved(vertex, f"pushing manifest for {name}@{digest}", 1, 1)
        return digest

    async def _archive(self, wanted: Product, number: int, attributes: Attributes, vertex: Vertex) -> Answer:
        names = _names(attributes)
        product = replace(wanted, annotations=annotating.read(attributes)).leaving(False)
        archived = await self.exporter.archive(product, names)
        async with aclosing(archived.chunks):
            await filesend.send_file(self.session, number, archived.chunks)
        self.progress.moved(vertex, "sending tarball", 1, 1)
        self.given.append(Given(number, archived.manifest, archived.document))
        answer = {
            "containerimage.digest": archived.manifest.digest,
            "containerimage.descriptor": _encoded(archived.manifest),
        }
        if archived.id:
            answer["containerimage.config.digest"] = archived.id
        return answer | ({"image.name": _joined(names)} if names else {})

    async def _local(self, wanted: Product, number: int, attributes: Attributes, vertex: Vertex) -> Answer:
        product, words = wanted.leaving(False), _files(attributes)
        async with self.exporter.tree(product, words.prefix, split=words.split) as tree:
            await filesend.send_tree(self.session, number, tree, wanted.epoch)
        self.progress.moved(vertex, "copying files", 1, 1)
        return {}

    async def _tar(self, wanted: Product, number: int, attributes: Attributes, vertex: Vertex) -> Answer:
        product, words = wanted.leaving(False), _files(attributes)
        async with aclosing(self.exporter.tar(product, wanted.epoch, words.prefix, split=words.split)) as chunks:
            await filesend.send_file(self.session, number, chunks)
        self.progress.moved(vertex, "sending tarball", 1, 1)
        return {}


def told(image: Image, made: Assembled | None, names: Sequence[Reference]) -> Answer:
    """What is said of an image in the store; ``made``: its documents where it is more than a config."""
    # an image is called by its config; where there are several, by what leads to all of them
    answer = {"containerimage.digest": image.id, "containerimage.config.digest": image.id}
    if made is not None:
        answer["containerimage.descriptor"] = _encoded(made.top)
        if len(made.parts) > 1:
            answer = {**answer, "containerimage.digest": made.top.digest}
            del answer["containerimage.config.digest"]
    return answer | ({"image.name": _joined(names)} if names else {})


def _given(number: int, image: Image, made: Assembled | None) -> Given:
    if made is not None:
        return Given(number, made.top, made.document)
    return Given(number, Descriptor(media_types.DOCKER_CONFIG, image.id, 0), b"")


def check(kind: str, attributes: Attributes) -> None:
    """Raise NotSupported for an exporter, or an attribute of one, that is not done."""
    family = "image" if kind in _IMAGES else {"oci": "archive", "local": "files", "tar": "files"}.get(kind, "")
    if kind == "cacheonly":
        return
    if not family:
        raise NotSupported(f"the exporter {kind} is not supported by this version of Carrack")
    done = _DONE[family] if kind != "docker" else (*_DONE[family], *_DONE["archive"])
    as_it_is = _AS_IT_IS[family] if kind != "docker" else _AS_IT_IS["archive"]
    for key, value in attributes.items():
        annotated = family != "files" and annotating.is_one(key)
        if key in done or annotated or value in as_it_is.get(key, _NO):
            continue
        hint = ": a layer goes out as it came, and one that never travelled as gzip" if key == "compression" else ""
        raise NotSupported(f"{key}={value} of the exporter {kind} is not supported by this version of Carrack{hint}")


@dataclass(frozen=True, slots=True)
class _Files:
    """How files are given out: see Exporter.tree."""

    prefix: str
    split: bool | None


def _files(attributes: Attributes) -> _Files:
    said = attributes.get("platform-split", "")
    return _Files(attributes.get("attestation-prefix", ""), None if not said else said not in _NO)


def _title(kind: str, number: int) -> str:
    words = {"local": "exporting to client directory", "tar": "exporting to client tarball", "oci": "exporting to oci "
             "image format"}  # fmt: skip
    title = words.get(kind, "exporting to image")
    return title if not number else f"{title} ({number + 1})"


def _names(attributes: Attributes) -> list[Reference]:
    return [reference.parse(word).with_default_tag() for word in attributes.get("name", "").split(",") if word]


def _joined(names: Sequence[Reference]) -> str:
    return ",".join(str(name) for name in names)


def _encoded(descriptor: Descriptor) -> str:
    return base64.b64encode(document.encode(descriptor.document())).decode()
