"""Builds: a small Dockerfile cold and cached, many files of which one changed, many steps, many files written."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import WALL, Metric, Row, Sample
from bench.target import IMAGE, Target

IN_ONE_DIRECTORY = 250
SLEEP = 3.0
_PEERS = ("dockerd", "classic", "podman")
_BUILDX = ("dockerd", "docker")
_Goals = dict[tuple[str, str, str], float]

SIX = f"""FROM {IMAGE}
WORKDIR /app
COPY requirements .
RUN mkdir -p /deps && cp requirements /deps/
COPY src src
RUN cat src/*/* > all && echo built
ENV STAGE=production
CMD ["cat", "all"]
"""
MANY = f"FROM {IMAGE}\nRUN echo one > /one\nCOPY . /src\n"
STEPS = f"FROM {IMAGE}\n" + "".join(f"RUN echo {number} > /step\n" for number in range(60))
WRITTEN = f"""FROM {IMAGE}
RUN for d in $(seq 200); do mkdir -p /w/$d; for f in $(seq 250); do echo $f > /w/$d/$f; done; done
"""
STAGES = f"""FROM {IMAGE} AS one
RUN sleep {SLEEP:g}; echo one > /one
FROM {IMAGE} AS two
RUN sleep {SLEEP:g}; echo two > /two
FROM {IMAGE}
COPY --from=one /one /
COPY --from=two /two /
"""


@dataclass(frozen=True)
class Place:
    """Where contexts are made, and how podman's mount namespace calls the same folder."""

    here: Path
    podman: str


class Project:
    """A context with ``files`` beside its Dockerfile: made once, removed when the last target is done with it."""

    def __init__(self, place: Place, text: str, files: int = 8) -> None:
        self._place = place
        self._text = text
        self._files = files
        self._folder: Path | None = None
        self._users = 0
        self._changes = 0

    def prepare(self, target: Target) -> None:
        """The files, and what the target remembers of a first build of them."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bench-build-", dir=self._place.here))
            self._make(self._folder)
        self._users += 1
        self.cached(target)

    def clean(self, target: Target) -> None:
        """Take it away."""
        target.run("rmi", "-f", self._name(target))
        self._users -= 1
        if not self._users and self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def cold(self, target: Target) -> None:
        """The work without what is remembered."""
        self._build(target, "--no-cache")

    def cached(self, target: Target) -> None:
        """The work with it."""
        self._build(target)

    def change(self, target: Target) -> None:
        """Give one file content that it never had."""
        self._changes += 1
        self._of(0).write_text(f"{target.key} {self._changes} {time.time_ns()}\n")

    def whole(self, target: Target) -> None:
        """The work without what is remembered, and all that it has left taken away again: some engines clear up behind
        a build, others when they are asked to. What the daemon remembers of other builds goes, too."""
        self.cold(target)
        target.run("rmi", "-f", self._name(target))
        target.run("builder", "prune", "-a", "-f")

    def over(self, longest: float) -> Callable[[Target], Sample]:
        """The work of `cold`, and how many times it takes what its longest part alone does (seconds)."""

        def work(target: Target) -> Sample:
            start = time.perf_counter()
            self.cold(target)
            return {"over": (time.perf_counter() - start) / longest}

        return work

    def _build(self, target: Target, *words: str) -> None:
        assert self._folder is not None, "prepare comes first"
        place = f"{self._place.podman}/{self._folder.name}" if target.key == "podman" else str(self._folder)
        verb = ("buildx", "build") if target.key in _BUILDX else ("build",)
        target.run(*verb, *words, "-t", self._name(target), place)

    def _name(self, target: Target) -> str:
        return f"{target.prefix}-built-{target.key}"

    def _of(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / "src" / f"d{number // IN_ONE_DIRECTORY}" / f"f{number}"

    def _make(self, folder: Path) -> None:
        (folder / "Dockerfile").write_text(self._text)
        (folder / "requirements").write_text("one\ntwo\n")
        for number in range(self._files):
            path = self._of(number)
            if not number % IN_ONE_DIRECTORY:
                path.parent.mkdir(parents=True)
            path.write_bytes(b"x" * (number * 37 % 4096))


def rows(place: Place) -> dict[str, Row]:
    """The rows of builds: `docker buildx build` (`docker build` would start buildx once more), "classic" without it."""
    all_of_them = (*_PEERS, "docker", "carrack")

    def best(goal: float, metric: str = "wall") -> _Goals:
        return {("carrack", metric, peer): goal for peer in _PEERS}

    def row(title: str, project: Project, goals: _Goals, *, cold: bool = True) -> Row:
        work = project.cold if cold else project.cached
        return Row(title, work, all_of_them, against=goals, prepare=project.prepare, clean=project.clean, slow=True)

    six, many = Project(place, SIX), Project(place, MANY, 20_000)
    stages, written = Project(place, STAGES), Project(place, WRITTEN)
    faces = {
        ("carrack", "wall", "classic"): 1.5,
        ("carrack", "wall", "dockerd"): 6.0,
        ("docker", "wall", "dockerd"): 1.5,
    }
    changed = row("one file changed of 20,000", many, best(2.0), cold=False)
    return {
        "build": row("`build` of six steps, cold", six, best(3.0) | {("docker", "wall", "dockerd"): 2.0}),
        "build-cached": row("the same, cached", six, faces, cold=False),
        "build-changed": replace(changed, before=many.change),
        "build-steps": row("`build` of 60 RUN", Project(place, STEPS), best(5.0)),
        "build-files": row(
            "`build` of a step that writes 50,000 files",
            written,
            {("carrack", "CPU", "dockerd"): 2.0, ("carrack", "CPU", "classic"): 2.0},
        ),
        "build-files-gone": Row(
            "the same, removed again with all that is remembered of it",
            written.whole,
            ("dockerd", "classic", "docker", "carrack"),
            against={("carrack", "CPU", "dockerd"): 2.0, ("carrack", "CPU", "classic"): 2.0},
            prepare=written.prepare,
            clean=written.clean,
            slow=True,
        ),
        "build-stages": Row(
            f"two stages of {SLEEP:g} s each; wanted: at most 1.2 × that",
            stages.over(SLEEP),
            all_of_them,
            metrics=(WALL, Metric("over", "×")),
            prepare=stages.prepare,
            clean=stages.clean,
            slow=True,
        ),
    }
