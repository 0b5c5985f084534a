from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.cli import tar_members
from carrack.cli.tar_header import FILE, header
from carrack.cli.tar_members import members
from carrack.errors import InvalidArgument

NAMES = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"], exclude_characters="/"), min_size=1)
PATHS = st.lists(NAMES, min_size=1, max_size=30).map("/".join)
KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
ENTRIES = st.tuples(
    PATHS, st.sampled_from(KINDS), st.binary(max_size=2000), st.integers(0, 8**12), st.integers(0, 0o7777)
)


def archive(form: int, entries: list[tuple[str, bytes, bytes, float, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as writer:
        for name, kind, data, mtime, mode in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kind, mode, mtime
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = name[::-1]
            if kind == tarfile.CHRTYPE:
                info.devmajor, info.devminor = 4, 64
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            writer.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.lists(ENTRIES, max_size=4), st.integers(100, 9000))
def test_what_tarfile_writes_is_read(form: int, entries: list[tuple[str, bytes, bytes, float, int]], size: int) -> None:
    found = [
        (member.name.rstrip("/"), member.kind, b"".join(member.data()), member.mtime, member.mode, member.link)
        for member in members(iter(cut(archive(form, entries), size)))
    ]
    assert found == [
        (name, kind, data if kind == b"0" else b"", mtime, mode, name[::-1] if kind in (b"1", b"2") else "")
        for name, kind, data, mtime, mode in entries
    ]


def test_ustar_and_times_and_devices() -> None:
    data = archive(tarfile.USTAR_FORMAT, [("d" * 90 + "/" + "f" * 90, tarfile.REGTYPE, b"x", 5, 0o644)])
    assert [member.name for member in members(iter([data]))] == ["d" * 90 + "/" + "f" * 90]
    data = archive(tarfile.PAX_FORMAT, [("a", tarfile.CHRTYPE, b"", 1.5, 0o644)])
    [(mtime, device)] = [(member.mtime, (member.major, member.minor)) for member in members(iter([data]))]
    assert (mtime, device) == (1.5, (4, 64))
    old = bytearray(header("d/", b"\0", 0o755, 0, 1))
    assert [member.kind for member in members(iter([bytes(old)]))] == [b"5"]


def test_common_records() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"mtime": "9.25"}) as writer:
        writer.addfile(tarfile.TarInfo("a"))
    assert [member.mtime for member in members(iter([buffer.getvalue()]))] == [9.25]


def test_data_may_be_left() -> None:
    data = archive(tarfile.PAX_FORMAT, [("a", FILE, b"x" * 1000, 1, 0), ("b", FILE, b"y", 1, 0)])
    assert [member.name for member in members(iter([data]))] == ["a", "b"]


def record(text: bytes) -> bytes:
    return header("x", b"x", 0, len(text), 0) + text.ljust(512, b"\0") + header("a", FILE, 0, 0, 0)


WHOLE = header("a", FILE, 0o644, 600, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 512,
        WHOLE[:-1],
        WHOLE + bytes(599),
        header("a", b"S", 0, 0, 0),
        record(b"99 path=b\n"),
        record(b"9 path=b\n "),
        record(b"x"),
        record(b"0 a=b\n"),
        record(b"9 pathxb\n\n"),
        record(b"22 GNU.sparse.major=1\n"),
        record(b"10 size=-\n"),
        record(b"12 size=\xb2\xb2\n"),
        header("x", b"x", 0, 2 << 20, 0),
        header("x", b"L", 0, 600, 0) + bytes(512),
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="archive"):
        [b"".join(member.data()) for member in members(iter([data] if data else []))]


@pytest.mark.parametrize("time", ["nan", "inf", "-inf", "x", "1e300", "9" * 400])
def test_times_that_are_none(time: str) -> None:
    buffer = io.BytesIO()
    info = tarfile.TarInfo("a")
    info.pax_headers = {"mtime": time}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as writer:
        writer.addfile(info)
    assert [member.mtime for member in members(iter([buffer.getvalue()]))] == [0.0]


@given(st.data())
def test_damage_is_told_and_nothing_else(data: st.DataObject) -> None:
    entries = [("a" * 120, FILE, b"x" * 700, 1.5, 0o644), ("b", tarfile.SYMTYPE, b"", 1, 0o777)]
    whole = bytearray(archive(data.draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])), entries))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, 4000))] = data.draw(st.integers(0, 255))
    for at in range(0, len(whole) - 511, 512):  # damage behind a sum that is right
        if data.draw(st.booleans()):
            whole[at + 148 : at + 156] = b" " * 8
            whole[at + 148 : at + 156] = b"%06o\0 " % sum(whole[at : at + 512])
    try:
        for member in members(iter(cut(bytes(whole), 1000))):
            assert sum(map(len, member.data())) == member.size
            assert 0 <= member.major < 1 << 20
            assert abs(member.mtime) < 1 << 40
    except InvalidArgument:
        pass


def test_it_is_light() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import carrack.cli.tar_members; print(*sys.modules)"
    source = str(Path(tar_members.__file__).parents[2])
    done = subprocess.run([sys.executable, "-IS", "-c", code, source], capture_output=True, text=True, check=True)
    assert not {"os", "tarfile", "struct"} & set(done.stdout.split())
