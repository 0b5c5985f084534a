"""`image bootstrap`: base images without any registry, made from the distribution's own packages.

The distribution's tool runs as a child process; its words are passed on as progress. What it made becomes an image of
one layer, the same for the same packages.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.engine.images import busybox, debian, progress
from carrack.engine.images.import_ import Importer, Origin
from carrack.engine.whole import whole
from carrack.errors import InvalidArgument, NotSupported
from carrack.oci import reference
from carrack.storage.removal import remove_tree

if TYPE_CHECKING:
    from carrack.engine.images.image import Image
    from carrack.engine.images.progress import Emit
    from carrack.oci.image_config import RunConfig
    from carrack.oci.platform import Platform
    from carrack.storage.content import ContentStore, Ingest

NAMES = ("busybox", *(f"debian:{suite}" for suite in debian.SUITES))

_SECOND = 1_000_000_000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LAST_LINES = 5


class Bootstrapper:
    """Makes base images; `folder` is where trees are built, on the data root's file system."""

    def __init__(self, importer: Importer, content: ContentStore, folder: Path, host: Platform) -> None:
        self._importer = importer
        self._content = content
        self._folder = folder
        self._host = host
        self._one = asyncio.Lock()

    async def start(self) -> None:
        """Remove what a crash has left."""
        await asyncio.to_thread(remove_tree, self._folder)

    async def make(self, name: str, emit: Emit) -> Image:
        """Make the base image `name` (one of NAMES) and tag it so.

        Raises InvalidArgument for another name, NotSupported when a tool is missing or fails.
        """
        kind = check(name)
        async with self._one:
            with self._content.ingest() as spool:
                if kind == "busybox":
                    created = await _busybox(spool, emit)
                    run: RunConfig = {"Cmd": ["sh"], "Env": [busybox.ENVIRONMENT]}
                else:
                    created = await self._debian(kind, spool, emit)
                    run = {"Cmd": ["bash"], "Env": [f"PATH={_PATH}"]}
                origin = Origin(self._host, created * _SECOND, created_by=f"image bootstrap {kind}")
                image = await self._importer.record(spool, run, origin, reference.parse(kind).with_default_tag())
        await emit(progress.line(f"Bootstrapped image: {image.tags[0] if image.tags else image.id}"))
        return image

    async def _debian(self, name: str, spool: Ingest, emit: Emit) -> int:
        suite = name.partition(":")[2]
        tool = _find_tool(name)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = Path(await asyncio.to_thread(tempfile.mkdtemp, "", f"{suite}-", str(self._folder)))
        try:
            os.chmod(target, 0o755)  # the tools check that others can pass
            await emit(progress.line(f"Bootstrapping {name} with {os.path.basename(tool)}"))
            await _run(os.path.basename(tool), debian.command(tool, suite, str(target)), emit)
            await emit(progress.line("Packing the root file system"))
            return await whole(asyncio.to_thread(debian.write, spool.write, target, suite))
        finally:
            await whole(asyncio.to_thread(remove_tree, target))


def check(name: str) -> str:
    """The base image that `name` asks for. Raises InvalidArgument, naming those that there are."""
    wanted = reference.parse(name)
    for known in NAMES:
        if wanted in (reference.parse(known), reference.parse(known).with_default_tag()):
            return known
    raise InvalidArgument(f"cannot bootstrap {name!r}: the base images that can be made here are {', '.join(NAMES)}")


async def _busybox(spool: Ingest, emit: Emit) -> int:
    place = next((place for place in busybox.PLACES if os.path.isfile(place)), None)
    if place is None:
        raise NotSupported(f"image bootstrap busybox needs a static busybox: apt-get install {busybox.PACKAGE}")
    await emit(progress.line(f"Making busybox from {place}"))
    program = await asyncio.to_thread(Path(place).read_bytes)
    if not busybox.is_static(program):
        raise NotSupported(f"{place} is not a static program: apt-get install {busybox.PACKAGE}")
    lister = await asyncio.create_subprocess_exec(place, "--list", stdout=asyncio.subprocess.PIPE)
    listed, _ = await lister.communicate()
    if lister.returncode or not listed:
        raise NotSupported(f"{place} --list failed (exit code {lister.returncode})")
    created = int(os.stat(place).st_mtime)
    await whole(asyncio.to_thread(busybox.write, spool.write, program, listed.decode().split(), created))
    return created


def _find_tool(name: str) -> str:
    for tool in debian.TOOLS:
        found = shutil.which(tool, path=_PATH)
        if found is not None:
            return found
    raise NotSupported(f"image bootstrap {name} needs mmdebstrap or debootstrap: apt-get install {debian.TOOLS[0]}")


async def _run(tool: str, command: list[str], emit: Emit) -> None:
    """Run a tool, its lines as progress. Raises NotSupported with its last lines when it fails; killed on cancel."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    last: list[str] = []
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                last = [*last[1 - _LAST_LINES :], text]
                await emit(progress.line(text))
        code = await process.wait()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
        raise
    if code:
        raise NotSupported(f"{tool} failed with exit code {code}: " + "; ".join(last))
