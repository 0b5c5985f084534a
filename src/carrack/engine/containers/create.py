"""Making a container: everything checked first, then name, volumes, file system and record, each undone on failure."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

from carrack.engine import resources, selinux, spec, storage_options, userns
from carrack.engine.containers import merge, names, networking
from carrack.engine.containers.endpoints import user_defined
from carrack.engine.containers.linking import Links
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.discards import discard
from carrack.engine.privileges import capabilities, security
from carrack.engine.runtimes import OWN, Runtimes
from carrack.engine.volumes import copyup, mountpoints
from carrack.errors import InvalidArgument, NotFound
from carrack.model import container as model
from carrack.model import schema, times
from carrack.model.container import Document
from carrack.network import sandbox_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from carrack.engine.containers.idmaps import IdMaps
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events
    from carrack.engine.images.image import Image
    from carrack.engine.images.store import ImageStore
    from carrack.engine.volumes.store import VolumeStore
    from carrack.storage.snapshots.base import Snapshotter


_CONFIG_NAMES = frozenset(name.lower() for name in model.CONFIG)


class Creator:
    """Turns a create request into a recorded container. ``waiting``: SlotPool.identity; ``manifest`` describes that of
    an image."""

    def __init__(
        self,
        store: ContainerStore,
        images: ImageStore,
        volumes: VolumeStore,
        snapshotter: Snapshotter,
        events: Events,
        paths: Paths,
        facts: spec.HostFacts,
        idmaps: IdMaps,
        waiting: Callable[[tuple[str, ...], bool], str | None] = lambda namespaces, cable: None,
        runtimes: Runtimes | None = None,
        find_network: networking.Find = networking.nowhere,
        manifest: Callable[[Image], Document | None] = lambda image: None,
    ) -> None:
        self._manifest = manifest
        self._find_network = find_network
        self._links = Links(store)
        self._runtimes = runtimes or Runtimes({})
        self._idmaps = idmaps
        self._waiting = waiting
        self._store = store
        self._images = images
        self._volumes = volumes
        self._snapshotter = snapshotter
        self._events = events
        self._paths = paths
        self._facts = facts
        self._levels: set[str] = set()  # of containers that are not on record yet

    def use(self, facts: spec.HostFacts) -> None:
        """Make containers by these facts from now on, after the configuration was reloaded."""
        self._facts = facts

    async def create(self, name: str, body: Document, platform: str = "") -> tuple[Container, list[str]]:
        """Record a new container; returns it and warnings.

        Raises InvalidArgument on a bad request, NotFound without the image, Conflict when the name is taken.
        """
        config = schema.check(body, model.CREATE, go="container.CreateRequest")
        host = config.pop("HostConfig") or schema.check({}, model.HOST_CONFIG)
        networks = config.pop("NetworkingConfig") or schema.check({}, model.NETWORKING)
        if not any(name.lower() in _CONFIG_NAMES for name, value in body.items() if value is not None):
            raise InvalidArgument("config cannot be empty in order to create a container")
        if not config["Image"]:
            raise InvalidArgument("no image specified")
        warnings = self._complete(config, host, networks)
        image = _of_platform(platform, config["Image"], await self._images.resolve(config["Image"]), self._images)
        merge.config(config, dict(image.config.get("config") or {}))
        merge.ports(config, host)
        identity = self._identity(config, host, networks["EndpointsConfig"])
        config["Hostname"] = config["Hostname"] or self._hostname(host, identity)
        path, args = merge.command(config)
        chosen = names.check(name) if name else names.invent(self._store.names)
        container = Container(
            id=identity, name=chosen, created=times.now(), image=config["Image"], image_id=image.id,
            layers=tuple(image.diff_ids), path=path, args=args, config=config, host_config=host, networking=networks,
            image_manifest=self._manifest(image),
        )  # fmt: skip
        container.endpoints = {} if config["NetworkDisabled"] else networking.shown(container.wanted)
        spec.build(container, self._facts, [], "/")  # refuses devices, ulimits and options that cannot be
        async with self._images.hold(image), AsyncExitStack() as holding, AsyncExitStack() as undo:
            self._label(container, holding)
            self._store.reserve(chosen, identity)
            undo.callback(self._store.release, chosen)
            await self._make(container, undo, holding)
            undo.pop_all()
        if host["Links"]:
            self._links.refresh()
        self._events.publish("container", "create", identity, attributes(container))
        return container, warnings

    def transient(self, body: Document, layers: Sequence[str]) -> Container:
        """A container that nobody is told of and that is never recorded, on a chain of layers instead of an image.
        Nothing of it is made yet. Raises InvalidArgument on a bad request."""
        config = schema.check(body, model.CREATE, go="container.CreateRequest")
        host = config.pop("HostConfig") or schema.check({}, model.HOST_CONFIG)
        networks = config.pop("NetworkingConfig") or schema.check({}, model.NETWORKING)
        self._complete(config, host, networks)
        merge.config(config, {})
        identity = self._identity(config, host, networks["EndpointsConfig"])
        config["Hostname"] = config["Hostname"] or self._hostname(host, identity)
        path, args = merge.command(config)
        made = Container(
            id=identity, name=identity[:12], created=times.now(), image="", image_id="", layers=tuple(layers),
            path=path, args=args, config=config, host_config=host, networking=networks, transient=True,
        )  # fmt: skip
        made.endpoints = {} if config["NetworkDisabled"] else networking.shown(made.wanted)
        return made

    def _label(self, container: Container, holding: AsyncExitStack) -> None:
        """Its SELinux labels, with a level that is its own from now on."""
        contexts = self._facts.given.selinux
        if contexts is None:
            return
        level = selinux.own_level({*self._levels, *(selinux.level_of(c.mount_label) for c in self._store)})
        self._levels.add(level)
        holding.callback(self._levels.discard, level)
        labels = selinux.choose(selinux.options(container.host_config), contexts, level)
        container.process_label, container.mount_label = labels

    def _identity(self, config: Document, host: Document, networks: Iterable[str]) -> str:
        """That of a slot which waits under a container's name already, if there is one: see slots.py."""
        names = tuple(n["type"] for n in spec.namespaces(host, self._facts))
        cable = not config["NetworkDisabled"] and not {"host", "none"}.issuperset(networks)
        found = self._waiting(names, cable) if not host["CgroupParent"] and host["Runtime"] == OWN else None
        return found or secrets.token_hex(32)

    def _complete(self, config: Document, host: Document, networks: Document) -> list[str]:
        cpus = os.cpu_count() or 1
        host["Runtime"] = self._runtimes.check(host["Runtime"])
        merge.host_config(host, cgroup_version=self._facts.cgroup_version, given=self._facts.given)
        told = networking.complete(networks, host, config, self._find_network)
        merge.check_together(config, host)
        # on networks of the user's own a link is a name, looked up when it is used: it is said of the endpoint
        host["Links"] = None if user_defined(host["NetworkMode"]) else self._links.resolved(host["Links"])
        if spec.remapped(host, self._facts) is not None:
            userns.check(host)
        sandbox_files.hosts((), host["ExtraHosts"] or (), ("0.0.0.0",))  # refuses malformed entries
        warnings = [*told, *discard(host, self._facts.abilities)]
        resources.check(host, cpus)
        storage_options.limit(host["StorageOpt"], 0)
        capabilities(host, self._facts.last_capability)
        security(host, self._facts.given.security)
        for prefix, mode in (("network", "NetworkMode"), ("PID", "PidMode"), ("IPC", "IpcMode")):
            if host[mode].startswith("container:"):
                self._joined(prefix, host, mode)
        if more := selinux.inherited(host, lambda identity: self._store.find(identity).process_label):
            host["SecurityOpt"] = [*(host["SecurityOpt"] or ()), *more]
        if spec.wants_init(host, self._facts) and self._facts.init_path is None:
            raise InvalidArgument("--init needs a static init on the host: install the tini or catatonit package")
        if host["NetworkMode"] in ("host", "none") and host["PortBindings"]:
            warnings.append(f"Published ports are discarded when using {host['NetworkMode']} network mode")
        return warnings

    def _joined(self, what: str, host: Document, mode: str) -> None:
        """Replace the name in ``container:NAME`` by the id, so that a rename changes nothing."""
        other = host[mode].removeprefix("container:")
        if not other:
            raise InvalidArgument(f"invalid {what} mode: invalid container format container:<name|id>")
        try:
            host[mode] = "container:" + self._store.find(other).id
        except NotFound as error:
            # A 404 here would make the docker command look for the image in a registry.
            prefix = "joining network namespace of container: " if mode == "NetworkMode" else ""
            raise InvalidArgument(f"{prefix}{error}") from error

    def _hostname(self, host: Document, identity: str) -> str:
        if host["NetworkMode"].startswith("container:"):
            return str(self._store.find(host["NetworkMode"].removeprefix("container:")).config["Hostname"])
        return os.uname().nodename if host["NetworkMode"] == "host" else identity[:12]

    async def _make(self, container: Container, undo: AsyncExitStack, holding: AsyncExitStack) -> None:
        async def held(name: str) -> Image:
            """An image to mount; it stays until the container is on record."""
            image = await self._images.resolve(name)
            await holding.enter_async_context(self._images.hold(image))
            return image

        undo.callback(shutil.rmtree, self._paths.data(container.id), ignore_errors=True)
        undo.callback(self._snapshotter.remove, container.id)
        await asyncio.to_thread(self._make_files, container)
        means = mountpoints.Means(self._volumes, self._store.find, held, container.id)
        undo.push_async_callback(self._drop, means.made)
        undo.callback(self._volumes.disclaim, container.id)
        container.mounts = await mountpoints.resolve(container.config, container.host_config, means)
        if means.fresh:
            with ExitStack() as scratch:
                owners = await self._idmaps.owners(spec.remapped(container.host_config, self._facts), scratch)
                await copyup.populate(self._volumes, self._snapshotter, container.id, means.fresh, owners)
        await self._store.add(container)
        self._volumes.disclaim(container.id)

    def _make_files(self, container: Container) -> None:
        os.makedirs(self._paths.data(container.id), mode=0o710)
        size = storage_options.limit(container.host_config["StorageOpt"], self._facts.given.storage_size)
        self._snapshotter.prepare(container.id, container.layers, size)

    async def _drop(self, made: list[str]) -> None:
        for name in made:
            await self._volumes.remove(name, force=True)


def _of_platform(wanted: str, reference: str, image: Image, images: ImageStore) -> Image:
    """The image, or that of its siblings which is for the wanted platform ("": any)."""
    if not wanted:
        return image
    parts = wanted.lower().split("/")
    if len(parts) > 3 or not all(re.fullmatch(r"[a-z0-9_.()-]+", part) for part in parts):
        raise InvalidArgument(f'"{wanted}": cannot parse platform specifier: invalid argument')
    own = _platform(image)
    asked = "/".join(parts[:2]) if len(parts) > 1 else f"linux/{parts[0]}" if parts[0] != "linux" else own
    aliases = {"linux/x86_64": "linux/amd64", "linux/aarch64": "linux/arm64"}
    for each in (image, *images.siblings(image)):
        if aliases.get(asked, asked) == _platform(each):
            return each
    raise NotFound(
        f"image with reference {reference} was found but its platform ({own}) does not match the specified "
        f"platform ({wanted})"
    )


def _platform(image: Image) -> str:
    return f"{image.config.get('os', 'linux')}/{image.config.get('architecture', '')}"


def attributes(container: Container) -> dict[str, str]:
    """The attributes that every event of a container carries."""
    return {**(container.config["Labels"] or {}), "image": container.image, "name": container.name}
