"""The daemon's options as a table: dockerd's flags and daemon.json keys that have an effect here, our own few, and
those of dockerd that are known but not built.

An option that is known but not built may be given with the one value that describes what this engine does anyway;
any other value is refused by name, because a flag that is taken and ignored misleads its user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carrack.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `kind` is one of `values.KINDS`; `key` its name in the configuration file."""

    flag: str
    key: str
    kind: str
    help: str
    short: str = ""


OPTIONS: tuple[Option, ...] = (
    Option("add-runtime", "runtimes", "runtimes", "Another OCI runtime that containers may use: NAME=PATH"),
    Option("allow-direct-routing", "allow-direct-routing", "bool", "Let others than the host route to published ports"),
    Option("authorization-plugin", "authorization-plugins", "list", "Plugin that must allow each request"),
    Option("bip", "bip", "string", "Address and prefix length of the default bridge, e.g. 172.17.0.1/16"),
    Option("bip6", "bip6", "string", "IPv6 address and prefix length of the default bridge, e.g. fd00:1::1/64"),
    Option("bridge", "bridge", "string", "Name of the default bridge; none for no default bridge", "b"),
    Option("bridge-accept-fwmark", "bridge-accept-fwmark", "string", "Let packets of a firewall mark in: MARK[/MASK]"),
    Option("cgroup-favor-dynmods", "cgroup-favor-dynmods", "string", "Cheap moves into cgroups: auto, on or off"),
    Option("cdi-spec-dir", "cdi-spec-dirs", "list", "Where Container Device Interface specs are looked for"),
    Option("certs-dir", "certs-dir", "string", "Certificates by registry (default /etc/docker/certs.d)"),
    Option("cgroup-parent", "cgroup-parent", "string", "Cgroup below which containers get theirs"),
    Option("cpu-rt-period", "cpu-rt-period", "int", "Period of real time for all containers in microseconds"),
    Option("cpu-rt-runtime", "cpu-rt-runtime", "int", "Real time of all containers per period in microseconds"),
    Option("data-root", "data-root", "string", "Directory of everything that stays"),
    Option("debug", "debug", "bool", "Log in detail", "D"),
    Option(
        "default-bridge-names",
        "default-bridge-names",
        "bool",
        "Have containers on the default bridge find each other by name (default true)",
    ),
    Option("default-address-pool", "default-address-pools", "pools", "Pool for networks: base=CIDR,size=BITS"),
    Option("default-cgroupns-mode", "default-cgroupns-mode", "string", "Cgroup namespace of containers: host, private"),
    Option("default-gateway", "default-gateway", "string", "Where containers on the default bridge leave by"),
    Option("default-gateway-v6", "default-gateway-v6", "string", "The same for IPv6"),
    Option("default-ipc-mode", "default-ipc-mode", "string", "IPC namespace of containers: private or shareable"),
    Option(
        "default-network-opt", "default-network-opts", "network options", "Option of new networks: DRIVER=NAME=VALUE"
    ),
    Option("default-runtime", "default-runtime", "string", "Runtime of containers that name none"),
    Option("default-shm-size", "default-shm-size", "bytes", "Size of containers' /dev/shm (default 64MiB)"),
    Option("default-ulimit", "default-ulimits", "ulimits", "Ulimit of containers: NAME=SOFT[:HARD]"),
    Option("dns", "dns", "list", "Name server of containers"),
    Option("dns-opt", "dns-opts", "list", "Resolver option of containers"),
    Option("dns-search", "dns-search", "list", "Search domain of containers"),
    Option("exec-opt", "exec-opts", "list", "How containers are run: native.cgroupdriver=cgroupfs"),
    Option("exec-root", "exec-root", "string", "Directory of what lasts until the next boot"),
    Option("fixed-cidr", "fixed-cidr", "string", "Part of the default bridge's subnet for containers"),
    Option("fixed-cidr-v6", "fixed-cidr-v6", "string", "The same for IPv6"),
    Option("feature", "features", "bool map", "Switch a feature: NAME=true or NAME=false"),
    Option("firewall-table", "firewall-table", "string", "Name of the nftables table"),
    Option("experimental", "experimental", "bool", "Say that this daemon is experimental; there is nothing that is"),
    Option("gc", "gc", "rules", "Rule of garbage collection: unused-for=30d, keep-last=3, max-size=20GB, min-free=10%"),
    Option("group", "group", "string", "Group of the unix socket", "G"),
    Option("host", "hosts", "list", "Where to listen: unix://PATH, tcp://HOST:PORT (with --tlsverify), fd://", "H"),
    Option("host-name", "host-names", "list", "Another name under which TCP clients may speak to this daemon"),
    Option("host-gateway-ip", "host-gateway-ips", "list", "What host-gateway means in --add-host"),
    Option("http-proxy", "http-proxy", "string", "Proxy to registries without TLS (default: the environment's)"),
    Option("https-proxy", "https-proxy", "string", "Proxy to registries with TLS (default: the environment's)"),
    Option("icc", "icc", "bool", "Let containers on the default bridge talk to each other (default true)"),
    Option("init", "init", "bool", "Run an init in containers that forwards signals and reaps processes"),
    Option("init-path", "init-path", "string", "The init to run (default: the distribution's tini or catatonit)"),
    Option(
        "insecure-registry", "insecure-registries", "list", "Registry without trusted TLS: HOST[:PORT] or a network"
    ),
    Option("ip", "ip", "string", "Where ports of the default bridge are published that name no address"),
    Option("ip-forward", "ip-forward", "bool", "Have the kernel forward packets (default true)"),
    Option("ip-forward-no-drop", "ip-forward-no-drop", "bool", "Drop nothing of others when forwarding is switched on"),
    Option("ip-masq", "ip-masq", "bool", "Let the default bridge leave under the host's address (default true)"),
    Option("ipv6", "ipv6", "bool", "Give the default bridge IPv6"),
    Option("label", "labels", "list", "KEY=VALUE that describes this daemon"),
    Option("live-restore", "live-restore", "bool", "Leave containers running when the daemon stops"),
    Option("log-driver", "log-driver", "string", "Logging driver of containers (default json-file)"),
    Option("log-format", "log-format", "string", "How to log: text or json"),
    Option("log-level", "log-level", "string", "What to log: debug, info, warn, error or fatal", "l"),
    Option("log-opt", "log-opts", "map", "Option of the logging driver: NAME=VALUE"),
    Option("max-concurrent-downloads", "max-concurrent-downloads", "int", "Layers that one registry sends at a time"),
    Option("max-concurrent-uploads", "max-concurrent-uploads", "int", "How many layers are pushed at a time"),
    Option("max-download-attempts", "max-download-attempts", "int", "How often a request to a registry is tried"),
    Option("metrics-addr", "metrics-addr", "string", "Where Prometheus finds metrics: HOST:PORT (no host: loopback)"),
    Option("min-api-version", "min-api-version", "string", "Oldest API version that clients may speak"),
    Option("mtu", "mtu", "int", "Largest packet of the default bridge in bytes"),
    Option("no-proxy", "no-proxy", "string", "Hosts, domains and networks that are reached without a proxy"),
    Option("no-new-privileges", "no-new-privileges", "bool", "Have containers gain no privileges by setuid programs"),
    Option("pidfile", "pidfile", "string", "File that holds the daemon's process id", "p"),
    Option("plugin-dir", "plugin-dirs", "list", "Where plugins are looked for, instead of Docker's directories"),
    Option("registries-file", "registries-file", "string", "Rules by prefix (default /etc/carrack/registries.toml)"),
    Option("registry-mirror", "registry-mirrors", "list", "Mirror of Docker Hub: http[s]://HOST[:PORT]"),
    Option("seccomp-profile", "seccomp-profile", "string", "Seccomp profile of containers: file, builtin, unconfined"),
    Option("selinux-enabled", "selinux-enabled", "bool", "Label containers where the kernel runs SELinux"),
    Option("shutdown-timeout", "shutdown-timeout", "int", "Seconds containers get to stop with the daemon"),
    Option("slots", "slots", "int", "How many container sandboxes to keep ready"),
    Option(
        "storage-driver", "storage-driver", "string", "How layers are kept (default: the best that works here)", "s"
    ),
    Option("storage-opt", "storage-opts", "list", "What containers may write by default: overlay2.size=BYTES"),
    Option("tls", "tls", "bool", "Use TLS; implied by --tlsverify, and not enough without it"),
    Option("tlscacert", "tlscacert", "string", "Certificate of the authority that clients' certificates must be from"),
    Option("tlscert", "tlscert", "string", "The daemon's certificate"),
    Option("tlskey", "tlskey", "string", "The daemon's key"),
    Option("userland-proxy", "userland-proxy", "bool", "Relay what the kernel cannot lead to containers"),
    Option(
        "userns-remap", "userns-remap", "string", "Whose subordinate ids containers get: default, user or user:group"
    ),
    Option("tlsverify", "tlsverify", "bool", "Use TLS and let in only clients with a certificate of the authority"),
)

