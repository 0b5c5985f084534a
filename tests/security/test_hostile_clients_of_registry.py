"""Clients that try to read, write or delete out of place in our own registry, or to keep it busy for nothing.

Each is followed by an honest push and pull; afterwards nothing lies beside the registry's own folders.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.registry_content import descriptor, sha

from carrack.oci import media_types as types
from carrack.registry_server.app import App, Gatekeeper, Policy
from carrack.registry_server.gatekeepers import ByToken
from carrack.registry_server.repositories import Repositories
from carrack.registry_server.rights import Rights
from carrack.registry_server.server import Server
from carrack.registry_server.tokens import Tokens
from carrack.registry_server.uploads import Uploads

CANARY = b"canary-of-the-host"
HEX = "0" * 64


class Served:
    """A registry on a unix socket below `root`."""

    def __init__(self, root: Path, keeper: Gatekeeper | None = None, policy: Policy | None = None) -> None:
        self.root = root / "registry"
        self.path = str(root / "s")
        repositories = Repositories(self.root)
        self.server = Server(App(repositories, Uploads(repositories), keeper, policy))
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(self.path)
        self.server.listen(sock)

    def __call__(self, data: bytes, *, end: bool = True) -> bytes:
        """What comes for these bytes, until the registry hangs up."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self.path)
            answer = b""
            try:
                sock.sendall(data)
                if end:
                    sock.shutdown(socket.SHUT_WR)
                while piece := sock.recv(1 << 16):
                    answer += piece
            except (BrokenPipeError, ConnectionResetError):
                pass
            return answer

    def ask(self, line: str, body: bytes = b"", *fields: str) -> bytes:
        head = [f"{line} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}", *fields, "", ""]
        return self("\r\n".join(head).encode("latin-1") + body)

    def works(self) -> None:
        """Push and pull a blob."""
        blob = b"honest"
        digest = sha(blob)
        assert b" 201 " in self.ask(f"POST /v2/honest/blobs/uploads/?digest={digest}", blob)[:20]
        assert self.ask(f"GET /v2/honest/blobs/{digest}").endswith(blob)

    def files(self) -> set[str]:
        return {path.name for path in self.root.parent.iterdir()}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "canary").write_bytes(CANARY)
    made = Served(tmp_path)
    yield made
    made.works()
    assert made.files() == {"canary", "registry", "s"}
    assert (tmp_path / "canary").read_bytes() == CANARY
    assert {path.name for path in made.root.iterdir()} == {"content", "repositories"}
    assert list((made.root / "content" / "ingest").iterdir()) == []
    made.server.close(1)


