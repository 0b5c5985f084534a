"""Which build arguments there are, and where they can be seen.

Before the first FROM: the file's own ARGs, the platforms' and what the caller gave; they count in FROM lines. Inside a
stage: only what the stage (or the one it is made from) declares. Source: Dockerfile reference, "ARG", "Scope".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carrack.dockerfile import expansion
from carrack.dockerfile.commands import Arg
from carrack.dockerfile.words import Budget, Lexer
from carrack.oci.platform import Platform

#: seen by every RUN without being declared, and of no influence on what is remembered or written down
PROXIES = tuple(
    name for word in ("HTTP", "HTTPS", "FTP", "NO", "ALL") for name in (f"{word}_PROXY", f"{word.lower()}_proxy")
)


@dataclass(frozen=True, slots=True)
class Scope:
    """``given`` is what the caller gave (``--build-arg``), ``known`` what FROM lines may use, ``unset`` the names that
    the arguments before the first FROM used in vain; ``classic``: what Docker's classic builder does otherwise than
    BuildKit is done its way; ``budget`` is for all of one build."""

    given: Mapping[str, str]
    known: Mapping[str, str]
    unset: frozenset[str] = frozenset()
    classic: bool = False
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)

    def default(self, name: str) -> str | None:
        """What an ``ARG name`` of a stage is when nothing else says so."""
        return self.known.get(name)


def global_scope(
    arguments: tuple[Arg, ...], given: Mapping[str, str], build: Platform, target: Platform, stage: str, escape: str
) -> Scope:
    """The scope of a file: its ARGs before the first FROM, in order. Raises DockerfileError."""
    known: dict[str, str] = {**platform_values("BUILD", build), **platform_values("TARGET", target)}
    known["TARGETSTAGE"] = stage or "default"
    known.update({name: value for name, value in given.items() if name in known})
    lexer = Lexer(escape)
    for argument in arguments:
        expanded = expansion.expand(argument, lexer, known)
        assert isinstance(expanded, Arg)
        for pair in expanded.pairs:
            value = given.get(pair.key, pair.value)
            if value is not None:
                known[pair.key] = value
    return Scope(given, known, frozenset(lexer.unset), budget=lexer.budget)


def platform_values(prefix: str, platform: Platform) -> dict[str, str]:
    """``BUILDPLATFORM`` and its parts, or ``TARGET…``."""
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }


def proxies(given: Mapping[str, str], classic: bool = False) -> tuple[str, ...]:
    """The proxies that the caller gave, as environment: programs look for either spelling, so each has both (but for
    ``classic``)."""
    if classic:
        return tuple(f"{name}={given[name]}" for name in PROXIES if name in given)
    values = {name.upper(): given[name] for name in PROXIES if name in given}
    return tuple(f"{each}={value}" for name, value in values.items() for each in (name, name.lower()))
