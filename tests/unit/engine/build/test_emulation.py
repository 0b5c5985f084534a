"""Programs of other architectures; the entries are as qemu-user-static registers them."""

from pathlib import Path

import pytest

from carrack.engine.build import emulation
from carrack.errors import InvalidArgument
from carrack.oci.platform import Platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
ENTRY = """{}
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
S390X = ENTRY.replace("0200b700", "00020016").replace("460201", "460202")


def test_who_needs_no_emulator(tmp_path: Path) -> None:
    emulation.check(AMD64, AMD64, tmp_path)
    emulation.check(Platform("linux", "386"), AMD64, tmp_path)
    emulation.check(Platform("linux", "arm", "v7"), ARM64, tmp_path)


def test_who_does(tmp_path: Path) -> None:
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(InvalidArgument, match=r"linux/arm64 do not run on linux/amd64.*qemu-user-static"):
            emulation.check(ARM64, AMD64, place)
    (tmp_path / "status").write_text("enabled")
    (tmp_path / "python").write_text("enabled\ninterpreter /usr/bin/python\nflags: \noffset 0\nmagic 6f0d0d0a\n")
    (tmp_path / "qemu").write_text(ENTRY.format("disabled"))
    assert not emulation.emulators("arm64", tmp_path)
    (tmp_path / "qemu").write_text(ENTRY.format("enabled"))
    assert emulation.check(ARM64, AMD64, tmp_path) == ""
    assert not emulation.emulators("riscv64", tmp_path)
    (tmp_path / "s390x").write_text(S390X.format("enabled"))
    assert emulation.emulators("s390x", tmp_path) == [""]
    assert emulation.runnable(AMD64, tmp_path) == ["amd64", "386", "arm64", "s390x"]


def test_where_the_kernel_looks_for_it(tmp_path: Path) -> None:
    inside = "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"
    (tmp_path / "qemu").write_text(ENTRY.format("enabled").replace("POCF", "POC"))
    assert emulation.check(ARM64, AMD64, tmp_path) == inside
    missing, other = InvalidArgument("exec /bin/sh: no such file or directory"), InvalidArgument("no user x")
    assert f"its emulator {inside} is not in the image" in str(emulation.explained(missing, inside))
    assert emulation.explained(missing, "") is missing
    assert emulation.explained(other, inside) is other
    (tmp_path / "second").write_text(ENTRY.format("enabled"))
    assert emulation.check(ARM64, AMD64, tmp_path) == ""


def test_other_systems(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="windows"):
        emulation.check(Platform("windows", "amd64"), AMD64, tmp_path)
    assert not emulation.emulators("vax", tmp_path)
