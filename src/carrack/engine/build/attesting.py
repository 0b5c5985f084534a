"""What is to be said about a build's image, in the words of ``--attest``: its provenance, a list of what is in it.

Source: BuildKit, attributes ``attest:…`` of the Dockerfile frontend.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.dockerfile import commands as c
from carrack.engine.build import provenance
from carrack.engine.build.progress import Vertex
from carrack.engine.build.scanning import Target
from carrack.errors import InvalidArgument
from carrack.model import times

if TYPE_CHECKING:
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.engine.build.scanning import Scanners
    from carrack.engine.build.solve import Bases
    from carrack.oci.attestation import Claim

_PREFIX = "attest:"
_STAGES, _CONTEXT = "BUILDKIT_SBOM_SCAN_STAGE", "BUILDKIT_SBOM_SCAN_CONTEXT"


@dataclass(frozen=True, slots=True)
class Attests:
    """What is asked for. ``sbom``: its words, None for none: ``generator`` an image, others for that one."""

    provenance: provenance.Asked | None = None
    sbom: Mapping[str, str] | None = None

    def __bool__(self) -> bool:
        return self.provenance is not None or self.sbom is not None


NONE = Attests()


@dataclass(frozen=True, slots=True)
class Who:
    """By whom a build was asked for: the frontend's attributes, the build's id, names of folders that were given."""

    attributes: Mapping[str, str]
    identity: str
    source: bytes
    locals: tuple[str, ...] = ("context", "dockerfile")


def read(attributes: Mapping[str, str]) -> Attests:
    """What of the frontend's attributes asks for attestations. Raises InvalidArgument."""
    said, listed = None, None
    for key, value in attributes.items():
        if not key.startswith(_PREFIX):
            continue
        kind, given = key.removeprefix(_PREFIX), words(value)
        if kind == "provenance":
            said = provenance.asked(given)
        elif kind == "sbom":
            off = given.get("disabled", "").lower() in ("true", "1")
            listed = None if off else {name: each for name, each in given.items() if name not in ("type", "disabled")}
        else:
            raise InvalidArgument(f"unknown type of attestation {kind!r}: provenance and sbom are")
    return Attests(said, listed)


def words(text: str) -> dict[str, str]:
    """``mode=max,builder-id=…`` by name; a word alone is a name without a value. Raises InvalidArgument."""
    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise InvalidArgument(f"invalid attestation {text!r}: {error}") from None
    return {name.strip(): value for name, _, value in (field.partition("=") for field in fields if field.strip())}


class Attester:
    """Says it."""

    def __init__(self, scanners: Scanners, bases: Bases) -> None:
        self._scanners = scanners
        self._bases = bases

    async def claims(
        self, wanted: Attests, request: Request, result: Result, who: Who, progress: Progress
    ) -> tuple[Claim, ...]:
        """The claims about a result, whose layers are held. Raises what a scanner or its image raises."""
        claims: list[Claim] = []
        if wanted.sbom is not None:
            claims += await self._scan(wanted.sbom, request, result, who, progress)
        if wanted.provenance is not None and result.trace is not None:
            claims.append(provenance.claim(wanted.provenance, facts(request, result, who)))
        return tuple(claims)

    async def _scan(
        self, words: Mapping[str, str], request: Request, result: Result, who: Who, progress: Progress
    ) -> tuple[Claim, ...]:
        generator = words.get("generator", "")
        name = f"[{result.platform}] generating sbom using {generator or 'carrack'}"
        vertex = Vertex.make(who.identity, name)
        progress.started(vertex)
        try:
            targets = await _targets(request, result)
            if not generator:
                created = times.now() if request.epoch is None else request.epoch * 1_000_000_000
                claims = await self._scanners.own(targets, created)
            else:
                base = await self._bases.result(generator, request.build_platform, request, vertex, progress)
                rest = {key: value for key, value in words.items() if key != "generator"}
                claims = await self._scanners.by(base, rest, targets, progress, vertex)
        except BaseException as error:
            progress.ended(vertex, error=str(error) or "canceled")
            raise
        progress.ended(vertex)
        return claims


def facts(request: Request, result: Result, who: Who) -> provenance.Facts:
    """What provenance is made of, for a result that has its trace."""
    trace = result.trace
    assert trace is not None
    given = tuple(name for name in who.locals if name != "context" or trace.uses_context)
    return provenance.Facts(
        trace, who.attributes, who.identity, times.now(), request.build_platform, who.source, given
    )  # fmt: skip


async def _targets(request: Request, result: Result) -> list[Target]:
    """What is to be looked at: the result, and what the Dockerfile or its build arguments want besides."""
    targets = [Target("sbom", result.layers)]
    trace = result.trace
    if trace is None:
        return targets
    plan = trace.plan
    if _set(_argument(request, _CONTEXT, plan.stages[plan.target].stage.commands)) and trace.uses_context:
        targets.append(Target("sbom-build-context", files=await request.context()))
    for index, layers in sorted(trace.stages.items()):
        stage = plan.stages[index].stage
        asked = _argument(request, _STAGES, stage.commands)
        if index != plan.target and (_set(asked) or stage.name in asked.split(",")):
            targets.append(Target(f"sbom-{stage.name}", layers))
    return targets


def _set(value: str) -> bool:
    return value.lower() in ("true", "1", "t")


def _argument(request: Request, name: str, commands: tuple[c.Command, ...]) -> str:
    """A build argument as given, or as the Dockerfile has it before the first FROM or in a stage."""
    if name in request.arguments:
        return request.arguments[name]
    args = [each for each in (*request.file.globals, *commands) if isinstance(each, c.Arg)]
    values = [pair.value for each in args for pair in each.pairs if pair.key == name and pair.value is not None]
    return values[-1] if values else ""
