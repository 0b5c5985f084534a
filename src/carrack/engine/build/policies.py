"""Policies for sources: rules by which a client allows, denies and replaces what its build takes from elsewhere. Pure.

A source is an identifier (``docker-image://docker.io/library/debian:12``, ``https://…``, ``git://host/a.git#ref:folder``,
``local://context``) with attributes (``http.checksum``, ``git.fullurl`` …). Of rules that allow and deny the last that
fits counts; one that converts begins anew with what it gave. Source: BuildKit, sourcepolicy/engine.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from carrack.engine.build import giturl
from carrack.engine.build.giturl import GitSource
from carrack.errors import Forbidden, InvalidArgument, NotSupported
from carrack.oci import reference

ALLOW, DENY, CONVERT = range(3)
WILDCARD, EXACT, REGEX = range(3)
EQUAL, NOTEQUAL, MATCHES = range(3)
_IMAGE = "docker-image://"
_MOST = 20  # conversions of one source
_LONGEST = 4096  # characters: stars and expressions are tried at each of them, and Dockerfiles are strangers'
_GROUP = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an attribute must be: the value, not the value, or what it matches as an expression."""

    key: str
    value: str
    condition: int = EQUAL


@dataclass(frozen=True, slots=True)
class Rule:
    """``identifier``: what it fits, read as ``match`` says; ``becomes`` and ``attributes``: what CONVERT makes of it,
    with ``${1}`` for what a star or a group stood for."""

    action: int
    identifier: str
    match: int = WILDCARD
    constraints: tuple[Constraint, ...] = ()
    becomes: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def fits(self, identifier: str, attributes: Mapping[str, str]) -> re.Match[str] | None:
        """What of an identifier it fits. Raises InvalidArgument for an expression that is none."""
        if not all(_holds(each, attributes.get(each.key, "")) for each in self.constraints):
            return None
        if self.match == REGEX:
            return _compiled(self.identifier).search(identifier)
        if self.match == EXACT:
            return re.fullmatch(re.escape(self.identifier), identifier)
        if "**" in self.identifier:
            text = f'failed to translate wildcard "{self.identifier}" to regexp: invalid wildcard: "**"'
            raise InvalidArgument(f"error matching source policy: {text}")
        return re.fullmatch("(.*)".join(map(re.escape, self.identifier.split("*"))), identifier)

    def converted(self, identifier: str, fit: re.Match[str]) -> str:
        """What it makes of an identifier."""
        if not self.becomes:
            return identifier
        if self.match == REGEX:  # each of the places that it fits
            return fit.re.sub(self._made, identifier)
        return self._made(fit)

    def _made(self, fit: re.Match[str]) -> str:
        return _GROUP.sub(lambda group: _expanded(group, fit), self.becomes)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one build; without any all is allowed."""

    rules: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rules)

    def evaluate(self, identifier: str, attributes: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
        """What is to be taken instead, often the same. Raises Forbidden for what is denied, InvalidArgument."""
        known = dict(attributes or {})
        for _ in range(_MOST + 1):
            if self.rules and len(identifier) > _LONGEST:
                text = f"source {identifier[:80]}…: {len(identifier)} characters are more than the limit of {_LONGEST}"
                raise InvalidArgument(f"error matching source policy: {text}")
            after = self._once(identifier, known)
            if after == (identifier, known):
                return after
            identifier, known = after
        raise InvalidArgument("too many mutations on a single source: too many operations")

    def _once(self, identifier: str, attributes: dict[str, str]) -> tuple[str, dict[str, str]]:
        denied = False
        for rule in self.rules:
            fit = rule.fits(identifier, attributes)
            if fit is None:
                continue
            if rule.action == CONVERT:
                after = rule.converted(identifier, fit), {**attributes, **rule.attributes}
                if after != (identifier, attributes):
                    return after
            else:
                denied = rule.action == DENY
        if denied:
            raise Forbidden(f'source "{identifier}" denied by policy: source denied by policy')
        return identifier, attributes

    def image(self, name: str) -> str:
        """The image that is to be taken for one."""
        if not self.rules:
            return name
        shown = _canonical(name)
        try:
            found, attributes = self.evaluate(f"{_IMAGE}{shown}")
        except (Forbidden, InvalidArgument) as error:
            why = f"failed to resolve source metadata for {shown}: could not resolve image due to policy: {error}"
            raise type(error)(f"{name}: {why}") from error
        if not found.startswith(_IMAGE):
            raise InvalidArgument(f"{name}: ref mutated by policy to non-image: {_IMAGE}{shown} -> {found}")
        _known(attributes, set())
        return name if found == f"{_IMAGE}{shown}" else found.removeprefix(_IMAGE)

    def file(self, url: str, checksum: str = "") -> tuple[str, str]:
        """The address of a file that is to be fetched for one, and the digest that it must have, "" for any."""
        found, attributes = self._loaded(url, {"http.checksum": checksum} if checksum else {})
        _same_kind(url, found, ("http://", "https://"))
        _known(attributes, {"http.checksum"})
        return found, attributes.get("http.checksum", "")

    def repository(self, wanted: GitSource, keep: bool) -> tuple[GitSource, bool]:
        """The repository that is to be fetched for one, and whether with its ``.git``."""
        if not self.rules:
            return wanted, keep
        shown = _identifier(wanted)
        given = {"git.fullurl": wanted.url, "git.checksum": wanted.checksum}
        given |= {"git.keepgitdir": "true"} if keep else {}
        given |= {} if wanted.submodules else {"git.skipsubmodules": "true"}
        found, attributes = self._loaded(shown, given)
        _same_kind(shown, found, ("git://",))
        parsed = giturl.parse(found)
        _known(attributes, {*given, "git.keepgitdir", "git.skipsubmodules"})
        source = replace(
            wanted, url=attributes["git.fullurl"], ref=parsed.ref, folder=parsed.folder,
            checksum=attributes["git.checksum"], submodules=attributes.get("git.skipsubmodules") != "true",
        )  # fmt: skip
        return source, attributes.get("git.keepgitdir") == "true"

    def folder(self, name: str) -> None:
        """Refuse a folder of the client's that may not be taken, by its name there."""
        if self.rules:
            _same_kind(f"local://{name}", self._loaded(f"local://{name}", {})[0], (f"local://{name}",))

    def _loaded(self, identifier: str, attributes: dict[str, str]) -> tuple[str, dict[str, str]]:
        try:
            return self.evaluate(identifier, attributes)
        except (Forbidden, InvalidArgument) as error:
            raise type(error)(f"failed to load LLB: error evaluating the source policy: {error}") from error


