"""Images that an attacker made: the tests' busybox with a few members more, imported by the docker command."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cli.busybox import root_file_system
from tests.cli.running import Cli


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""


def file(name: str, content: bytes | str, mode: int = 0o644, **headers: str) -> tuple[tarfile.TarInfo, bytes]:
    """A file of root's; ``headers`` are PAX records with the key's dots as double underscores."""
    info = tarfile.TarInfo(name)
    data = content.encode() if isinstance(content, str) else content
    info.size, info.mode = len(data), stat.S_IMODE(mode)
    info.pax_headers = {key.replace("__", "."): value for key, value in headers.items()}
    return info, data


@contextmanager
def image(
    docker: Cli, name: str, *members: tuple[tarfile.TarInfo, bytes], changes: tuple[str, ...] = ()
) -> Iterator[str]:
    """The image's name while it is there."""
    root = root_file_system()
    if root is None:
        pytest.skip("the distribution's busybox-static is not installed")
    buffer = io.BytesIO(root)
    with tarfile.open(fileobj=buffer, mode="a", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    options = [word for change in ('CMD ["sh"]', *changes) for word in ("-c", change)]
    docker("import", *options, "-", name, stdin=buffer.getvalue())
    try:
        yield name
    finally:
        docker("rmi", "-f", name)