BY_FLAG = {option.flag: option for option in OPTIONS}
BY_SHORT = {option.short: option for option in OPTIONS if option.short}
BY_KEY = {option.key: option for option in OPTIONS}

COMMANDS = {"config-file": "string", "help": "bool", "validate": "bool", "version": "bool"}
"""Flags that are not settings: they choose the file, or what to do instead of running."""

COMMAND_SHORTS = {"h": "help", "v": "version"}

_BOOLS: dict[str, bool] = {
    "cri-containerd": False,
    "ip6tables": True,
    "iptables": True,
    "rootless": False,
}

_STRINGS: dict[str, tuple[str, ...]] = {
    "containerd": (),
    "containerd-namespace": (),
    "containerd-plugins-namespace": (),
    "firewall-backend": ("nftables",),
    "network-control-plane-mtu": ("1500",),
    "swarm-default-advertise-addr": (),
    "userland-proxy-path": (),
}

_LISTS: dict[str, str] = {
    "node-generic-resource": "node-generic-resources",
}

_FILE_ONLY = ("builder",)

_EITHER = ("raw-logs",)
"""Bools of which both values are as this engine does it: its log has whole times and no colours in any case."""

_FEATURES: dict[str, tuple[bool, ...]] = {
    "buildkit": (True, False),
    "cdi": (True, False),
    "containerd-snapshotter": (False,),
    "windows-dns-proxy": (False,),
}
"""Docker's features, and how each may be switched here."""

