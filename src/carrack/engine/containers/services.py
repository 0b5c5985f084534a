"""The services around containers in one hand, for those who need several: the routes and the wiring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.containers.attach import Attachments
from carrack.engine.containers.changing import Changes
from carrack.engine.containers.create import Creator
from carrack.engine.containers.exec import Execs
from carrack.engine.containers.files import Files
from carrack.engine.containers.lifecycle import Lifecycle
from carrack.engine.containers.linking import Links
from carrack.engine.containers.live import LiveNetworks
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.containers.remove import Remover
from carrack.engine.containers.store import ContainerStore
from carrack.engine.containers.supervisor import Supervisor
from carrack.engine.privileges import USUAL, Security
from carrack.model.container import Document

if TYPE_CHECKING:
    from carrack.engine.events import Events


@dataclass(frozen=True, slots=True)
class ContainerServices:
    """``graph`` gives a container's GraphDriver document, ``image_size`` the bytes of its image,
    ``image_ids`` the ids behind an image reference; ``security`` is what the daemon gives to all."""

    store: ContainerStore
    creator: Creator
    lifecycle: Lifecycle
    changes: Changes
    live: LiveNetworks
    links: Links
    remover: Remover
    supervisor: Supervisor
    attachments: Attachments
    execs: Execs
    files: Files
    events: Events
    paths: Paths
    graph: Callable[[Container], Document]
    image_size: Callable[[Container], int]
    image_ids: Callable[[str], Awaitable[set[str]]]
    security: Security = USUAL
