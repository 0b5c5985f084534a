"""CVE-2022-1227, CVE-2019-14271: the engine runs programs of the container, or loads its libraries, as the host's root.

An image whose ``ps``, ``nsenter``, ``tar``, decompressors and name service library leave a mark wherever they are run.
Every request that looks into a container or copies is made; no mark is anywhere. That the bait works is seen first, by
running one of its programs on purpose.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, api
from tests.security import evil

pytestmark = pytest.mark.root

NAMES = "ps nsenter tar gzip gunzip pigz unpigz xz unxz zstd bzip2 newuidmap ldconfig".split()
PLACES = ("usr/bin", "sbin", "usr/local/bin")
BAIT = '#!/bin/busybox sh\necho "$0 as $(id -u)" >> /mark-of-the-bait\n'
MARK = "/mark-of-the-bait"


@pytest.fixture
def trap(docker: Cli) -> Iterator[str]:
    baits = [evil.file(f"{place}/{name}", BAIT, 0o755) for place in PLACES for name in NAMES]
    libraries = [evil.file(f"lib/{name}", b"no library") for name in ("libnss_files.so.2", "ld-linux-x86-64.so.2")]
    preload = evil.file("etc/ld.so.preload", "/lib/libnss_files.so.2\n")
    nsswitch = evil.file("etc/nsswitch.conf", "passwd: files\n")
    with evil.image(docker, "r-bait", *baits, *libraries, preload, nsswitch) as name:
        docker("run", "-d", "--name", "trap", "-p", "80", name, "/bin/busybox", "sleep", "1000")
        yield "trap"
        docker("rm", "-f", "trap")


def marks(docker: Cli, name: str) -> list[str]:
    found = docker("exec", name, "/bin/busybox", "ls", MARK, check=False).stdout.split()
    return found + [MARK for path in (Path(MARK),) if path.exists()]


def test_no_program_of_the_image_is_run(docker: Cli, trap: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    folder = str(tmp_path)
    for words in (
        *("top NAME", "top NAME -eo pid,args", "diff NAME", "logs NAME", "port NAME", "inspect -s NAME"),
        *("stats --no-stream NAME", "cp HERE/file NAME:/tmp/", "cp NAME:/etc HERE/etc", "export -o HERE/all.tar NAME"),
        *("exec -u nobody NAME /bin/busybox true", "pause NAME", "unpause NAME", "update -m 64m NAME"),
        *("commit NAME r-bait-2", "restart -t 0 NAME"),
    ):
        docker(*words.replace("NAME", trap).replace("HERE", folder).split())
    for mode in ("w", "w:gz", "w:xz", "w:bz2"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:
            archive.add(tmp_path / "file", f"copied-{mode[2:]}")
        status, answer = api(docker.daemon, "PUT", f"/containers/{trap}/archive?path=/tmp", raw=buffer.getvalue())
        assert status == 200, answer
    assert marks(docker, trap) == []
    docker("rmi", "-f", "r-bait-2")


def test_the_bait_works(docker: Cli, trap: str) -> None:
    docker("exec", trap, "/usr/bin/ps")
    assert marks(docker, trap) == [MARK]
