from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from tests.suites.tarballs import END, directory, file

from carrack.storage.merged import Merged, Seen, read_files, read_tree
from carrack.storage.packages import Packages, packages, unread

STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Description: a library
 Package: not-this-one

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-8

Package: gone
Status: deinstall ok config-files
Version: 1
"""
APK = b"C:Q1\nP:musl\nV:1.2.5-r1\nA:x86_64\n\nP:busybox\nV:1.36\n\n"


def found(*members: bytes) -> Packages:
    layer = io.BytesIO(b"".join(members) + END)

    def read(seen: Seen) -> bytes:
        pieces: list[bytes] = []
        read_files(layer, [seen.node], lambda _, data: pieces.extend(data))
        return b"".join(pieces)

    return packages(Merged([read_tree(layer)]), read)


def test_dpkg() -> None:
    assert found(file(b"var/lib/dpkg/status", STATUS)) == {
        ("dpkg", "libc6:amd64"): "2.36-9",
        ("dpkg", "libc6:i386"): "2.36-8",
    }
    parts = file(b"var/lib/dpkg/status.d/base", b"Package: base\nVersion: 12\n") + file(
        b"var/lib/dpkg/status.d/base.md5sums", b"Package: no\n"
    )
    assert found(parts) == {("dpkg", "base"): "12"}


def test_apk_and_python() -> None:
    site = b"usr/lib/python3/site-packages/"
    members = (
        directory(site + b"Jinja2-3.1.2.dist-info/"),
        file(site + b"old_one-0.5-py3.11.egg-info", b"x"),
        file(b"lib/apk/db/installed", APK),
    )
    assert found(*members) == {
        ("apk", "musl"): "1.2.5-r1",
        ("apk", "busybox"): "1.36",
        ("python", "jinja2"): "3.1.2",
        ("python", "old-one"): "0.5",
    }


def test_what_is_not_read_is_told() -> None:
    layer = io.BytesIO(file(b"var/lib/rpm/rpmdb.sqlite", b"x") + END)
    assert unread(Merged([read_tree(layer)])) == ["rpm"]
    assert unread(Merged([])) == []


@given(st.binary(max_size=300))
def test_any_database_is_survived(data: bytes) -> None:
    found(file(b"var/lib/dpkg/status", data), file(b"lib/apk/db/installed", data))
