"""Lists of packages as SPDX documents."""

import json
from typing import Any

from carrack.oci.spdx import Package, document

NOW = "2020-02-03T04:05:06Z"
BASH = Package(
    "deb", "bash", "5.2", "debian", {"arch": "amd64"}, supplier="Person: A <a@b>", source="var/lib/dpkg/status"
)
PIP = Package("pypi", "pip", "24", license="MIT")


def made(*packages: Package, **more: Any) -> dict[str, Any]:
    return document("sbom", packages, NOW, "carrack-1", **more)


def test_what_readers_of_it_need() -> None:
    said = made(PIP, BASH, PIP)
    assert (said["spdxVersion"], said["SPDXID"], said["dataLicense"]) == ("SPDX-2.3", "SPDXRef-DOCUMENT", "CC0-1.0")
    assert said["creationInfo"] == {"creators": ["Tool: carrack-1"], "created": NOW}
    bash, pip, root = said["packages"]
    assert [row["name"] for row in said["packages"]] == ["bash", "pip", "sbom"]
    assert bash["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/bash@5.2?arch=amd64"
    assert (bash["versionInfo"], bash["supplier"]) == ("5.2", "Person: A <a@b>")
    assert bash["sourceInfo"] == "found in var/lib/dpkg/status"
    assert pip["licenseComments"] == "declared as: MIT"
    ids = {row["SPDXID"] for row in said["packages"]}
    assert len(ids) == 3
    related = [
        (row["spdxElementId"], row["relationshipType"], row["relatedSpdxElement"]) for row in said["relationships"]
    ]
    assert related[-1] == ("SPDXRef-DOCUMENT", "DESCRIBES", root["SPDXID"])
    assert (root["SPDXID"], "CONTAINS", bash["SPDXID"]) in related


def test_the_same_of_the_same_and_another_of_other_files() -> None:
    one = made(BASH, of="layers")
    assert json.dumps(made(BASH, of="layers")) == json.dumps(one)
    assert made(BASH, of="others")["documentNamespace"] != one["documentNamespace"]


def test_what_was_not_read_is_told() -> None:
    assert "comment" not in made()
    assert made(notes=["a", "b"])["comment"] == "a; b"
