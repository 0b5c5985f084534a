"""The daemon's options as a table: dockerd's flags and daemon.json keys that have an effect here, our own few, and
those of dockerd that are known but not built.

An option that is known but not built may be given with the one value that describes what this engine does anyway;
any other value is refused by name, because a flag that is taken and ignored misleads its user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `kind` is string, bool, int, list or pools; `key` its name in the configuration file."""

    flag: str
    key: str
    kind: str
    help: str
    short: str = ""


OPTIONS: tuple[Option, ...] = (
    Option("bip", "bip", "string", "Address and prefix length of the default bridge, e.g. 172.17.0.1/16"),
    Option("bridge", "bridge", "string", "Name of the default bridge", "b"),
    Option("cgroup-favor-dynmods", "cgroup-favor-dynmods", "string", "Cheap moves into cgroups: auto, on or off"),
    Option("cgroup-parent", "cgroup-parent", "string", "Cgroup below which containers get theirs"),
    Option("data-root", "data-root", "string", "Directory of everything that stays"),
    Option("debug", "debug", "bool", "Log in detail", "D"),
    Option("default-address-pool", "default-address-pools", "pools", "Pool for networks: base=CIDR,size=BITS"),
    Option("exec-root", "exec-root", "string", "Directory of what lasts until the next boot"),
    Option("firewall-table", "firewall-table", "string", "Name of the nftables table"),
    Option("group", "group", "string", "Group of the unix socket", "G"),
    Option("host", "hosts", "list", "Where to listen: unix://PATH, tcp://HOST:PORT (with --tlsverify), fd://", "H"),
    Option("label", "labels", "list", "KEY=VALUE that describes this daemon"),
    Option("live-restore", "live-restore", "bool", "Leave containers running when the daemon stops"),
    Option("log-format", "log-format", "string", "How to log: text or json"),
    Option("log-level", "log-level", "string", "What to log: debug, info, warn, error or fatal", "l"),
    Option("mtu", "mtu", "int", "Largest packet of the default bridge in bytes"),
    Option("pidfile", "pidfile", "string", "File that holds the daemon's process id", "p"),
    Option("plugin-dir", "plugin-dirs", "list", "Where plugins are looked for, instead of Docker's directories"),
    Option("shutdown-timeout", "shutdown-timeout", "int", "Seconds containers get to stop with the daemon"),
    Option("slots", "slots", "int", "How many container sandboxes to keep ready"),
    Option(
        "storage-driver", "storage-driver", "string", "How layers are kept (default: the best that works here)", "s"
    ),
    Option("tls", "tls", "bool", "Use TLS; implied by --tlsverify"),
    Option("tlscacert", "tlscacert", "string", "Certificate of the authority that clients' certificates must be from"),
    Option("tlscert", "tlscert", "string", "The daemon's certificate"),
    Option("tlskey", "tlskey", "string", "The daemon's key"),
    Option("tlsverify", "tlsverify", "bool", "Use TLS and let in only clients with a certificate of the authority"),
)

BY_FLAG = {option.flag: option for option in OPTIONS}
BY_SHORT = {option.short: option for option in OPTIONS if option.short}
BY_KEY = {option.key: option for option in OPTIONS}

COMMANDS = {"config-file": "string", "help": "bool", "validate": "bool", "version": "bool"}
"""Flags that are not settings: they choose the file, or what to do instead of running."""

COMMAND_SHORTS = {"h": "help", "v": "version"}

_BOOLS: dict[str, bool] = {
    "allow-direct-routing": False,
    "cri-containerd": False,
    "experimental": False,
    "icc": True,
    "init": False,
    "ip-forward": True,
    "ip-forward-no-drop": False,
    "ip-masq": True,
    "ip6tables": False,
    "iptables": True,
    "ipv6": False,
    "no-new-privileges": False,
    "raw-logs": False,
    "rootless": False,
    "selinux-enabled": False,
    "userland-proxy": False,
}

_STRINGS: dict[str, tuple[str, ...]] = {
    "bip6": (),
    "bridge-accept-fwmark": (),
    "containerd": (),
    "containerd-namespace": (),
    "containerd-plugins-namespace": (),
    "cpu-rt-period": ("0",),
    "cpu-rt-runtime": ("0",),
    "default-cgroupns-mode": (),
    "default-gateway": (),
    "default-gateway-v6": (),
    "default-ipc-mode": ("private",),
    "default-runtime": ("carrack",),
    "default-shm-size": ("64M", "64MiB", "67108864"),
    "firewall-backend": ("nftables",),
    "fixed-cidr": (),
    "fixed-cidr-v6": (),
    "host-gateway-ip": (),
    "http-proxy": (),
    "https-proxy": (),
    "init-path": (),
    "ip": ("0.0.0.0",),
    "log-driver": ("json-file",),
    "max-concurrent-downloads": (),
    "max-concurrent-uploads": (),
    "max-download-attempts": (),
    "metrics-addr": (),
    "network-control-plane-mtu": (),
    "no-proxy": (),
    "seccomp-profile": ("builtin",),
    "swarm-default-advertise-addr": (),
    "userland-proxy-path": (),
    "userns-remap": (),
}

_LISTS: dict[str, str] = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits",
    "dns": "dns",
    "dns-opt": "dns-opts",
    "dns-search": "dns-search",
    "exec-opt": "exec-opts",
    "feature": "features",
    "insecure-registry": "insecure-registries",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}

_FILE_ONLY = ("builder", "proxies")

_EXEC_OPTION = "native.cgroupdriver=cgroupfs"


def foreign_kind(flag: str) -> str | None:
    """The kind of a flag that dockerd has and this engine has not built; None for one nobody knows."""
    if flag in _BOOLS:
        return "bool"
    return "string" if flag in _STRINGS or flag in _LISTS else None


def foreign_key(key: str) -> bool:
    """Whether dockerd's configuration file knows this key, though this engine has not built it."""
    return key in _BOOLS or key in _STRINGS or key in _LISTS.values() or key in _FILE_ONLY


def harmless(name: str, value: Any) -> bool:
    """Whether `value` asks for nothing but what this engine does anyway. `name` is a flag or a key."""
    if name in _BOOLS:
        return value is _BOOLS[name]
    if name in _STRINGS:
        return value in ("", *_STRINGS[name]) or str(value) in _STRINGS[name]
    if name in ("exec-opt", "exec-opts"):
        return value in (_EXEC_OPTION, [_EXEC_OPTION], [])
    return not value
