"""The URLs by which images and packages are called."""

import pytest

from carrack.oci import platform as platforms
from carrack.oci import purl, reference

HEX = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("busybox", "pkg:docker/busybox@latest?platform=linux%2Famd64"),
        ("team/app:1", "pkg:docker/team/app@1?platform=linux%2Famd64"),
        ("localhost:5000/a/b:1", "pkg:docker/localhost:5000/a/b@1?platform=linux%2Famd64"),
        (f"app:1@{HEX}", f"pkg:docker/app@1?digest=sha256%3A{'a' * 64}&platform=linux%2Famd64"),
        (f"app@{HEX}", f"pkg:docker/app?digest=sha256%3A{'a' * 64}&platform=linux%2Famd64"),
    ],
)
def test_images(name: str, expected: str) -> None:
    assert purl.image(reference.parse(name), platforms.parse("linux/amd64")) == expected


def test_packages() -> None:
    made = purl.package("deb", "libstdc++6", "1:2-3", "debian", {"distro": "debian-13", "arch": "amd64", "epoch": ""})
    assert made == "pkg:deb/debian/libstdc++6@1:2-3?arch=amd64&distro=debian-13"
    assert purl.package("npm", "core", "1.0", "@babel") == "pkg:npm/%40babel/core@1.0"
    assert purl.package("pypi", "a b") == "pkg:pypi/a%20b"
