"""What is known of a tar while it is written; the rest of it in test_upper."""

import os

import pytest
from tests.suites import tarballs, uppers

from carrack.storage.tar import TarLimits
from carrack.storage.tarheader import TarError
from carrack.storage.tarwriter import small_file
from carrack.storage.written import Written


def test_bytes_in_any_pieces_and_small_files_between() -> None:
    out, written = bytearray(), Written()
    write = written.before(out.extend)
    for byte in tarballs.file(b"first", b"x" * 600):
        write(bytes([byte]))
    found = os.stat(__file__)
    small = small_file(b"second", found.st_mode, found.st_uid, found.st_gid, bytes(found.st_size), 7)
    out += small
    written.small_file(b"", b"second", found, 7, len(small))
    write(tarballs.END)
    tree = written.finish()
    assert uppers.image(tree, len(out)) == uppers.image(uppers.read(bytes(out)), len(out))


@pytest.mark.parametrize(
    "limits", [TarLimits(entries=2), TarLimits(size=1500), TarLimits(kept=2)], ids=["entries", "size", "kept"]
)
def test_limits_count_all(limits: TarLimits) -> None:
    written = Written(limits)
    found = os.stat("/dev/null")
    written.small_file(b"", b"a", found, 0, 512)
    written.small_file(b"", b"b", found, 0, 512)
    with pytest.raises(TarError, match="over the limits"):
        written.small_file(b"", b"c", found, 0, 512)


def test_a_tar_that_stops_in_the_middle_says_nothing() -> None:
    written = Written()
    written.before(lambda data: None)(tarballs.file(b"a", b"x" * 600)[:900])
    with pytest.raises(TarError, match="truncated"):
        written.finish()
