"""The busybox image: a static program, its links, nothing by chance."""

import io
import struct
import tarfile
from pathlib import Path

import pytest

from carrack.engine.images import busybox
from carrack.errors import NotSupported


def elf(*segments: int) -> bytes:
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + bytes(16) + struct.pack("<Q", 64) + bytes(14)
    head += struct.pack("<HH", 56, len(segments)) + bytes(6)
    return head + b"".join(struct.pack("<I", kind) + bytes(52) for kind in segments)


def test_static() -> None:
    assert busybox.is_static(elf(1, 1))
    assert not busybox.is_static(elf(1, 3))
    for program in (b"", b"#!/bin/sh", elf(1)[:70], b"\x7fELF" + bytes(70)):
        assert not busybox.is_static(program)
    assert not busybox.is_static(Path("/bin/sh").read_bytes())


def made(applets: list[str]) -> bytes:
    out = io.BytesIO()
    busybox.write(out.write, elf(1), applets, 1_600_000_000)
    return out.getvalue()


def test_tree() -> None:
    with tarfile.open(fileobj=io.BytesIO(made(["ls", "sh", "busybox", "[", "../x"]))) as tar:
        names = tar.getnames()
        assert names == sorted(names)
        assert tar.getmember("bin/ls").linkname == "busybox"
        assert tar.getmember("bin/[").issym()
        assert tar.getmember("bin/busybox").isreg()
        assert tar.getmember("tmp").mode == 0o1777
        assert tar.getmember("etc/shadow").mode == 0o600
        assert {member.mtime for member in tar} == {1_600_000_000}
        assert {member.uid for member in tar} == {0}
        assert not any(".." in name for name in names)
        passwd = tar.extractfile("etc/passwd")
        assert passwd is not None
        assert passwd.read().startswith(b"root:x:0:0:root:/root:/bin/sh\n")


def test_the_same_every_time() -> None:
    assert made(["ls", "sh"]) == made(["sh", "ls"])


def test_a_program_with_a_loader_is_refused() -> None:
    with pytest.raises(NotSupported, match="apt-get install busybox-static"):
        busybox.write(io.BytesIO().write, elf(3), [], 0)
