"""Where an image is asked for: its mirrors in order, then its registry, as the settings say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from carrack.errors import Forbidden, Unavailable
from carrack.oci.reference import DEFAULT_DOMAIN, Reference
from carrack.registry.rules import Rule
from carrack.registry.settings import RegistrySettings


@dataclass(frozen=True, slots=True)
class Place:
    """`path` is the repository's name at `host` (host[:port]). Only the `origin` is what the user's credentials are
    for, and what is pushed to. `when` is Mirror.when."""

    host: str
    path: str
    insecure: bool = False
    origin: bool = False
    when: str = "all"

    def serves(self, *, digest: bool) -> bool:
        """Whether it is asked for what is named by a digest, or by a tag."""
        return self.when in ("all", "digest-only" if digest else "tag-only")


def places(settings: RegistrySettings, name: Reference, *, push: bool = False) -> tuple[Place, ...]:
    """All places of `name`, in order; for a push the registry alone.

    Raises Forbidden for a blocked name, Unavailable when only a registry is left and all is offline.
    """
    rule = next((rule for rule in settings.rules if rule.matches(name)), Rule("*"))
    if rule.blocked:
        raise Forbidden(f"{name.familiar_name} is blocked by the rule for {rule.prefix} in registries.toml")
    found = [] if push else [*_of_rule(rule, name), *_of_docker(settings, name)]
    if settings.offline:
        if not found:
            raise Unavailable(f"{name.familiar_name}: offline by registries.toml, and no mirror is set for it there")
        return tuple(found)
    if push or rule.fallback:
        found.append(_origin(rule, name))
    return tuple(found)


def _of_rule(rule: Rule, name: Reference) -> list[Place]:
    return [_place(rule.rewrite(name, m.location), m.insecure, m.when) for m in rule.mirrors]


def _of_docker(settings: RegistrySettings, name: Reference) -> list[Place]:
    """The daemon's `registry-mirrors`, which are Docker Hub's."""
    if name.domain != DEFAULT_DOMAIN:
        return []
    parts = [urlsplit(url) for url in settings.mirrors]
    return [Place(part.netloc, name.path, insecure=part.scheme == "http") for part in parts]


def _origin(rule: Rule, name: Reference) -> Place:
    if not rule.location:
        return Place(name.domain, name.path, rule.insecure, origin=True)
    host, _, path = rule.rewrite(name, rule.location).partition("/")
    # Credentials are for the host in the name; another host that it is rewritten to does not get them.
    return Place(host, path, rule.insecure, origin=host == name.domain)


def _place(location: str, insecure: bool, when: str) -> Place:
    host, _, path = location.partition("/")
    return Place(host, path, insecure, when=when)
