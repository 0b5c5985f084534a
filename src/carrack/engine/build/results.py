"""What a stage is when it is done: its layers and its image config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from carrack.engine.build.caching.config import INLINE
from carrack.engine.build.state import State
from carrack.engine.build.trace import Trace
from carrack.engine.images.image import moment
from carrack.model import times
from carrack.oci.image_config import HistoryEntry, ImageConfigDocument
from carrack.oci.platform import Platform

if TYPE_CHECKING:
    from carrack.engine.build.caching.graph import Node


@dataclass(frozen=True, slots=True)
class Result:
    """A stage up to some command. ``image`` is the config of the image it began with (for what no command says);
    ``base`` is the id of that image, "" for scratch, ``pin`` the digest that names it elsewhere. ``node`` is what
    caches know it as, None for scratch or where no cache is asked for; ``cache`` is what the image carries of one, in
    base64.
    ``trace`` is of the whole build, when it is over."""

    state: State
    platform: Platform
    layers: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    image: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    node: Node | None = None
    cache: str = ""
    pin: str = ""
    trace: Trace | None = None

    @property
    def created(self) -> int:
        """When the last of its files were made, in nanoseconds since 1970; 0 for nobody knows. What a config says
        changes nothing about it, so that the same build gives the same image as long as all is remembered."""
        made = [entry.get("created", "") for entry in self.history if not entry.get("empty_layer")]
        return moment(made[-1]) if made else 0

    def then(self, state: State, diff_id: str, created_by: str, created: int, style: str) -> Result:
        """After one more command. ``diff_id`` "" when it changed no file; ``created`` in nanoseconds since 1970."""
        if style == "buildkit" and created_by.startswith("ONBUILD "):
            return replace(self, state=state)
        entry: HistoryEntry = {"created": times.rfc3339(created), "created_by": _told(created_by, style, bool(diff_id))}
        if style == "buildkit":
            entry["comment"] = "buildkit.dockerfile.v0"
        if state.author:
            entry["author"] = state.author
        if not diff_id:
            entry["empty_layer"] = True
        layers = (*self.layers, diff_id) if diff_id else self.layers
        return replace(self, state=state, layers=layers, history=(*self.history, entry))


def _told(created_by: str, style: str, layered: bool) -> str:
    """A line of history as the builder of that style writes it."""
    if style == "classic":
        return created_by
    kinds = ("RUN ", "COPY ", "ADD ", "WORKDIR ")
    return f"{created_by} # buildkit" if created_by.startswith(kinds[:3]) else created_by


def config(result: Result, created: int, labels: Mapping[str, str]) -> ImageConfigDocument:
    """The image config of a finished stage. ``created`` in nanoseconds since 1970; ``labels`` are added to its own."""
    run: dict[str, Any] = {key: value for key, value in result.state.config.items() if value not in (None, "")}
    if labels:
        run["Labels"] = {**run.get("Labels", {}), **labels}
    document: dict[str, Any] = {
        "architecture": result.platform.architecture,
        "os": result.platform.os,
        "created": times.rfc3339(created),
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": list(result.layers)},
        "history": list(result.history),
    }
    if result.platform.variant:
        document["variant"] = result.platform.variant
    for key in ("os.version", "os.features"):
        if result.image.get(key):
            document[key] = result.image[key]
    if result.state.author:
        document["author"] = result.state.author
    if result.cache:
        document[INLINE] = result.cache
    return document  # type: ignore[return-value]


def squashed(result: Result, base_layers: Sequence[str], told: int, diff_id: str, created: int) -> Result:
    """The same files with all layers above the base put into one (``--squash``); ``told``: how many entries of the
    history are the base's."""
    entry: HistoryEntry = {"created": times.rfc3339(created), "comment": "merge of all layers above the base"}
    emptied = [{**each, "empty_layer": True} for each in result.history[told:]]
    layers = (*base_layers, diff_id) if diff_id else tuple(base_layers)
    return replace(result, layers=layers, history=(*result.history[:told], *emptied, entry))  # type: ignore[arg-type]
