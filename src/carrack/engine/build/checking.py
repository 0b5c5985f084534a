"""The checks of a Dockerfile beside its build: what is likely not meant is told, and stops the build when it shall.

They are made before anything is done, with what images that are here say of their variables; and once more at the end
when an image had to be fetched, for what only it could tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from carrack.dockerfile import checks
from carrack.engine.build import stages
from carrack.errors import InvalidArgument
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from carrack.dockerfile.checks import Breach
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.engine.build.stages import Plan, Planned
    from carrack.oci.platform import Platform


class Known(Protocol):
    """Who knows images without fetching them."""

    async def known(self, name: str, platform: Platform) -> Result | None:
        """The image as a stage that has just begun; None when it is not here."""
        ...


class Checking:
    """The checks of one build."""

    def __init__(self, request: Request, plan: Plan, bases: Known, progress: Progress) -> None:
        self._request = request
        self._plan = plan
        self._needed = frozenset(plan.needed())
        self._bases = bases
        self._progress = progress
        self._told: set[Breach] = set()
        self._missing = False

    async def before(self) -> None:
        """Tell what can be told beforehand. Raises InvalidArgument if the file wants to be built without any breach."""
        if self._request.style != "buildkit":
            return  # Docker's classic builder knows no checks
        found: dict[str, Result] = {}
        for planned in self._begun():
            image = await self._bases.known(planned.base, self._wanted(planned))
            if image is None:
                self._missing = True
            else:
                found[_key(planned.base, self._wanted(planned))] = image
        self._tell(found)

    def after(self, images: Mapping[str, Result]) -> None:
        """Tell the rest. ``images`` by name and platform, as the solver has them. Raises InvalidArgument as above."""
        if self._missing:
            self._tell(images)

    def _begun(self) -> Iterator[Planned]:
        """The stages that begin with an image."""
        for index in sorted(self._needed):
            planned = self._plan.stages[index]
            if planned.parent is None and planned.base not in (stages.SCRATCH, *self._request.contexts):
                yield planned

    def _wanted(self, planned: Planned) -> Platform:
        return platforms.parse(planned.platform) if planned.platform else self._request.platform

    def _tell(self, images: Mapping[str, Result]) -> None:
        found = [breach for breach in self._breaches(images) if breach not in self._told]
        for breach in found:
            self._progress.warned(None, f"{breach.rule.name}: {breach.detail}", breach.place.line, breach)
        self._told.update(found)
        refuse(found, self._request)

    def _breaches(self, images: Mapping[str, Result]) -> list[Breach]:
        request = self._request
        named = {planned.base: images.get(_key(planned.base, self._wanted(planned))) for planned in self._begun()}

        def environment(name: str) -> Collection[str] | None:
            image = named.get(name)
            return None if image is None else variables(image)

        every = checks.check(request.file, request.arguments, environment, request.ignored)
        found = checks.of_stages(every, request.file, self._needed)
        found += [breach for planned in self._begun() if (breach := self._platform(planned, named[planned.base]))]
        return sorted(found, key=lambda breach: breach.place.line)

    def _platform(self, planned: Planned, image: Result | None) -> Breach | None:
        wanted = self._wanted(planned)
        if image is None or (image.platform.os, image.platform.architecture) == (wanted.os, wanted.architecture):
            return None
        breach = checks.wrong_platform(planned.stage, planned.base, str(image.platform), str(wanted))
        chosen = checks.settings(self._request.file, self._request.arguments)
        return breach if checks.in_force(breach.rule, chosen) else None


def variables(image: Result) -> Collection[str]:
    """The names of an image's environment."""
    return [word.partition("=")[0] for word in image.state.config.get("Env") or ()]


def refuse(found: Sequence[Breach], request: Request) -> None:
    """Raise InvalidArgument for breaches in a file that wants none (``# check=error=true``)."""
    if found and checks.settings(request.file, request.arguments).error:
        names = ", ".join(sorted({breach.rule.name for breach in found}))
        raise InvalidArgument(f"lint violation found for rules: {names}")


def _key(name: str, platform: Platform) -> str:
    return f"{name} {platform}"
