"""Maps of holes, good and bad; that they are what GNU tar writes is in tests/suites/snapshotter.py."""

from __future__ import annotations

import io

import pytest
from tests.suites.tarballs import END, file, header, pax

from carrack.storage.tar import LAYER, TarError, TarLimits, TarReader
from carrack.storage.tarsparse import Sparse, SparseMap, is_sparse

RECORDS = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": b"real"}


def read(*blocks: bytes, limits: TarLimits = LAYER) -> list[tuple[bytes, Sparse | None, bytes]]:
    reader = TarReader(io.BytesIO(b"".join(blocks) + END), limits)
    return [(entry.path, entry.sparse, b"".join(map(bytes, reader.data()))) for entry in reader]


def one_zero(numbers: str, data: bytes, size: int) -> bytes:
    """A member in the PAX form 1.0."""
    text = numbers.replace(" ", "\n").encode() + b"\n"
    records = RECORDS | {b"GNU.sparse.realsize": b"%d" % size}
    return pax(records) + file(b"GNUSparseFile.1/real", text + bytes(-len(text) % 512) + data)


def test_the_map_before_the_data() -> None:
    found = read(one_zero("2 0 3 1000 2", b"abcde", 2000), file(b"next", b"x"))
    assert found == [(b"real", Sparse(2000, ((0, 3), (1000, 2))), b"abcde"), (b"next", None, b"x")]
    many = [word for index in range(300) for word in (str(index * 10), "1")]
    assert read(one_zero(f"300 {' '.join(many)}", b"y" * 300, 5000))[0][2] == b"y" * 300
    assert read(one_zero("1 5000 0", b"", 5000)) == [(b"real", Sparse(5000, ()), b"")]


def test_the_map_in_a_record() -> None:
    records = {b"GNU.sparse.size": b"50", b"GNU.sparse.map": b"0,1,9,2", b"GNU.sparse.name": b"real"}
    assert read(pax(records) + file(b"x", b"abc")) == [(b"real", Sparse(50, ((0, 1), (9, 2))), b"abc")]
    assert is_sparse(records)
    assert not is_sparse({b"path": b"x"})


def test_it_is_refused_by_who_does_not_ask_for_it() -> None:
    for member in (one_zero("1 0 1", b"a", 9), header(b"f", b"S")):
        with pytest.raises(TarError, match="archive it without --sparse"):
            read(member, limits=TarLimits())


@pytest.mark.parametrize(
    ("numbers", "data", "size"),
    [
        ("1 0 4", b"abc", 9),  # more than there is
        ("1 0 2", b"abc", 9),  # less
        ("2 5 1 0 2", b"abc", 9),  # not in order
        ("2 0 2 1 1", b"abc", 9),  # one over another
        ("1 0 3", b"abc", 2),  # beyond the end
        ("1 0", b"", 9),
        ("2 0 3", b"abc", 9),
        ("x", b"", 9),
        ("-1", b"", 9),
        ("99999999999999999999", b"", 9),
        ("999999999999999999999999999", b"", 9),
        ("1" * 1500, b"", 9),
        ("1 0 3", b"abc", 1 << 60),  # over the limit
    ],
)
def test_bad_maps(numbers: str, data: bytes, size: int) -> None:
    with pytest.raises(TarError, match="sparse file"):
        read(one_zero(numbers, data, size))


@pytest.mark.parametrize(
    "member",
    [
        pax({b"GNU.sparse.major": b"2"}) + file(b"f"),
        pax({b"GNU.sparse.numblocks": b"1"}) + file(b"f"),
        pax({b"GNU.sparse.major": b"2", b"GNU.sparse.size": b"9", b"GNU.sparse.map": b"0,1"}) + file(b"f", b"x"),
        pax({b"GNU.sparse.size": b"x", b"GNU.sparse.map": b"0,1"}) + file(b"f", b"x"),
        pax({b"GNU.sparse.size": b"9", b"GNU.sparse.map": b"0"}) + file(b"f"),
        pax({b"GNU.sparse.size": b"9", b"GNU.sparse.map": b""}) + file(b"f"),
        pax({b"GNU.sparse.size": b"9", b"GNU.sparse.map": b"0,0"}) + header(b"f", b"5"),
        header(b"f", b"S", 512) + bytes(512),
    ],
)
def test_bad_members(member: bytes) -> None:
    with pytest.raises(TarError):
        read(member)


def test_an_old_map_goes_on_in_blocks() -> None:
    first = bytearray(512)
    first[386:410] = b"%011o\0%011o\0" % (0, 1)
    first[482] = 1
    first[483:495] = b"%011o\0" % 700
    found = SparseMap.of_header(b"f", bytes(first))
    assert found.wanted
    assert not found.inside
    found.feed((b"%011o\0%011o\0" % (600, 5)).ljust(512, b"\0"))
    assert not found.wanted
    assert found.judged(6, 1 << 20) == Sparse(700, ((0, 1), (600, 5)))


def test_an_endless_map_is_ended() -> None:
    block = (b"%011o\0%011o\0" % (0, 1)) * 21 + b"\1"
    found = SparseMap.of_header(b"f", bytes(386) + bytes(96) + b"\1" + bytes(29))
    for _ in range(100_000 // 21):
        found.feed(block.ljust(512, b"\0"))
    with pytest.raises(TarError, match="malformed map"):
        found.feed(block.ljust(512, b"\0"))
