"""What is in an image, found out by ourselves or by a scanner that is an image itself (``--sbom generator=IMAGE``).

A scanner is run without a network on the files to be looked at, mounted read-only, and leaves statements in a folder.
Source: BuildKit, docs/attestations/sbom-protocol.md.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carrack import __version__
from carrack.engine.build.running import Bound, Job
from carrack.engine.build.working import FILES
from carrack.engine.whole import in_thread, made
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.oci import attestation, document, spdx
from carrack.oci.attestation import Claim
from carrack.storage.trees import inventory

if TYPE_CHECKING:
    from carrack.engine.build.progress import Progress, Vertex
    from carrack.engine.build.request import Files
    from carrack.engine.build.results import Result
    from carrack.engine.build.running import Output, Runner
    from carrack.engine.build.scratch import Scratch
    from carrack.engine.build.working import Worker
    from carrack.engine.images.layers import LayerStore

_CORE = "sbom"
_SOURCE, _EXTRAS, _OUT = "/run/src/core", "/run/src/extras", "/run/out"
_ROOM = "256m"
_SUFFIX = ".spdx.json"


@dataclass(frozen=True, slots=True)
class Target:
    """Something to look at, by the name that its document gets: the files of a chain of layers, or of a context."""

    name: str
    layers: tuple[str, ...] = ()
    files: Files | None = None


class Scanners:
    """Looks into what builds have made."""

    def __init__(self, worker: Worker, runner: Runner, places: Scratch, layers: LayerStore) -> None:
        self._worker = worker
        self._layers = layers
        self._runner = runner
        self._places = places

    async def own(self, targets: Sequence[Target], created: int) -> tuple[Claim, ...]:
        """Our own lists of packages. ``created`` in nanoseconds since 1970."""
        moment = times.rfc3339(created // 1_000_000_000 * 1_000_000_000)
        claims = []
        for target in targets:
            if target.files is not None:
                found = await asyncio.to_thread(inventory.take, target.files.tree)
            else:
                async with self._worker.tree(target.layers) as tree:
                    found = await asyncio.to_thread(inventory.take, tree)
            notes = [f"not read: {each}" for each in found.unread]
            made = spdx.document(
                target.name, found.packages, moment, f"carrack-{__version__}", " ".join(target.layers), notes
            )
            claims.append(_claim(target.name, made))
        return tuple(claims)

    async def by(
        self,
        scanner: Result,
        words: Mapping[str, str],
        targets: Sequence[Target],
        progress: Progress,
        vertex: Vertex,
    ) -> tuple[Claim, ...]:
        """What a scanner says, whose image is begun with. Raises InvalidArgument when it fails or leaves what is no
        statement."""
        config = scanner.state.config
        command = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
        if not command:
            raise InvalidArgument("the scanner's image has no command to be run")
        first, *others = targets
        async with self._folder() as out, AsyncExitStack() as held:
            bounds = [Bound(f"{_SOURCE}/{first.name}", layers=first.layers), Bound(_OUT, source=out, readonly=False)]
            bounds += [await self._extra(each, held) for each in others if each.layers or each.files]
            env = {
                "BUILDKIT_SCAN_SOURCE": f"{_SOURCE}/{first.name}",
                "BUILDKIT_SCAN_DESTINATION": _OUT,
                **({"BUILDKIT_SCAN_SOURCE_EXTRAS": _EXTRAS} if others else {}),
                **{f"BUILDKIT_SCAN_{name}": value for name, value in words.items()},
            }
            job = Job(
                layers=scanner.layers, words=tuple(command),
                env=(*(config.get("Env") or ()), *(f"{key}={value}" for key, value in env.items())),
                workdir=config.get("WorkingDir") or "/", user=config.get("User") or "", network="none",
                hostname="scanner", mounts=tuple(bounds),
            )  # fmt: skip
            async with self._layers.hold(scanner.layers):
                await self._run(job, lambda stream, data: progress.log(vertex, stream, data))
            return await asyncio.to_thread(_statements, out)

    async def _extra(self, target: Target, held: AsyncExitStack) -> Bound:
        """What is to be looked at besides, as it is shown to a scanner."""
        place = f"{_EXTRAS}/{target.name}"
        if target.files is None:
            return Bound(place, layers=target.layers)
        return Bound(place, layers=(await self._worker.packed(target.files, held),), subpath=FILES)

    async def _run(self, job: Job, output: Output) -> None:
        async with self._runner.run(job, output) as ran:
            if ran.exit_code:
                raise InvalidArgument(f"the scanner {' '.join(job.words)!r} ended with exit code {ran.exit_code}")

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        async with AsyncExitStack() as held:
            place = await made(lambda: self._places.memory(_ROOM), self._places.remove)
            held.push_async_callback(in_thread, self._places.remove, place)
            await asyncio.to_thread(os.chmod, place, 0o777)  # a scanner need not be root; what it leaves is foreign
            yield place


def _claim(name: str, predicate: Mapping[str, Any]) -> Claim:
    called = f"{name}{_SUFFIX}"
    return Claim(attestation.SPDX, lambda _: predicate, called)


def _statements(folder: Path) -> tuple[Claim, ...]:
    """What a scanner has left. No link of its making is followed."""
    claims, left = [], attestation.SIZE_LIMIT
    for name in sorted(os.listdir(folder)):
        if not name.endswith(_SUFFIX):
            continue
        data = _read(folder / name, left)
        left -= len(data)
        said = document.parse(data, limit=attestation.SIZE_LIMIT, what=f"the scanner's {name}")
        if said.get("predicateType") != attestation.SPDX or not isinstance(said.get("predicate"), dict):
            raise InvalidArgument(f"the scanner's {name} is no statement with a predicate {attestation.SPDX}")
        claims.append(_claim(name.removesuffix(_SUFFIX), said["predicate"]))
    if not claims:
        raise InvalidArgument(f"the scanner has left no *{_SUFFIX} in {_OUT}")
    if len(claims) > attestation.COUNT_LIMIT - 2:
        raise InvalidArgument(
            f"the scanner has left {len(claims)} documents, {attestation.COUNT_LIMIT - 2} are the limit"
        )
    return tuple(claims)


def _read(path: Path, most: int) -> bytes:
    wrong = InvalidArgument(f"the scanner's {path.name} is no file of at most {most} bytes")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise wrong from error
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise wrong
        return file.read(most)
