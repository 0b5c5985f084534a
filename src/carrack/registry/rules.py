"""`registries.toml`: for each prefix of image names, from where and how they are got.

The words are those of containers-registries.conf(5), where it has one:

    offline = false                     # true: no registry is ever contacted, mirrors aside

    [[registry]]
    prefix = "docker.io/library"        # names that begin so; the longest prefix wins; "*.example.com"; "*" for all
    location = "hub.example.com/lib"    # what the prefix is replaced with when the registry is asked
    insecure = false                    # true: plain HTTP, or TLS that is not verified
    blocked = false                     # true: refused
    fallback = true                     # false: mirrors only
    mirror-by-digest-only = false

    [[registry.mirror]]                 # asked first, in this order
    location = "mirror.example.com:5000/hub"
    insecure = false
    pull-from-mirror = "all"            # or "digest-only", "tag-only"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carrack.errors import InvalidArgument
from carrack.oci import reference as references
from carrack.oci.reference import Reference

FILE_LIMIT = 1024 * 1024
_WHEN = ("all", "digest-only", "tag-only")


@dataclass(frozen=True, slots=True)
class Mirror:
    """One place that is asked before a registry. `location` is host[:port][/path]."""

    location: str
    insecure: bool = False
    when: str = "all"

    def serves(self, *, digest: bool) -> bool:
        """Whether it is asked for what is named by a digest, or by a tag."""
        return self.when in ("all", "digest-only" if digest else "tag-only")


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for image names that begin with `prefix` (a whole host, or a host and whole parts of a path)."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    fallback: bool = True
    mirrors: tuple[Mirror, ...] = ()

    def matches(self, name: Reference) -> bool:
        """Whether `name` begins with the prefix; `*.domain` is any host below the domain."""
        host, slash, path = self.prefix.partition("/")
        if host == "*":
            return True
        if host.startswith("*."):
            return name.domain.endswith(host[1:])
        return name.domain == host and (not slash or f"{name.path}/".startswith(f"{path}/"))

    def rewrite(self, name: Reference, location: str) -> str:
        """Where `name` is below `location`: host/path, the prefix replaced; `*` keeps the whole path."""
        _, _, prefix = self.prefix.partition("/")
        rest = name.path[len(prefix) :].lstrip("/") if prefix else name.path
        return f"{location}/{rest}" if rest else location


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a registries.toml, the longest prefix first. InvalidArgument says what is wrong."""
    document = _load(text)
    rules = [_rule(entry, f"registry[{i}]") for i, entry in enumerate(_tables(document, "registry", "the file"))]
    prefixes = [rule.prefix for rule in rules]
    twice = sorted({prefix for prefix in prefixes if prefixes.count(prefix) > 1})
    if twice:
        raise InvalidArgument(f"prefixes given more than once: {', '.join(twice)}")
    return tuple(sorted(rules, key=lambda rule: (not rule.prefix.startswith("*"), len(rule.prefix)), reverse=True))


def parse_offline(text: str) -> bool:
    """Whether a registries.toml forbids all contact with registries."""
    return _bool(_load(text), "offline", "the file", False)


def _load(text: str) -> dict[str, Any]:
    if len(text) > FILE_LIMIT:
        raise InvalidArgument(f"larger than {FILE_LIMIT} bytes")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is one, so is a number too long to be read
        raise InvalidArgument(f"not TOML: {error}") from None
    _known(document, ("offline", "registry"), "the file")
    return document


def _rule(entry: Mapping[str, Any], what: str) -> Rule:
    keys = ("prefix", "location", "insecure", "blocked", "fallback", "mirror-by-digest-only", "mirror")
    _known(entry, keys, what)
    location = _text(entry, "location", what)
    prefix = _text(entry, "prefix", what) or location
    if not prefix:
        raise InvalidArgument(f"{what}: prefix is missing")
    what = f"registry {prefix}"
    by_digest = _bool(entry, "mirror-by-digest-only", what, False)
    mirrors = tuple(_mirror(m, f"{what}: mirror[{i}]", by_digest) for i, m in enumerate(_tables(entry, "mirror", what)))
    rule = Rule(
        prefix=_place(prefix, what, wild=True),
        location=_place(location, what) if location else "",
        insecure=_bool(entry, "insecure", what, False),
        blocked=_bool(entry, "blocked", what, False),
        fallback=_bool(entry, "fallback", what, True),
        mirrors=mirrors,
    )
    if not rule.fallback and not mirrors:
        raise InvalidArgument(f"{what}: fallback = false needs a mirror; to refuse these images say blocked = true")
    return rule


def _mirror(entry: Mapping[str, Any], what: str, by_digest: bool) -> Mirror:
    _known(entry, ("location", "insecure", "pull-from-mirror"), what)
    location = _text(entry, "location", what)
    if not location:
        raise InvalidArgument(f"{what}: location is missing")
    when = _text(entry, "pull-from-mirror", what) or ("digest-only" if by_digest else "all")
    if when not in _WHEN:
        raise InvalidArgument(f"{what}: pull-from-mirror must be one of {', '.join(_WHEN)}, not {when!r}")
    return Mirror(_place(location, what), _bool(entry, "insecure", what, False), when)


def _place(text: str, what: str, *, wild: bool = False) -> str:
    """host[:port][/path], checked by the grammar of image names."""
    if wild and (text == "*" or (text.startswith("*.") and "/" not in text)):
        return text
    host, _, path = text.partition("/")
    try:
        # A host of one word is a path by Docker's rules, so the grammar is asked with a port.
        references.parse(f"{host if ':' in host else host + ':1'}/{path or 'x'}")
    except InvalidArgument:
        raise InvalidArgument(f"{what}: {text!r} is not HOST[:PORT][/PATH]; leave http:// and https:// out") from None
    return "docker.io" + text.removeprefix("index.docker.io") if host == "index.docker.io" else text


def _known(entry: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    unknown = sorted(set(entry) - set(keys))
    if unknown:
        raise InvalidArgument(f"{what}: unknown key {unknown[0]!r}; known are {', '.join(keys)}")


def _tables(entry: Mapping[str, Any], key: str, what: str) -> list[Mapping[str, Any]]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidArgument(f"{what}: {key} must be a list of tables: [[{key}]]")
    return value


def _text(entry: Mapping[str, Any], key: str, what: str) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str):
        raise InvalidArgument(f"{what}: {key} must be a string")
    return value


def _bool(entry: Mapping[str, Any], key: str, what: str, default: bool) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise InvalidArgument(f"{what}: {key} must be true or false")
    return value
