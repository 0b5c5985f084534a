"""Builds by the classic request for several platforms, or with something said about their images.

Our own command asks for them so; Docker's classic request has no words for it. Query: ``platform`` with commas,
``attest`` (``type=provenance,mode=max``) and ``annotation`` (``index:KEY=VALUE``), each as often as wanted.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from carrack.api.buildkit import products
from carrack.engine.build import annotating, attesting
from carrack.errors import NotSupported
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.engine.build.annotating import Annotations
    from carrack.engine.build.attesting import Attests, Who
    from carrack.engine.build.product import Assembled
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.request import Request
    from carrack.engine.build.service import Builder
    from carrack.engine.images.image import Image
    from carrack.oci.platform import Platform
    from carrack.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Wants:
    """What is asked for besides a plain image; false for nothing."""

    platforms: tuple[Platform, ...] = ()
    attests: Attests = attesting.NONE
    annotations: Annotations = field(default_factory=annotating.Annotations)

    def __bool__(self) -> bool:
        return len(self.platforms) > 1 or bool(self.attests) or bool(self.annotations)


def read(platform: str, attests: Sequence[str], annotations: Sequence[str]) -> Wants:
    """What somebody typed. Raises InvalidArgument."""
    wanted = tuple(dict.fromkeys(platforms.parse(each) for each in platform.split(",") if each))
    said = {f"attest:{attesting.words(each).get('type', '')}": each for each in attests}
    typed = [annotating.attributes(each) for each in annotations]
    return Wants(wanted, attesting.read(said), annotating.read({key: each[key] for each in typed for key in each}))


async def build(
    builder: Builder, wants: Wants, request: Request, names: Sequence[Reference], who: Who, progress: Progress
) -> tuple[Image, Assembled | None]:
    """Build, and put the images into the store; returns the one that the names lead to here, and the documents.

    Raises NotSupported, and what a build raises."""
    if request.squash:
        raise NotSupported("an image that is squashed is for one platform, and nothing is said about it")
    async with AsyncExitStack() as held:
        requests = products.each(request, wants.platforms)
        product = await products.solve(builder, held, requests, wants.attests, who, progress)
        done = replace(product, annotations=wants.annotations).leaving(False)
        image, made = await builder.export.product(done, names)
        await builder.give_caches([part.result for part in done.parts], requests[0], progress, who.identity)
        return image, made