ALL = Policy()


def _holds(constraint: Constraint, value: str) -> bool:
    if constraint.condition == MATCHES:
        return _compiled(constraint.value).search(value) is not None
    return (value == constraint.value) == (constraint.condition == EQUAL)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidArgument(f"error matching source policy: error parsing regexp: {error}: `{text}`") from error


def _expanded(group: re.Match[str], fit: re.Match[str]) -> str:
    if group[3]:
        return "$"
    name = group[1] or group[2]
    try:
        return fit[int(name) if name.isdecimal() else name] or ""
    except IndexError:
        return ""


def _canonical(name: str) -> str:
    try:
        return str(reference.parse(name.removeprefix(_IMAGE)).with_default_tag())
    except InvalidArgument:
        return name


def _identifier(wanted: GitSource) -> str:
    """As BuildKit writes one: whatever the protocol, and with whatever name one comes, the host and the path."""
    at, scheme, rest = wanted.url.partition("://")
    place = rest if scheme else at.replace(":", "/", 1)
    place = f"{urlsplit(wanted.url).netloc}{urlsplit(wanted.url).path}" if scheme else place
    fragment = f"{wanted.ref}{f':{wanted.folder}' if wanted.folder else ''}"
    return f"git://{place.rpartition('@')[2]}{f'#{fragment}' if fragment else ''}"


def _known(attributes: Mapping[str, str], names: set[str]) -> None:
    if unknown := ", ".join(sorted(attributes.keys() - names)):
        raise NotSupported(f"a policy for sources sets {unknown}, which is not supported")


def _same_kind(before: str, after: str, kinds: tuple[str, ...]) -> None:
    if not after.startswith(kinds):
        raise NotSupported(f"a policy for sources makes {after} of {before}: only the same kind of source is supported")
