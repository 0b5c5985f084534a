"""The daemon's configuration: a frozen value made once from flags, configuration file and environment.

Precedence as in dockerd: what stands both as a flag and in the file is an error, not a guess; what stands in neither
has the default below. Nothing else in the daemon reads the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from carrack.api import versions
from carrack.daemon import flags, options, runtimes, values
from carrack.daemon.address import Address, parse_host, parse_metrics
from carrack.daemon.container_defaults import container_defaults
from carrack.daemon.network_options import NetworkOptions, network_options
from carrack.daemon.registry_options import registry_options
from carrack.engine import cdi
from carrack.engine.build import rules as build_rules
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.images.policy import Rules
from carrack.engine.images.policy import parse as parse_rules
from carrack.engine.plugins import discovery
from carrack.engine.runtimes import OWN, Runtime
from carrack.errors import InvalidArgument
from carrack.registry.settings import RegistrySettings
from carrack.runtime.cgroups import dynmods

DEFAULT_FILE = "/etc/carrack/daemon.json"
DEFAULT_HOST = "unix:///run/carrack.sock"
_TRACING = "OTEL_EXPORTER_"

MAX_FILE = 1024 * 1024

LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

_FIRST_LISTEN_FD = 3


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of TLS, in PEM. Without `authority` any client is let in."""

    authority: Path | None
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the daemon is told. Paths are absolute; `anyone` is whether TCP may be served to clients that no
    certificate tells from others."""

    addresses: tuple[Address, ...] = ()
    data_root: Path = Path("/var/lib/carrack")
    exec_root: Path = Path("/run/carrack")
    pidfile: Path = Path("/run/carrack/carrackd.pid")
    group: str = ""
    tls: Tls | None = None
    anyone: bool = False
    names: tuple[str, ...] = ()
    experimental: bool = False
    network: NetworkOptions = NetworkOptions()  # noqa: RUF009 - frozen
    firewall_table: str = "carrack"
    cgroup_parent: str = "/carrack"
    realtime: tuple[int, int] = (0, 0)
    cgroup_favor_dynmods: str = "auto"
    storage_driver: str | None = None
    gc: Rules = Rules()  # noqa: RUF009 - frozen
    registry: RegistrySettings = RegistrySettings()  # noqa: RUF009 - frozen
    slots: int = 2
    downloads: int = 3
    uploads: int = 5
    authorization_plugins: tuple[str, ...] = ()
    metrics_address: Address | None = None
    minimum_version: versions.Version = versions.MINIMUM
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)
    default_runtime: str = OWN
    userns_remap: str = ""
    plugin_directories: tuple[str, ...] = discovery.DIRECTORIES
    labels: tuple[str, ...] = ()
    live_restore: bool = False
    shutdown_timeout: int = 15
    debug: bool = False
    log_level: str = "info"
    log_format: str = "text"
    containers: ContainerDefaults = ContainerDefaults()  # noqa: RUF009 - frozen
    init_path: str = ""
    cdi_directories: tuple[str, ...] = cdi.DIRECTORIES
    features: Mapping[str, bool] = field(default_factory=dict)
    entitlements: frozenset[str] = options.granted({})
    builder_gc: build_rules.Rules = build_rules.USUAL
    listen_fds: tuple[int, ...] = ()
    notify_socket: str = ""
    tracing: tuple[str, ...] = ()
    """Variables of the environment that ask for traces, which this engine does not export."""
    arguments: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Command:
    """What the command line asks for: "run", "validate", "version" or "help"."""

    what: str
    config: Config


def from_process() -> Command:
    """The configuration of this very process. Raises InvalidArgument as `load` does."""
    return load(sys.argv[1:], os.environ, os.getpid())


def load(arguments: Sequence[str], environment: Mapping[str, str], pid: int = 0) -> Command:
    """The configuration of a command line. `pid` is this process's, to which socket activation is addressed.

    Raises InvalidArgument for anything that is malformed, unknown, contradictory or not built.
    """
    given, commands = flags.parse(arguments)
    for what in ("help", "version"):
        if commands.get(what):
            return Command(what, Config())
    settings = merge(given, commands.get("config-file"))
    config = build(settings, tuple(arguments), activated(environment, pid), environment.get("NOTIFY_SOCKET", ""))
    config = replace(
        config,
        registry=registry_options(settings, environment),
        tracing=tuple(sorted(name for name in environment if name.startswith(_TRACING))),
    )
    return Command("validate" if commands.get("validate") else "run", config)


def merge(given: dict[str, Any], path: str | None) -> dict[str, Any]:
    """Flags and the configuration file in one. The default file may be missing, a named one may not."""
    name = path or DEFAULT_FILE
    try:
        return {**given, **_check(_read(name, required=path is not None), given)}
    except InvalidArgument as error:
        raise InvalidArgument(f"unable to configure the daemon with file {name}: {error}") from None


def _read(path: str, *, required: bool) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        if not required:
            return {}
        raise InvalidArgument("no such file") from None
    except OSError as error:
        raise InvalidArgument(error.strerror or str(error)) from None
    if len(data) > MAX_FILE:
        raise InvalidArgument(f"larger than {MAX_FILE} bytes")
    if not data.strip():
        return {}
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"not a JSON object: {error}") from None
    if not isinstance(document, dict):
        raise InvalidArgument("not a JSON object")
    return document


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"given more than once: {', '.join(repeated)}")
    return dict(pairs)


def _check(document: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The file's settings, once each is known to be known, of its kind and not given as a flag too."""
    document = options.renamed(document)
    unknown = [key for key in document if key not in options.BY_KEY and not options.foreign_key(key)]
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InvalidArgument(f"the following directives don't match any configuration option: {names}")
    twice = [f"{key}: (from flag: {given[key]}, from file: {document[key]})" for key in document if key in given]
    if twice:
        raise InvalidArgument(
            f"the following directives are specified both as a flag and in the configuration file: {', '.join(twice)}"
        )
    for key, value in document.items():
        if key not in (*options.BY_KEY, "builder") and not options.harmless(key, value):
            raise InvalidArgument(f"{key}: {json.dumps(value)} is not supported by this engine; leave the key out")
    kept = {key: value for key, value in document.items() if key == "builder"}
    return kept | {key: _of_kind(key, value) for key, value in document.items() if key in options.BY_KEY}


