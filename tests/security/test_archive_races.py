"""A container that swaps a directory for a link to the host, again and again, while files are copied.

CVE-2018-15664 (symlink exchange between resolve and use), CVE-2026-41567 (decompression by a program found in the
container), CVE-2026-41568 (mounts made for a copy redirected to the host), CVE-2023-0778 (a file becomes a link to one
of the host while its directory is exported).
"""

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.security.racer import exchanging
from tests.suites.namespace import private_mounts

from carrack.errors import CarrackError
from carrack.linux.syscalls import LINUX
from carrack.storage import archive, tarheader, tarwriter
from carrack.storage.compression import Decompressed
from carrack.storage.unpack import unpack
from carrack.storage.upper import pack

ME = (os.getuid(), os.getgid())
ROUNDS = 2000
RACER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
os.chdir(sys.argv[1])
print("racing", flush=True)
while True:  # RENAME_EXCHANGE of a real directory and a link to the host
    libc.renameat2(-100, b"dir", -100, b"swap", 2)
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "canary").write_text("host secret")
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "canary").write_text("container file")
    (root / "swap").symlink_to(tmp_path / "host")
    return tmp_path


@contextmanager
def racing(root: Path) -> Iterator[int]:
    racer = subprocess.Popen([sys.executable, "-c", RACER, str(root)], stdout=subprocess.PIPE)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"racing\n"
        yield fd
        assert racer.poll() is None
    finally:
        os.close(fd)
        racer.kill()
        racer.communicate()


def upload() -> io.BytesIO:
    out = io.BytesIO()
    tarwriter.write_bytes(out.write, b"canary", b"overwritten")
    tarwriter.write_bytes(out.write, b"new", b"planted")
    out.write(tarwriter.header(b"d/", tarheader.DIRECTORY, 0o777))
    tarwriter.write_bytes(out.write, b"d/deep", b"planted")
    tarwriter.finish(out.write)
    out.seek(0)
    return out


def test_cve_2018_15664_reading(host: Path) -> None:
    read = 0
    with racing(host / "root") as fd:
        for path in ("/dir/canary", "/dir", "/"):
            for _ in range(ROUNDS):
                out = io.BytesIO()
                try:
                    archive.stat(LINUX, fd, path)
                    archive.pack(LINUX, fd, path, out.write)
                except OSError:
                    continue
                assert b"host secret" not in out.getvalue()
                read += b"container file" in out.getvalue()
    assert read


def test_cve_2018_15664_and_2026_41568_writing(host: Path) -> None:
    written = 0
    with racing(host / "root") as fd:
        for _ in range(ROUNDS):
            try:
                unpack(LINUX, fd, "/dir", upload(), owner=ME)
                written += 1
            except (OSError, CarrackError):
                continue
    assert (host / "host" / "canary").read_text() == "host secret"
    assert sorted(os.listdir(host / "host")) == ["canary"]
    assert written


def test_cve_2018_15664_export(host: Path) -> None:
    with racing(host / "root") as fd:
        for _ in range(ROUNDS):
            out = io.BytesIO()
            archive.pack_root(LINUX, fd, out.write)
            assert b"host secret" not in out.getvalue()


@pytest.mark.parametrize("of", ["export", "copy", "commit"])
def test_cve_2023_0778(of: str, host: Path) -> None:
    """Named in a listing as a file, opened as a link: never what the link leads to."""
    root = host / "root"
    (root / "file").write_text("container file")
    (root / "link").symlink_to(host / "host" / "canary")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    files = links = 0
    with exchanging(root / "file", root / "link"):
        for _ in range(ROUNDS):
            out = io.BytesIO()
            if of == "export":
                archive.pack_root(LINUX, fd, out.write)
            elif of == "copy":
                archive.pack(LINUX, fd, "/", out.write)
            else:
                pack(fd, out.write)
            assert b"host secret" not in out.getvalue()
            files += out.getvalue().count(b"container file") > 1  # one is in dir
            links += b"/host/canary" in out.getvalue()
    os.close(fd)
    assert files
    assert links


@pytest.mark.root
def test_cve_2026_41568_no_mount_is_made(host: Path) -> None:
    fd = os.open(host / "root", os.O_RDONLY | os.O_DIRECTORY)
    seen: list[int] = []
    with private_mounts():  # nobody else's come and go
        before = Path("/proc/self/mountinfo").read_text().count("\n")
        archive.pack(LINUX, fd, "/", lambda data: seen.append(Path("/proc/self/mountinfo").read_text().count("\n")))
    os.close(fd)
    assert set(seen) == {before}


def test_cve_2026_41567_no_program_is_run(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trojan decompressors on every PATH: the upload is decompressed here, in this process."""
    trojans = host / "trojans"
    trojans.mkdir()
    for name in ("xz", "gzip", "pigz", "unpigz", "zstd", "bzip2", "igzip"):
        (trojans / name).write_text(f"#!/bin/sh\ntouch {host}/ran\n")
        (trojans / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(trojans))
    fd = os.open(host / "root", os.O_RDONLY | os.O_DIRECTORY)
    unpack(LINUX, fd, "/dir", Decompressed(io.BytesIO(gzip.compress(upload().getvalue()))), owner=ME)
    os.close(fd)
    assert (host / "root" / "dir" / "new").read_text() == "planted"
    assert not (host / "ran").exists()