NAMES = [
    *("..", "../..", "a/../../b", "%2e%2e", "%2e%2e%2f%2e%2e", "..%2f..%2f..%2fcanary", "a%00b", "a//b", "/a", "a/"),
    *("_tags", "a/_blobs", "A", "a" * 300, "é", "a\\b", "a%0d%0ab", ".", "a/./b", "%252e%252e", "a%2f..%2f..%2fb"),
    *("-", "a_-b", "~", "%ff"),
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_none(served: Served, name: str) -> None:
    """Neither read nor written, whatever the handler."""
    for line in (
        f"GET /v2/{name}/manifests/latest",
        f"GET /v2/{name}/blobs/sha256:{HEX}",
        f"POST /v2/{name}/blobs/uploads/",
        f"PUT /v2/{name}/manifests/latest",
        f"DELETE /v2/{name}/manifests/latest",
        f"POST /v2/ok/blobs/uploads/?mount=sha256:{HEX}&from={name}",
        f"GET /v2/{name}/tags/list",
        f"GET /v2/{name}/referrers/sha256:{HEX}",
    ):
        answer = served.ask(line, b"{}" if line.startswith("PUT") else b"")
        assert CANARY not in answer
        assert answer[9:10] == b"4" or ("from=" in line and answer[9:12] == b"202"), answer[:100]
    folder = served.root / "repositories"
    assert {path.name for path in folder.iterdir()} <= {"ok"}


class _Nobody:
    """See Passwords."""

    def right(self, user: str, password: str) -> bool:
        return False

    def stamp(self, user: str) -> str | None:
        return None


@pytest.mark.parametrize("name", [*NAMES, "a%0db", "a%22b", "%e2%82%ac"])
def test_names_that_are_none_at_a_closed_registry(tmp_path: Path, name: str) -> None:
    """They do not get into the header that asks for a token."""
    rights = Rights((), closed=True)
    passwords: Any = _Nobody()
    keeper = ByToken(passwords, Tokens(b"k" * 32, "service"), rights)
    closed = Served(tmp_path, keeper, Policy(rights))
    for line in (f"GET /v2/{name}/manifests/latest", f"POST /v2/{name}/blobs/uploads/"):
        answer = closed.ask(line)
        assert answer[9:10] == b"4"
        assert b"scope=" not in answer
    assert b'scope="repository:a/b:pull"' in closed.ask("GET /v2/a/b/manifests/latest")
    closed.server.close(1)


REFERENCES = [
    *("..", "%2e%2e", "../../../canary", "..%2f..%2f..%2f..%2fcanary", ".hidden", "a" * 129, "a%00", "a b", "é", "@"),
    *("-a", "%ff", f"sha256:{'A' * 64}", "sha256:../../../canary", "sha256:..%2f..%2f..%2fcanary", "sha256:"),
    *(f"sha512:{HEX}{HEX}", f"md5:{HEX[:32]}", f"sha256:{HEX[:63]}", f"sha256:{HEX}%00", f"sha256:{HEX}/../x"),
]


@pytest.mark.parametrize("reference", REFERENCES)
def test_cve_2024_3727_references_that_are_none(served: Served, reference: str) -> None:
    served.works()
    for line in (
        f"GET /v2/honest/manifests/{reference}",
        f"PUT /v2/honest/manifests/{reference}",
        f"DELETE /v2/honest/manifests/{reference}",
        f"GET /v2/honest/blobs/{reference}",
        f"DELETE /v2/honest/blobs/{reference}",
        f"GET /v2/honest/blobs/uploads/{reference}",
        f"PATCH /v2/honest/blobs/uploads/{reference}",
        f"GET /v2/honest/referrers/{reference}",
        f"POST /v2/honest/blobs/uploads/?digest={reference}",
        f"POST /v2/honest/blobs/uploads/?mount={reference}&from=honest",
    ):
        answer = served.ask(line, b"{}" if line.startswith("PUT") else b"")
        assert CANARY not in answer
        assert answer[9:10] == b"4", (line, answer[:200])
    assert set((served.root / "repositories").iterdir()) == {served.root / "repositories" / "honest"}


def _manifest(**members: object) -> bytes:
    return json.dumps(
        {"schemaVersion": 2, "config": descriptor(types.OCI_CONFIG, b"{}"), "layers": []} | members
    ).encode()


MANIFESTS = {
    "nothing": b"",
    "deep": b"[" * 100_000,
    "long": b'{"a":"' + b"x" * (5 << 20) + b'"}',
    "both (CVE-2021-41190)": _manifest(manifests=[]),
    "another type (CVE-2021-41190)": _manifest(mediaType=types.OCI_INDEX),
    "lookalike": _manifest(Layers=[]),
    "a path for a digest": _manifest(config={"mediaType": types.OCI_CONFIG, "digest": "sha256:../../x", "size": 2}),
    "a path for a subject": _manifest(subject={"mediaType": types.OCI_MANIFEST, "digest": "sha256:../../x", "size": 2}),
    "another algorithm's subject": _manifest(
        subject={"mediaType": types.OCI_MANIFEST, "digest": "sha512:" + "0" * 128, "size": 2}
    ),
    "blobs of another repository": _manifest(),
    "513 layers": _manifest(layers=[descriptor(types.OCI_LAYER, b"")] * 513),
}


@pytest.mark.parametrize("data", MANIFESTS.values(), ids=MANIFESTS)
def test_manifests_that_are_none(served: Served, data: bytes) -> None:
    served.ask(f"POST /v2/other/blobs/uploads/?digest={sha(b'{}')}", b"{}")
    answer = served.ask("PUT /v2/app/manifests/1", data, f"Content-Type: {types.OCI_MANIFEST}")
    assert answer[9:10] == b"4", answer[:200]
    assert b" 404 " in served.ask("GET /v2/app/manifests/1")[:20]
    assert b" 404 " in served.ask("GET /v2/app/tags/list")[:20]


def test_a_blob_that_is_another(served: Served) -> None:
    """Not kept, in one request or in several, and not to be had from a repository that has not pushed it."""
    digest = sha(b"secret of other")
    assert b" 400 " in served.ask(f"POST /v2/app/blobs/uploads/?digest={digest}", b"something else")[:20]
    place = _location(served.ask("POST /v2/app/blobs/uploads/"))
    assert b" 202 " in served.ask(f"PATCH {place}", b"something else")[:20]
    assert b" 400 " in served.ask(f"PUT {place}?digest={digest}")[:20]
    assert b" 404 " in served.ask(f"PUT {place}?digest={sha(b'something else')}")[:20]
    assert b" 404 " in served.ask(f"GET /v2/app/blobs/{digest}")[:20]
    served.ask(f"POST /v2/other/blobs/uploads/?digest={digest}", b"secret of other")
    assert b" 404 " in served.ask(f"GET /v2/app/blobs/{digest}")[:20]
    assert b" 404 " in served.ask(f"GET /v2/app/manifests/{digest}")[:20]
    assert b" 404 " in served.ask(f"PUT {place.replace('app', 'other')}?digest={digest}")[:20]


def _location(answer: bytes) -> str:
    fields = dict(line.split(": ", 1) for line in answer.decode().split("\r\n\r\n")[0].split("\r\n")[1:])
    return fields["Location"]


UPLOAD = b"POST /v2/a/blobs/uploads/?digest=sha256:" + HEX.encode() + b" HTTP/1.1\r\nHost: x\r\n"
CHUNKED = UPLOAD + b"Transfer-Encoding: chunked\r\n"
BYTES = {
    "two lengths": UPLOAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a chunk of a size that is none": CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a huge chunk": CHUNKED + b"\r\nffffffffffffffffff\r\n",
    "a folded field": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a blank before the colon": b"GET /v2/ HTTP/1.1\r\nHost : x\r\n\r\n",
    "no version": b"GET /v2/\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a head without end": b"GET /v2/ HTTP/1.1\r\n" + b"A: b\r\n" * 200_000,
    "a line without end": b"GET /" + b"a" * (1 << 20),
    "garbage": bytes(range(256)) * 100,
    "a length that is none": UPLOAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "half a body": UPLOAD + b"Content-Length: 500\r\n\r\nhello",
}


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
def test_requests_that_are_none(served: Served, data: bytes) -> None:
    answer = served(data)
    assert answer.count(b"HTTP/1.1 ") <= 1, answer
    assert answer[:9] in (b"HTTP/1.1 ", b"")
    assert answer[9:10] in (b"4", b"5", b""), answer[:200]


def test_a_form_and_a_query_without_end(served: Served) -> None:
    query = "&".join(f"a{number}=b" for number in range(5000))
    assert served.ask(f"GET /v2/honest/tags/list?{query}")[9:10] == b"4"
    assert served.ask("GET /v2/honest/tags/list?n=99999999999999999999")[9:10] == b"4"
    assert served.ask("GET /v2/_catalog?n=-1")[9:10] == b"4"
    assert served.ask("GET /v2/honest/tags/list?n=%C2%B2")[9:10] == b"4"
