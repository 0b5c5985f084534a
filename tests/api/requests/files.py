"""Files of containers: archive, export, changes."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

import io
import tarfile

from tests.api.steps import Scenario, Step

_RUN = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}
_TAR = {"Content-Type": "application/x-tar"}


def _archive(name: str, data: bytes = b"new\n", kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.mtime, info.size = kind, 1_700_000_000, len(data) if kind == tarfile.REGTYPE else 0
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def steps() -> Scenario:
    """Read, write and refuse, on a stopped container; then what has changed."""
    paths = {
        "a file": "/srv/hello.txt", "a folder": "/srv", "a link": "/srv/link", "a folder with a slash": "/srv/",
        "a folder's content": "/srv/.", "a relative path": "srv/hello.txt", "nothing": "/cake", "a file as a folder": "/srv/hello.txt/",
        "below a file": "/srv/hello.txt/a", "above the root": "/../srv/hello.txt", "no path": "",
    }  # fmt: skip
    return [
        Step("make", "POST", "/containers/create?name=files", json=_RUN, hidden=True, save={"files": "Id"}),
        *(Step(f"stat of {what}", "HEAD", f"/containers/files/archive?path={path}") for what, path in paths.items()),
        *(Step(f"archive of {what}", "GET", f"/containers/files/archive?path={path}") for what, path in paths.items()),
        Step("stat without a path", "HEAD", "/containers/files/archive"),
        Step("archive without a path", "GET", "/containers/files/archive"),
        Step("put", "PUT", "/containers/files/archive?path=/srv", body=_archive("new.txt"), headers=_TAR),
        Step("put without a type", "PUT", "/containers/files/archive?path=/srv", body=_archive("typeless.txt")),
        Step(
            "put a folder",
            "PUT",
            "/containers/files/archive?path=/srv",
            body=_archive("sub", kind=tarfile.DIRTYPE),
            headers=_TAR,
        ),
        Step(
            "put a file in the place of a folder",
            "PUT",
            "/containers/files/archive?path=/srv&noOverwriteDirNonDir=1",
            body=_archive("sub"),
            headers=_TAR,
        ),
        Step(
            "put in an absent folder", "PUT", "/containers/files/archive?path=/cake", body=_archive("a"), headers=_TAR
        ),
        Step("put in a file", "PUT", "/containers/files/archive?path=/srv/hello.txt", body=_archive("a"), headers=_TAR),
        Step("put without a path", "PUT", "/containers/files/archive", body=_archive("a"), headers=_TAR),
        Step("put what is no archive", "PUT", "/containers/files/archive?path=/srv", body=b"cake" * 300, headers=_TAR),
        Step("put nothing", "PUT", "/containers/files/archive?path=/srv", body=b"", headers=_TAR),
        Step("stat of what was put", "HEAD", "/containers/files/archive?path=/srv/new.txt"),
        Step("changes", "GET", "/containers/files/changes"),
        Step(
            "events",
            "GET",
            "/events?since={now}&until={clock}&filters=%7B%22event%22%3A%5B%22archive-path%22,%22extract-to-dir%22%5D%7D",
        ),
        Step(
            "make of data",
            "POST",
            "/containers/create?name=small",
            json={"Image": "golden/data:1"},
            hidden=True,
            save={"small": "Id"},
        ),
        Step("export", "GET", "/containers/small/export"),
    ]
