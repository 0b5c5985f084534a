"""The packages in a tree, by the databases of their managers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.images import tar
from tests.unit.storage.test_rpmdb import TAGS, database, header
from tests.unit.storage.trees.conftest import Make, tarred

from carrack.storage.trees import inventory

STATUS = """Package: bash
Status: install ok installed
Architecture: amd64
Maintainer: A <a@b>
Version: 5.2-1
Description: shell
 with a long text
 Package: no

Package: gone
Status: deinstall ok config-files
Version: 1
"""
DEBIAN = 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="13"\n'


def urls(make: Make, files: dict[str, str | bytes | None]) -> list[str]:
    return sorted(package.url for package in inventory.take(make(files)).packages)


def test_dpkg(make: Make) -> None:
    found = inventory.take(make({"var/lib/dpkg/status": STATUS, "etc/os-release": b"../usr/lib/os-release",
                                 "usr/lib/os-release": DEBIAN})).packages  # fmt: skip
    (bash,) = found
    assert bash.url == "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-13"
    assert (bash.supplier, bash.source) == ("Person: A <a@b>", "var/lib/dpkg/status")


def test_dpkg_in_parts(make: Make) -> None:
    files: dict[str, str | bytes | None] = {
        "var/lib/dpkg/status.d/tz": "Package: tzdata\nVersion: 2025a\n",
        "var/lib/dpkg/status.d/tz.md5sums": "Package: none\n",
    }
    assert urls(make, files) == ["pkg:deb/debian/tzdata@2025a"]


def test_apk(make: Make) -> None:
    text = "C:Q1x=\nP:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\nF:lib\nR:ld.so\n\nP:busybox\nV:1.37\n"
    files: dict[str, str | bytes | None] = {"lib/apk/db/installed": text, "etc/os-release": "ID=alpine\n"}
    assert urls(make, files) == [
        "pkg:apk/alpine/busybox@1.37?distro=alpine",
        "pkg:apk/alpine/musl@1.2.5-r9?arch=x86_64&distro=alpine",
    ]


def test_languages(make: Make) -> None:
    files: dict[str, str | bytes | None] = {
        "usr/lib/python3/dist-packages/Foo_Bar-1.2.dist-info/METADATA": "Name: Foo_Bar",
        "usr/lib/python3/dist-packages/old-2.0-py3.13.egg-info": "x",
        "app/node_modules/left/package.json": json.dumps({"name": "left", "version": "1.0", "license": "MIT"}),
        "app/node_modules/@a/b/package.json": json.dumps({"name": "@a/b", "version": "2.0"}),
        "app/node_modules/bad/package.json": "[1",
        "app/node_modules/.bin/x": "",
        "proc/node_modules/no/package.json": json.dumps({"name": "no", "version": "1"}),
    }
    assert urls(make, files) == [
        "pkg:npm/%40a/b@2.0", "pkg:npm/left@1.0", "pkg:pypi/foo-bar@1.2", "pkg:pypi/old@2.0",
    ]  # fmt: skip


def test_what_cannot_be_read_is_told(make: Make) -> None:
    found = inventory.take(make({"var/lib/rpm/Packages": "old form", "var/lib/dpkg/status": None}))
    assert found.packages == []
    (told,) = found.unread
    assert told.startswith("var/lib/rpm/Packages: ")


def test_links_out_of_the_tree_and_loops_lead_nowhere(make: Make) -> None:
    assert urls(make, {"var/lib/dpkg/status": b"/../../../etc/passwd", "lib/apk/db/installed": b"installed"}) == []


def test_rpm(tmp_path: Path) -> None:
    files = {"usr/lib/sysimage/rpm/rpmdb.sqlite": database(tmp_path, header(TAGS, 1)), "etc/os-release": b"ID=fedora"}
    tree = tarred(tmp_path, tar(files))
    try:
        (bash,) = inventory.take(tree).packages
    finally:
        tree.close()
    assert bash.url == "pkg:rpm/fedora/bash@5.2-3.fc42?arch=x86_64&distro=fedora&epoch=1"
    assert bash.license == "GPL-3.0"
