"""The requests of the distribution specification, answered from a `Content`."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

from tests.fakes.registry_auth import refusal
from tests.fakes.registry_content import Content, sha
from tests.fakes.registry_faults import Answer, Request

_NAME = r"(?P<name>[^?]+?)"
_JSON = {"Content-Type": "application/json"}


@dataclass
class Knobs:
    """What honest registries differ in."""

    mounts: bool = True  # takes cross-repository mounts
    relative: bool = False  # Location without scheme and host
    strict: bool = True  # refuses manifests whose blobs are not here
    chunks: bool = True  # takes chunked uploads; where not: PATCH is refused
    smallest: int = 0  # OCI-Chunk-Min-Length
    digests: bool = True  # says Docker-Content-Digest
    heads: bool = True  # takes HEAD of manifests
    page: int = 1000  # most tags in one answer
    referrers: bool = True  # has the referrers API


class Routes:
    """One repository's requests after another; the caller has seen to rights and faults."""

    def __init__(self, content: Content, knobs: Knobs, url: Callable[[], str]) -> None:
        self.content, self.knobs, self._url = content, knobs, url
        self._table: list[tuple[str, re.Pattern[str], Callable[[Request, dict[str, str]], Answer]]] = [
            ("GET", re.compile("/v2/_catalog"), self._catalog),
            ("GET", re.compile(f"/v2/{_NAME}/tags/list"), self._tags),
            ("GET HEAD", re.compile(f"/v2/{_NAME}/manifests/(?P<what>[^/]+)"), self._manifest),
            ("PUT", re.compile(f"/v2/{_NAME}/manifests/(?P<what>[^/]+)"), self._put_manifest),
            ("DELETE", re.compile(f"/v2/{_NAME}/manifests/(?P<what>[^/]+)"), self._delete_manifest),
            ("POST", re.compile(f"/v2/{_NAME}/blobs/uploads/?"), self._start),
            ("GET PATCH PUT DELETE", re.compile(f"/v2/{_NAME}/blobs/uploads/(?P<what>[^/]+)"), self._upload),
            ("GET HEAD", re.compile(f"/v2/{_NAME}/blobs/(?P<what>[^/]+)"), self._blob),
            ("GET", re.compile(f"/v2/{_NAME}/referrers/(?P<what>[^/]+)"), self._referrers),
        ]

    def repository(self, request: Request) -> tuple[str, str]:
        """Which repository a request is about, and the actions that it needs the right to."""
        for _, pattern, _call in self._table[1:]:
            if match := pattern.fullmatch(request.path):
                actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(request.method, "pull,push")
                return match["name"], "pull,push" if "/blobs/uploads" in request.path else actions
        return "", "*" if request.path == "/v2/_catalog" else ""

    def answer(self, request: Request) -> Answer:
        if request.path in ("/v2/", "/v2"):
            return Answer(200, b"{}", dict(_JSON))
        for methods, pattern, call in self._table:
            match = pattern.fullmatch(request.path)
            if match and request.method in methods.split():
                with self.content.lock:
                    return call(request, match.groupdict())
        return refusal(404, "UNSUPPORTED", f"no such page: {request.method} {request.path}")

    def body_starts_at(self, request: Request) -> bytearray | None:
        """Where the body of an upload's request goes as it arrives: what has come before a break is kept."""
        match = re.fullmatch(f"/v2/{_NAME}/blobs/uploads/(?P<what>[^/]+)", request.path)
        if match is None or request.method not in ("PATCH", "PUT") or match["what"] not in self.content.uploads:
            return None
        data = self.content.uploads[match["what"]][1]
        said = request.headers.get("content-range", "")
        if request.method == "PATCH" and (not self.knobs.chunks or (said and said.partition("-")[0] != str(len(data)))):
            return None
        return data

    def _manifest(self, request: Request, where: dict[str, str]) -> Answer:
        if request.method == "HEAD" and not self.knobs.heads:
            return Answer(405)
        found = self.content.manifest(where["name"], where["what"])
        if found is None:
            return refusal(404, "MANIFEST_UNKNOWN", f"manifest unknown: {where['what']}")
        headers = {"Content-Type": found[0]} | ({"Docker-Content-Digest": found[1]} if self.knobs.digests else {})
        return Answer(200, found[2], headers)

    def _put_manifest(self, request: Request, where: dict[str, str]) -> Answer:
        name, what, kind = where["name"], where["what"], request.headers.get("content-type", "")
        if ":" in what and sha(request.body) != what:
            return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        value = json.loads(request.body)
        needed = [value["config"], *value["layers"]] if "layers" in value else []
        gone = [entry["digest"] for entry in needed if not self.content.has(name, entry["digest"])]
        here = self.content.manifests.get(name, {})
        listed = [entry["digest"] for entry in value.get("manifests", [])]
        gone += [digest for digest in listed if digest not in here and not self.content.has(name, digest)]
        if gone and self.knobs.strict:
            return refusal(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {gone[0]}")
        digest = self.content.put_manifest(name, request.body, kind, "" if ":" in what else what)
        headers = {"Docker-Content-Digest": digest, "Location": self._location(f"/v2/{name}/manifests/{digest}")}
        if (value.get("subject") or {}).get("digest") and self.knobs.referrers:
            headers["OCI-Subject"] = value["subject"]["digest"]
        return Answer(201, b"", headers)

    def _delete_manifest(self, request: Request, where: dict[str, str]) -> Answer:
        name, what = where["name"], where["what"]
        if what in self.content.tags.get(name, {}):
            del self.content.tags[name][what]
            return Answer(202)
        if self.content.manifests.get(name, {}).pop(what, None) is None:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        for tag, digest in list(self.content.tags.get(name, {}).items()):
            if digest == what:
                del self.content.tags[name][tag]
        return Answer(202)

    def _blob(self, request: Request, where: dict[str, str]) -> Answer:
        if not self.content.has(where["name"], where["what"]):
            return refusal(404, "BLOB_UNKNOWN", f"blob unknown to registry: {where['what']}")
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        return Answer(200, self.content.blobs[where["what"]], headers | {"Docker-Content-Digest": where["what"]})

    def _start(self, request: Request, where: dict[str, str]) -> Answer:
        name, query = where["name"], {k: v[0] for k, v in parse_qs(urlsplit(request.target).query).items()}
        mount, source = query.get("mount", ""), query.get("from", "")
        if mount and self.knobs.mounts and self.content.has(source, mount):
            self.content.repositories.setdefault(name, set()).add(mount)
            return self._created(name, mount)
        if "digest" in query:
            return self._finish(name, bytearray(request.body), query["digest"])
        number = secrets.token_hex(8)
        self.content.uploads[number] = (name, bytearray())
        return self._going(202, name, number, {"Docker-Upload-UUID": number})

    def _upload(self, request: Request, where: dict[str, str]) -> Answer:
        name, number = where["name"], where["what"]
        if self.content.uploads.get(number, ("",))[0] != name:
            return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        data = self.content.uploads[number][1]
        if request.method == "DELETE":
            del self.content.uploads[number]
            return Answer(204)
        if request.method == "GET":
            return self._going(204, name, number, {"Docker-Upload-UUID": number})
        if request.method == "PATCH":
            if not self.knobs.chunks:
                return refusal(405, "UNSUPPORTED", "chunked uploads are not supported")
            misplaced = "x-fake-misplaced" in request.headers
            return self._going(416 if misplaced else 202, name, number, {})
        del self.content.uploads[number]
        return self._finish(name, data, parse_qs(urlsplit(request.target).query).get("digest", [""])[0])

    def _finish(self, name: str, data: bytearray, digest: str) -> Answer:
        if sha(bytes(data)) != digest:
            return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.content.put_blob(name, bytes(data))
        return self._created(name, digest)

    def _created(self, name: str, digest: str) -> Answer:
        place = self._location(f"/v2/{name}/blobs/{digest}")
        return Answer(201, b"", {"Location": place, "Docker-Content-Digest": digest})

    def _going(self, status: int, name: str, number: str, headers: dict[str, str]) -> Answer:
        size = len(self.content.uploads[number][1])
        place = self._location(f"/v2/{name}/blobs/uploads/{number}?state=s{size}")
        headers = {"Location": place, "Range": f"0-{max(size - 1, 0)}"} | headers
        if self.knobs.smallest:
            headers["OCI-Chunk-Min-Length"] = str(self.knobs.smallest)
        return Answer(status, b"", headers)

    def _location(self, path: str) -> str:
        return path if self.knobs.relative else self._url() + path

    def _tags(self, request: Request, where: dict[str, str]) -> Answer:
        name = where["name"]
        if name not in self.content.repositories:
            return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
        return self._paged(request, "tags", sorted(self.content.tags.get(name, {})), {"name": name})

    def _catalog(self, request: Request, where: dict[str, str]) -> Answer:
        return self._paged(request, "repositories", sorted(self.content.repositories), {})

    def _paged(self, request: Request, member: str, names: list[str], more: dict[str, str]) -> Answer:
        query = {k: v[0] for k, v in parse_qs(urlsplit(request.target).query).items()}
        most = min(int(query.get("n", self.knobs.page)), self.knobs.page)
        rest = [name for name in names if name > query.get("last", "")]
        headers = dict(_JSON)
        if len(rest) > most:
            place = self._location(f"{request.path}?last={quote(rest[most - 1])}&n={most}")
            headers["Link"] = f'<{place}>; rel="next"'
        return Answer(200, json.dumps(more | {member: rest[:most]}).encode(), headers)

    def _referrers(self, request: Request, where: dict[str, str]) -> Answer:
        if not self.knobs.referrers:
            return refusal(404, "UNSUPPORTED", "no such page")
        found = self.content.referrers(where["name"], where["what"])
        kind = parse_qs(urlsplit(request.target).query).get("artifactType", [""])[0]
        headers = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
        if kind:
            found = [entry for entry in found if entry["artifactType"] == kind]
            headers["OCI-Filters-Applied"] = "artifactType"
        index = {"schemaVersion": 2, "mediaType": headers["Content-Type"], "manifests": found}
        return Answer(200, json.dumps(index).encode(), headers)
