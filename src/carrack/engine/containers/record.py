"""What the engine knows of one container: the recorded document, its state, and what is held while it runs.

States, as Docker names them, and the moves between them::

    created ──start──▶ running ◀──unpause── paused
                        │  ▲ └────pause─────▶
                  exit  │  │ restart policy
                        ▼  │
                      exited ──rm──▶ removing ──▶ (gone, or dead when removal failed)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from carrack.engine.containers import endpoints
from carrack.engine.containers.revision import Revised
from carrack.model import container as model
from carrack.model import port_ranges, schema
from carrack.model.container import Document, MountPoint

if TYPE_CHECKING:
    from carrack.shim.client import Shim


@dataclass(slots=True)
class State(Revised):
    """The changing part of a record. Times are nanoseconds since 1970, 0 for never."""

    status: str = "created"
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    health: Document | None = None

    @property
    def running(self) -> bool:
        return self.status in ("running", "paused", "restarting")


@dataclass(slots=True)
class Container(Revised):
    """One container. Fields up to ``state`` are recorded; the rest lives only as long as the daemon."""

    id: str
    name: str
    created: int
    image: str
    image_id: str
    layers: tuple[str, ...]
    path: str
    args: list[str]
    config: Document
    host_config: Document
    networking: Document
    mounts: list[MountPoint] = field(default_factory=list)
    endpoints: Document = field(default_factory=dict)
    # NetworkSettings.Ports with long ranges as one entry each (`port_ranges`).
    ports: Document = field(default_factory=dict)
    restart_count: int = 0
    stopped_by_user: bool = False
    image_manifest: Document | None = None
    process_label: str = ""
    mount_label: str = ""
    state: State = field(default_factory=State)
    # -- not recorded --
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    shim: Shim | None = field(default=None, repr=False)
    exec_ids: list[str] = field(default_factory=list, repr=False)
    waiters: list[tuple[str, asyncio.Future[tuple[int, str]]]] = field(default_factory=list, repr=False)
    # The clearing away of the run before: when it is done, the file system may be mounted again.
    leaving: asyncio.Task[None] | None = field(default=None, repr=False)
    # When its present run began, by the event loop's clock: a clock that is set changes no pause and no patience.
    since: float = 0.0
    # Set while the program is wanted to stop, so that a restart policy does not bring it back.
    stopping: bool = False
    # Further names, by which those that are linked to it call it: ``web/database``.
    link_names: tuple[str, ...] = ()
    # One that is never recorded: a step of a build.
    transient: bool = False
    # Its exposed and its bound ports, and each with ranges: see `ranges`.
    folds: tuple[Document | None, Document | None, Document, Document] = field(default=(None, None, {}, {}), repr=False)

    @property
    def wanted(self) -> dict[str, Document]:
        """What it wants of its networks, by their names: EndpointSettings as the client gave them."""
        given: dict[str, Document] = self.networking["EndpointsConfig"]
        return given

    @property
    def wants_cable(self) -> bool:
        """Whether it is to be connected to a network that gives it an interface."""
        return self.has_sandbox and any(name not in ("host", "none") for name in self.wanted)

    @property
    def has_sandbox(self) -> bool:
        """Whether it has a network namespace of its own, which may be connected to networks."""
        mode = self.host_config["NetworkMode"]
        return mode != "host" and not mode.startswith("container:") and not self.config["NetworkDisabled"]

    @property
    def ranges(self) -> tuple[Document, Document]:
        """Its exposed ports and its port bindings with long ranges as one entry each (`port_ranges`)."""
        exposed, bound = self.config["ExposedPorts"], self.host_config["PortBindings"]
        if self.folds[0] is not exposed or self.folds[1] is not bound:
            made = exposed, bound, port_ranges.folded(exposed or {}), port_ranges.folded(bound or {})
            object.__setattr__(self, "folds", made)  # nothing has changed
        return self.folds[2:]

    def to_document(self) -> Document:
        """The JSON document that is recorded."""
        document = {name: getattr(self, name) for name in _RECORDED}
        exposed, bound = self.ranges
        if exposed:
            document["config"] = {**self.config, "ExposedPorts": exposed}
        if bound:
            document["host_config"] = {**self.host_config, "PortBindings": bound}
        document["layers"] = list(self.layers)
        document["state"] = asdict(self.state)
        return document

    @classmethod
    def from_document(cls, document: Document) -> Container:
        """A container out of its recorded document. Raises KeyError or TypeError on a document of another shape."""
        values = {name: document[name] for name in _RECORDED if name in document}
        values["layers"] = tuple(document["layers"])
        values["config"] = _unfolded(_completed(values["config"], model.CONFIG), "ExposedPorts")
        values["host_config"] = _unfolded(_completed(values["host_config"], model.HOST_CONFIG), "PortBindings")
        values["networking"] = {"EndpointsConfig": _wanted(values)}
        return cls(**values, state=State(**document["state"]))

    def wait(self, condition: str) -> asyncio.Future[tuple[int, str]]:
        """A future of (exit code, why what was waited for failed), done at ``next-exit`` or ``removed``."""
        future: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.waiters.append((condition, future))
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: asyncio.Future[tuple[int, str]]) -> None:
        """One that was cancelled waits no longer."""
        if future.cancelled():
            self.waiters = [waiter for waiter in self.waiters if waiter[1] is not future]

    def ended(self) -> asyncio.Future[tuple[int, str]]:
        """Done when the container does not run, which may be now."""
        if self.state.running:
            return self.wait("not-running")
        done: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        done.set_result((self.state.exit_code, ""))
        return done

    async def left(self) -> None:
        """Wait until nothing of the run before holds the file system."""
        if self.leaving is not None:
            await asyncio.wait({self.leaving})

    def notify(self, *conditions: str, error: str = "") -> None:
        """Wake those who wait for one of the conditions, or tell them why it does not come true."""
        kept = []
        for condition, future in self.waiters:
            if condition not in conditions:
                kept.append((condition, future))
            elif not future.done():
                future.set_result((self.state.exit_code, error))
        self.waiters = kept


def _completed(recorded: Document, fields: Mapping[str, schema.Field]) -> Document:
    """What an older version recorded, with the fields that there were not yet as a client has them who sends none."""
    if fields.keys() <= recorded.keys():
        return recorded
    return {**schema.check({}, fields), **recorded}


def _unfolded(recorded: Document, name: str) -> Document:
    return {**recorded, name: port_ranges.unfolded(recorded[name])} if recorded[name] else recorded


def _wanted(values: Document) -> Document:
    """What is wanted of each network; before containers had many, that of the default one was not recorded."""
    recorded: Document = values["networking"]["EndpointsConfig"]
    mac = values["config"]["MacAddress"]
    for name in values.get("endpoints", {}):
        if name not in recorded:
            recorded[name] = endpoints.wanted({"MacAddress": mac} if name == "bridge" else None)
    return recorded


def unreadable(identity: str, name: str, reason: str) -> Container:
    """What stands for a container whose record cannot be understood: dead, and with nothing of its own."""
    config, host = schema.check({}, model.CONFIG), schema.check({}, model.HOST_CONFIG)
    host["NetworkMode"], host["RestartPolicy"]["Name"], host["LogConfig"]["Type"] = "none", "no", "json-file"
    return Container(
        id=identity, name=name, created=0, image="", image_id="", layers=(), path="", args=[], config=config,
        host_config=host, networking=schema.check({}, model.NETWORKING),
        state=State(status="dead", error=f"its record is unreadable: {reason}"),
    )  # fmt: skip


_RECORDED = [
    f.name for f in fields(Container) if f.name not in
    ("layers", "state", "lock", "shim", "exec_ids", "waiters", "leaving", "stopping", "since", "link_names",
     "transient", "folds")
]  # fmt: skip
