"""Where stages begin: images of the store, pulled when they are not here or when fresh ones are wanted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from carrack.engine.build import state
from carrack.engine.build.judging import judged
from carrack.engine.build.results import Result
from carrack.engine.images import progress as telling
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.oci import image_config, reference

if TYPE_CHECKING:
    from carrack.engine.build.progress import Progress, Vertex
    from carrack.engine.build.request import Request
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.pull import Puller
    from carrack.engine.images.store import ImageStore
    from carrack.oci.platform import Platform

_IMAGE = "docker-image://"


class ImageBases:
    """See Bases of carrack.engine.build.solve."""

    def __init__(self, store: ImageStore, layers: LayerStore, puller: Puller) -> None:
        self._store = store
        self._layers = layers
        self._puller = puller

    async def result(
        self, name: str, platform: Platform, request: Request, vertex: Vertex, progress: Progress
    ) -> Result:
        """See Bases. Raises NotFound, and whatever a registry says, with the name."""
        name = name.removeprefix(_IMAGE)
        return _begun(await self._image(name, platform, request, vertex, progress))

    async def known(self, name: str, platform: Platform) -> Result | None:
        """See Known."""
        try:
            return _begun(await self._store.resolve(name.removeprefix(_IMAGE), platform))
        except (NotFound, InvalidArgument):
            return None

    async def _image(
        self, name: str, platform: Platform, request: Request, vertex: Vertex, progress: Progress
    ) -> Image:
        name = await judged(request.policy, lambda policy: policy.image(name))
        if not request.pull:
            # Docker's classic builder takes what is here by the name, whatever it is for.
            for wanted_for in (platform, *((None,) if request.style == "classic" else ())):
                with contextlib.suppress(NotFound):
                    return await self._store.resolve(name, wanted_for)
            if reference.parse_id(name) is not None:
                raise NotFound(f"No such image: {name}")
        wanted = reference.parse(name).with_default_tag()
        credentials = await request.agents.credentials(wanted.domain)

        async def tell(message: telling.Message) -> None:
            detail = message.get("progressDetail") or {}
            if detail.get("total"):
                progress.moved(vertex, str(message.get("id", "")), int(detail["current"]), int(detail["total"]))

        try:
            (image,) = await self._puller.pull(wanted, credentials, tell, platform=platform)
        except (CarrackError, OSError) as error:
            kind = type(error) if isinstance(error, CarrackError) else InvalidArgument
            raise kind(f"{name}: failed to resolve source metadata for {wanted}: {error}") from error
        return image


def _begun(image: Image) -> Result:
    history = tuple(image.config.get("history", ()))
    return Result(
        state.begin(image.config.get("config", {})), image_config.platform_of(image.config), image.diff_ids,
        history, image.config, image.id, pin=image.index or image.manifest or image.id,
    )  # fmt: skip