def _of_kind(key: str, value: Any) -> Any:
    kind = options.BY_KEY[key].kind
    if not values.KINDS[kind](value):
        raise InvalidArgument(f"{key}: {json.dumps(value)} is not a {kind}")
    return value


def build(
    settings: Mapping[str, Any], arguments: tuple[str, ...], listen_fds: tuple[int, ...], notify_socket: str
) -> Config:
    """The frozen value of merged settings, each checked. Raises InvalidArgument."""
    values.exec_options(settings.get("exec-opts", ()))
    exec_root = values.path(settings, "exec-root", "/run/carrack")
    return Config(
        **_access(settings),
        data_root=values.path(settings, "data-root", "/var/lib/carrack"),
        exec_root=exec_root,
        pidfile=values.path(settings, "pidfile", str(exec_root / "carrackd.pid")),
        network=network_options(settings),
        firewall_table=values.matching(settings, "firewall-table", "carrack", values.TABLE_NAME),
        cgroup_parent=values.cgroup_parent(settings),
        realtime=values.realtime(settings),
        cgroup_favor_dynmods=values.one_of(settings, "cgroup-favor-dynmods", "auto", dynmods.MODES),
        storage_driver=settings.get("storage-driver") or None,
        gc=parse_rules(values.rules(settings, "gc")),
        runtimes=runtimes.parse(settings.get("runtimes") or {}),
        default_runtime=settings.get("default-runtime") or OWN,
        slots=values.within(settings, "slots", 2, 0, 64),
        downloads=values.within(settings, "max-concurrent-downloads", 3, 1, 1000),
        uploads=values.within(settings, "max-concurrent-uploads", 5, 1, 1000),
        userns_remap=settings.get("userns-remap", ""),
        plugin_directories=values.directories(settings, "plugin-dirs", discovery.DIRECTORIES),
        labels=values.labels(settings.get("labels", [])),
        live_restore=settings.get("live-restore", False),
        shutdown_timeout=values.within(settings, "shutdown-timeout", 15, -1, 86400),
        debug=settings.get("debug", False),
        log_level=values.one_of(settings, "log-level", "info", LOG_LEVELS),
        log_format=values.one_of(settings, "log-format", "text", ("text", "json")),
        containers=container_defaults(settings),
        init_path=str(values.path(settings, "init-path", "/")) if settings.get("init-path") else "",
        cdi_directories=_cdi_directories(settings),
        features=options.known_features(settings.get("features", {})),
        **_building(settings.get("builder") or {}),
        listen_fds=listen_fds,
        notify_socket=notify_socket,
        arguments=arguments,
    )


