"""A list of packages as an SPDX 2.3 document (ISO/IEC 5962), which is what image scanners give."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from carrack.oci import purl

_UNKNOWN = "NOASSERTION"
_DOCUMENT, _ROOT = "SPDXRef-DOCUMENT", "SPDXRef-DocumentRoot"
_NO_ID = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package. ``kind``, ``namespace`` and ``qualifiers`` are those of its package URL."""

    kind: str
    name: str
    version: str
    namespace: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict, compare=False)
    license: str = field(default="", compare=False)
    supplier: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    @property
    def url(self) -> str:
        """The package URL."""
        return purl.package(self.kind, self.name, self.version, self.namespace, self.qualifiers)


def document(
    name: str, packages: Iterable[Package], created: str, tool: str, of: str = "", notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The document about the files called ``name``. ``created``: a time with whole seconds and Z; ``of`` says of which
    files it is, for it to be like no other's; ``notes`` say what was not read. The same of all gives the same document.
    """
    listed = sorted(set(packages))
    rows = [_row(package) for package in listed]
    comment = {"comment": "; ".join(notes)} if notes else {}
    namespace = uuid5(NAMESPACE_URL, "\n".join((name, of, created, *(row["SPDXID"] for row in rows))))
    root = {
        "name": name, "SPDXID": _ROOT, "downloadLocation": _UNKNOWN, "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN, "licenseDeclared": _UNKNOWN, "copyrightText": _UNKNOWN,
        "primaryPackagePurpose": "CONTAINER",
    }  # fmt: skip
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{_NO_ID.sub('-', name) or 'sbom'}-{namespace}",
        **comment,
        "creationInfo": {"creators": [f"Tool: {tool}"], "created": created},
        "packages": [*rows, root],
        "relationships": [
            *(_relation(_ROOT, "CONTAINS", row["SPDXID"]) for row in rows),
            _relation(_DOCUMENT, "DESCRIBES", _ROOT),
        ],
    }


def _row(package: Package) -> dict[str, Any]:
    digest = hashlib.sha256(package.url.encode()).hexdigest()[:16]
    row: dict[str, Any] = {
        "name": package.name,
        "SPDXID": f"SPDXRef-Package-{package.kind}-{_NO_ID.sub('-', package.name)}-{digest}",
        "versionInfo": package.version,
        "supplier": package.supplier or _UNKNOWN,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": package.url,
            }
        ],
    }
    if package.source:
        row["sourceInfo"] = f"found in {package.source}"
    if package.license:  # what a manager says is seldom an expression of SPDX's, so it is a remark
        row["licenseComments"] = f"declared as: {package.license}"
    return row


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relatedSpdxElement": other, "relationshipType": kind}
