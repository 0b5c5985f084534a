"""What a build was made of, kept while it goes on: its bases, its steps in order, what it fetched.

It is what provenance tells (:mod:`carrack.engine.build.provenance`). Everything is by value; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from carrack.engine.build import giturl
from carrack.engine.build.stages import Plan
from carrack.engine.build.steps import CopyStep, RunStep, Step


@dataclass(frozen=True, slots=True)
class Base:
    """An image that was begun with or copied from: as it was called, for which platform, and the digest that it was
    found to have."""

    name: str
    platform: str
    digest: str
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A step that gave (or would have given) a layer. ``line``, ``end``: of the Dockerfile; ``layer``: its diff id, ""
    for none."""

    step: Step
    line: int
    end: int
    layer: str


@dataclass(slots=True)
class Trace:
    """One build for one platform. ``started`` in nanoseconds since 1970; ``begun``: by stage, the image it began with;
    ``steps`` and ``stages`` (the layers) by stage; ``fetched``: by URL, digests of files and commits of repositories
    (``sha1:…``)."""

    started: int
    plan: Plan
    bases: dict[str, Base] = field(default_factory=dict)
    begun: dict[int, str] = field(default_factory=dict)
    steps: dict[int, list[Made]] = field(default_factory=dict)
    fetched: dict[str, str] = field(default_factory=dict)
    stages: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def runs(self) -> Iterator[RunStep]:
        """The programs of all stages."""
        for made in self._all():
            if isinstance(made.step, RunStep):
                yield made.step

    @property
    def uses_context(self) -> bool:
        """Whether files of the client were taken."""
        return any("" in origins(made.step) for made in self._all())

    def _all(self) -> Iterator[Made]:
        for steps in self.steps.values():
            yield from steps


def origins(step: Step) -> list[str]:
    """What a step takes files from besides what lies below it; "" is the build's context."""
    if isinstance(step, RunStep):
        return [mount.origin for mount in step.mounts if mount.type == "bind" or mount.origin]
    if isinstance(step, CopyStep):
        remote = [source for source in step.sources if step.remote and is_remote(source)]
        return [step.origin] if len(step.sources) > len(step.inline) + len(remote) else []
    return []


def is_remote(source: str) -> bool:
    """Whether a source of ADD is fetched."""
    return source.startswith(("http://", "https://")) or giturl.is_git(source)
