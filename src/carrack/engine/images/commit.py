"""`commit`: what a container has changed becomes a layer on top of its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.engine.images import changes
from carrack.engine.images.changed import Changes, spool_changes
from carrack.engine.images.image import Image
from carrack.engine.whole import whole
from carrack.model import times
from carrack.oci import document, image_config
from carrack.oci.image_config import RunConfig

if TYPE_CHECKING:
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore
    from carrack.oci.reference import Reference
    from carrack.storage.content import ContentStore, Ingest

# The tar of a container that changed nothing: two zero blocks.
EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

_LISTS = ("Env", "OnBuild", "Shell")
_COMMANDS = ("Cmd", "Entrypoint")
_TEXTS = ("User", "WorkingDir", "StopSignal")
_MAPS = ("ExposedPorts", "Volumes", "Labels")


@dataclass(frozen=True, slots=True)
class Source:
    """The container to commit: its own config as Docker's API has it, how its changes are had (see Snapshotter), its
    image."""

    container_config: Mapping[str, Any]
    changes: Changes
    parent: Image


class Committer:
    """Commits containers. The caller has paused the container if the user wanted that."""

    def __init__(self, store: ImageStore, layers: LayerStore, content: ContentStore) -> None:
        self._store = store
        self._layers = layers
        self._content = content

    async def commit(
        self,
        source: Source,
        name: Reference | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        instructions: Sequence[str] = (),
        author: str = "",
        comment: str = "",
    ) -> Image:
        """Make the image of the container's config, or `overrides` (a request's) where it says more, changed by
        `instructions`.

        Raises InvalidArgument on a bad instruction, OSError when the changes cannot be read.
        """
        own = run_config(source.container_config)
        run = merge(changes.apply(run_config(overrides) if overrides else own, instructions), own)
        with self._content.ingest(self._layers.room) as spool:
            await spool_changes(source.changes, spool, self._layers.pack, None, still=False)
            diff_id = spool.finish().digest
            step: dict[str, Any] = {
                "created": times.rfc3339(times.now()),
                "author": author,
                "created_by": " ".join(source.container_config.get("Cmd") or []),
                "comment": comment,
            }
            diff_ids = list(source.parent.diff_ids)
            if diff_id == EMPTY_LAYER:
                step["empty_layer"] = True
            else:
                diff_ids.append(diff_id)
            config = document.encode(_config(source.parent, run, diff_ids, step))
            image = await self._record(config, diff_ids, diff_id, spool, source.parent, name)
        self._store.publish("create", image)
        if name is not None:
            self._store.publish("tag", image, name.familiar)
        return image

    async def _record(
        self, config: bytes, diff_ids: list[str], top: str, spool: Ingest, parent: Image, name: Reference | None
    ) -> Image:
        image_config.parse(config)
        try:
            async with self._layers.hold(diff_ids):
                if top in diff_ids:
                    await self._layers.ensure(top, spool)
                image, _ = await self._store.add(
                    config, [name] if name else [], parent=parent.id, tagged=name is not None
                )
                return image
        except BaseException:
            await whole(self._store.collect())
            raise


def run_config(config: Mapping[str, Any]) -> RunConfig:
    """The part of a container's (or request's) config that an image keeps, empty members left out."""
    result: dict[str, Any] = {}
    for key in (*_LISTS, *_COMMANDS, *_TEXTS, *_MAPS, "Healthcheck", "ArgsEscaped"):
        if config.get(key):
            result[key] = config[key]
    return result  # type: ignore[return-value]


def merge(given: RunConfig, base: RunConfig) -> RunConfig:
    """`given` completed from `base`: maps are joined, environment by name, the rest taken where `given` has none."""
    result: dict[str, Any] = {**base, **given}
    for key in _MAPS:
        joined: dict[str, Any] = {**(base.get(key) or {}), **(given.get(key) or {})}  # type: ignore[dict-item]
        if joined:
            result[key] = dict(sorted(joined.items()))
    own = given.get("Env", [])
    names = {word.partition("=")[0] for word in own}
    environment = [*own, *(word for word in base.get("Env", []) if word.partition("=")[0] not in names)]
    if environment:
        result["Env"] = environment
    if "Entrypoint" in given and "Cmd" not in given:
        result.pop("Cmd", None)  # a new entry point does not get the old one's arguments
    return result  # type: ignore[return-value]


def _config(parent: Image, run: RunConfig, diff_ids: list[str], step: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {**parent.config}
    for key in ("parent", "docker_version", "comment", "author"):
        config.pop(key, None)
    config["created"] = step["created"]
    if step["author"]:
        config["author"] = step["author"]
    config["config"] = dict(run)
    config["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    config["history"] = [*parent.config.get("history", []), {key: value for key, value in step.items() if value}]
    return config