_RENAMED = {"host-gateway-ip": "host-gateway-ips"}
"""Keys that have another name now; their one value became a list."""


def foreign_kind(flag: str) -> str | None:
    """The kind of a flag that dockerd has and this engine has not built; None for one nobody knows."""
    if flag in _BOOLS or flag in _EITHER:
        return "bool"
    return "string" if flag in _STRINGS or flag in _LISTS else None


def foreign_key(key: str) -> bool:
    """Whether dockerd's configuration file knows this key, though this engine has not built it."""
    return key in _BOOLS or key in _EITHER or key in _STRINGS or key in _LISTS.values() or key in _FILE_ONLY


def harmless(name: str, value: Any) -> bool:
    """Whether `value` asks for nothing but what this engine does anyway. `name` is a flag or a key."""
    if name in _EITHER:
        return isinstance(value, bool)
    if name in _BOOLS:
        return value is _BOOLS[name]
    if name in _STRINGS:
        return value in ("", *_STRINGS[name]) or str(value) in _STRINGS[name]
    return not value


_GRANTS = {"network-host": ("network.host", True), "security-insecure": ("security.insecure", False),
           "device": ("device", False)}  # fmt: skip
"""dockerd's ``builder.entitlements``: their names to builds, and whether they are granted when nothing is said."""


def granted(builder: Any) -> frozenset[str]:
    """What builds may be allowed by who asks for them. Raises InvalidArgument for a ``builder`` of another form."""
    known = isinstance(builder, dict) and builder.keys() <= {"entitlements", "gc"}
    given = builder.get("entitlements", {}) if known else None
    if not isinstance(given, dict) or not given.keys() <= _GRANTS.keys() or not all(
        isinstance(value, bool) for value in given.values()
    ):  # fmt: skip
        told = f"builder: {json.dumps(builder)} is not supported by this engine: only gc is, and entitlements, true or"
        raise InvalidArgument(f"{told} false, of {', '.join(_GRANTS)}")
    return frozenset(name for key, (name, usual) in _GRANTS.items() if given.get(key, usual))


def known_features(given: Mapping[str, bool]) -> dict[str, bool]:
    """The features as they are switched. Raises InvalidArgument for one that is unknown, or cannot be so here."""
    for name, value in given.items():
        if name not in _FEATURES:
            raise InvalidArgument(f"features: {name} is none of {', '.join(_FEATURES)}; leave it out")
        if value not in _FEATURES[name]:
            raise InvalidArgument(f"features: {name}={json.dumps(value)} is not supported by this engine; leave it out")
    return dict(given)


_PROXIES = ("http-proxy", "https-proxy", "no-proxy")


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    """A configuration file with older names of keys replaced, and `proxies` as its members. Raises InvalidArgument."""
    found = dict(document)
    proxies = found.pop("proxies", None) or {}
    if not isinstance(proxies, dict) or not set(proxies) <= set(_PROXIES):
        raise InvalidArgument(f"proxies: want an object of {', '.join(_PROXIES)}")
    if twice := sorted(set(proxies) & set(found)):
        raise InvalidArgument(f"{twice[0]} stands in proxies, too; leave one out")
    found |= proxies
    for old, new in _RENAMED.items():
        if isinstance(found.get(old), str) and new not in found:
            found[new] = [found.pop(old)]
    return found
