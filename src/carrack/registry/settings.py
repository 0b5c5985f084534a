"""How registries are reached: a frozen value made of the daemon's options and of `registries.toml`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.registry.rules import Rule

LOOPBACK = ("127.0.0.0/8", "::1/128")
"""Always insecure, as with dockerd."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """`mirrors` are docker.io's (URLs); `insecure` are hosts (with port, if any) and networks in CIDR form.

    `proxies` holds `http_proxy`, `https_proxy` and `no_proxy`. `offline` forbids all contact but with mirrors.
    `attempts` is how often a request is tried that fails for a reason that may pass.
    """

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    certs_dir: Path = Path("/etc/docker/certs.d")
    rules: tuple[Rule, ...] = ()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    offline: bool = False
    attempts: int = 5

    def declared_insecure(self, host: str) -> bool:
        """Whether `host` (with its port, if any) is named, or is itself an address of a named network."""
        return host in self.insecure or bare(host) == "localhost" or self.insecure_address(bare(host))

    def insecure_address(self, text: str, *, loopback: bool = True) -> bool:
        """Whether an address lies in a network that is declared insecure. Of `loopback` none is, when somebody who
        answers for names says that it is there: whoever can forge that could have TLS left out anywhere."""
        every = (*LOOPBACK, *self.insecure) if loopback else self.insecure
        networks = [ipaddress.ip_network(text, strict=False) for text in every if _cidr(text)]
        address = _address(text)
        return address is not None and any(address in network for network in networks)


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a registries.toml, see `rules`; most daemons have none. Raises InvalidArgument."""
    if not text.strip():
        return ()
    from carrack.registry import rules

    return rules.parse_rules(text)


def parse_offline(text: str) -> bool:
    """Whether a registries.toml forbids all contact with registries. Raises InvalidArgument."""
    if not text.strip():
        return False
    from carrack.registry import rules

    return rules.parse_offline(text)


def bare(host: str) -> str:
    """A host without its port and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _cidr(text: str) -> bool:
    if "/" not in text:
        return False
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
