"""Policies for sources: rules by which a client allows, denies and replaces what its build takes from elsewhere. Pure.

A source is an identifier (``docker-image://docker.io/library/debian:12``, ``https://…``, ``git://host/a.git#ref:folder``,
``local://context``) with attributes (``http.checksum``, ``git.fullurl`` …). Of rules that allow and deny the last that
fits counts; one that converts begins anew with what it gave. Source: BuildKit, sourcepolicy/engine.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from carrack.engine.build import giturl, patterns
from carrack.engine.build.giturl import GitSource
from carrack.engine.build.patterns import LONGEST, REGEX, WILDCARD
from carrack.errors import Forbidden, InvalidArgument, NotSupported, Unavailable
from carrack.oci import reference

ALLOW, DENY, CONVERT = range(3)
EQUAL, NOTEQUAL, MATCHES = range(3)
_IMAGE = "docker-image://"
_MOST = 20  # conversions of one source


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

    def fits(self, identifier: str, attributes: Mapping[str, str]) -> bool:
        """Whether it is for this one. Raises InvalidArgument for a pattern that is none."""
        held = all(_holds(each, attributes.get(each.key, "")) for each in self.constraints)
        return held and patterns.fits(self.match, self.identifier, identifier)

    def converted(self, identifier: str) -> str:
        """What it makes of an identifier that it fits. Raises InvalidArgument."""
        return patterns.converted(self.match, self.identifier, identifier, self.becomes) if self.becomes else identifier

    @property
    def searches(self) -> bool:
        """Whether it has expressions, which may take their time."""
        return self.match == REGEX or any(each.condition == MATCHES for each in self.constraints)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one build; without any all is allowed. ``given_up``: whether nobody waits for what it says any more;
    asked before each rule."""

    rules: tuple[Rule, ...] = ()
    given_up: Callable[[], bool] = field(default=lambda: False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def evaluate(self, identifier: str, attributes: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
        """What is to be taken instead, often the same. Raises Forbidden for what is denied, InvalidArgument."""
        known = dict(attributes or {})
        for _ in range(_MOST + 1):
            if self.rules and len(identifier) > LONGEST:
                text = f"source {identifier[:80]}…: {len(identifier)} characters are more than the limit of {LONGEST}"
                raise InvalidArgument(f"error matching source policy: {text}")
            after = self._once(identifier, known)
            if after == (identifier, known):
                return after
            identifier, known = after
        raise InvalidArgument("too many mutations on a single source: too many operations")

    def _once(self, identifier: str, attributes: dict[str, str]) -> tuple[str, dict[str, str]]:
        denied = False
        for rule in self.rules:
            if self.given_up():
                raise Unavailable("nobody waits any more for what a policy for sources says")
            with _telling("matching"):
                if not rule.fits(identifier, attributes):
                    continue
            if rule.action == CONVERT:
                with _telling("mutating"):
                    after = rule.converted(identifier), {**attributes, **rule.attributes}
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
        _known(attributes, {*given, "git.keepgitdir", "git.skipsubmodules", "git.knownsshhosts"})
        source = replace(
            wanted, url=attributes["git.fullurl"], ref=parsed.ref, folder=parsed.folder,
            checksum=attributes["git.checksum"], submodules=attributes.get("git.skipsubmodules") != "true",
            known_hosts=attributes.get("git.knownsshhosts", ""),
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
        try:
            return patterns.found(constraint.value, value)
        except InvalidArgument as error:
            raise InvalidArgument(f'invalid regex "{constraint.value}": {error}') from error
    return (value == constraint.value) == (constraint.condition == EQUAL)


@contextmanager
def _telling(doing: str) -> Iterator[None]:
    try:
        yield
    except InvalidArgument as error:
        raise InvalidArgument(f"error {doing} source policy: {error}") from error


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