def _building(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"entitlements": options.granted(settings), "builder_gc": build_rules.parse(settings.get("gc", {}))}


def _access(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Where the daemon listens, and who is let in there."""
    tls, anyone = _tls(settings), _anyone(settings)
    addresses = tuple(parse_host(host, tls=tls is not None) for host in settings.get("hosts") or [DEFAULT_HOST])
    for address in addresses:
        if address.kind == "tcp" and not anyone and (tls is None or tls.authority is None):
            raise InvalidArgument(
                f"tcp://{address.name} without --tlsverify is refused: whoever reaches it would be root on this host; "
                "use --tlsverify with certificates, or say --tlsverify=false to let in anyone all the same"
            )
    return {
        "addresses": addresses,
        "tls": tls,
        "anyone": anyone,
        "names": tuple(settings.get("host-names", [])),
        "experimental": settings.get("experimental", False),
        "group": settings.get("group", ""),
        "authorization_plugins": tuple(settings.get("authorization-plugins", [])),
        "minimum_version": values.api_version(settings, "min-api-version"),
        "metrics_address": parse_metrics(settings["metrics-addr"]) if settings.get("metrics-addr") else None,
    }


def _cdi_directories(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Where device specs are looked for; nowhere when the one word given is empty, or the feature is switched off."""
    if settings.get("cdi-spec-dirs") == [""] or settings.get("features", {}).get("cdi") is False:
        return ()
    return values.directories(settings, "cdi-spec-dirs", cdi.DIRECTORIES)


def activated(environment: Mapping[str, str], pid: int) -> tuple[int, ...]:
    """The descriptors that systemd has opened for this process (sd_listen_fds(3))."""
    if environment.get("LISTEN_PID") != str(pid):
        return ()
    count = environment.get("LISTEN_FDS", "")
    return tuple(range(_FIRST_LISTEN_FD, _FIRST_LISTEN_FD + int(count))) if count.isdecimal() else ()


def _tls(settings: Mapping[str, Any]) -> Tls | None:
    verify = settings.get("tlsverify", False)
    if verify and settings.get("tls") is False:
        raise InvalidArgument("--tls=false contradicts --tlsverify")
    if not verify and not settings.get("tls"):
        return None
    return Tls(
        authority=values.path(settings, "tlscacert", "/etc/carrack/ca.pem") if verify else None,
        certificate=values.path(settings, "tlscert", "/etc/carrack/cert.pem"),
        key=values.path(settings, "tlskey", "/etc/carrack/key.pem"),
    )


def _anyone(settings: Mapping[str, Any]) -> bool:
    """Whether it was said, not only left unsaid, that clients need no certificate: as dockerd 28 will have it said."""
    return settings.get("tlsverify") is False or settings.get("tls") is False
