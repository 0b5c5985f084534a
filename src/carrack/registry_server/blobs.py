"""Blobs: got, looked for, removed, and brought by uploads (OCI distribution specification, "Pulling blobs", "Pushing
blobs")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from carrack.oci import digest as digests
from carrack.registry_server import files
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.repositories import Repositories, Repository
from carrack.registry_server.uploads import Upload, Uploads

BINARY = "application/octet-stream"
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?")

MayPull = Callable[[Request, str], bool]


class Blobs:
    """The handlers. `may_pull` decides whether the asker may take a blob out of another repository."""

    def __init__(self, repositories: Repositories, uploads: Uploads, may_pull: MayPull) -> None:
        self._repositories = repositories
        self._uploads = uploads
        self._may_pull = may_pull

    def get(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET and HEAD of a blob."""
        repository, digest = self._repositories.get(parts["name"]), checked(parts["digest"])
        if repository.has_blob(digest):
            media_type = BINARY
        elif (record := repository.record(digest)) is not None:
            media_type = record.media_type  # a manifest is a blob, too
        else:
            raise unknown(repository, digest)
        try:
            file = self._repositories.content.open(digest)
        except FileNotFoundError:
            raise unknown(repository, digest) from None
        return files.answer(request, file, digest, media_type)

    def delete(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """DELETE of a blob: the repository has it no longer; the collector removes what nobody has."""
        repository, digest = self._repositories.get(parts["name"]), checked(parts["digest"])
        if not repository.unlink(digest):
            raise unknown(repository, digest)
        return Answer(202)

    def begin(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """POST: mount from another repository, take a whole blob, or begin an upload."""
        repository = self._repositories.get(parts["name"])
        mount, source = request.query.get("mount", ""), request.query.get("from", "")
        if mount and source and self._mount(request, repository, checked(mount), source):
            return _created(repository, mount)
        wanted = checked(request.query["digest"]) if "digest" in request.query else ""
        with self._uploads.begin(repository) as upload:
            if not wanted:
                return _accepted(repository, upload.id, 0)
            try:
                return self._finish(request, repository, upload, wanted)
            except BaseException:
                self._uploads.cancel(upload)  # nobody knows where it could be gone on with
                raise

    def progress(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET of an upload: how far it has come."""
        repository = self._repositories.get(parts["name"])
        size = self._uploads.size(repository, parts["upload"])
        return _accepted(repository, parts["upload"], size, status=204)

    def append(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """PATCH: a chunk, or all in one stream."""
        repository = self._repositories.get(parts["name"])
        with self._uploads.hold(repository, parts["upload"]) as upload:
            _in_order(request, repository, upload)
            upload.take(request.body)
            return _accepted(repository, upload.id, upload.size)

    def finish(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """PUT: the last chunk, if any, and the digest of the whole."""
        repository = self._repositories.get(parts["name"])
        if "digest" not in request.query:
            raise Problem("DIGEST_INVALID", "the upload's digest is not given")
        wanted = checked(request.query["digest"])
        with self._uploads.hold(repository, parts["upload"]) as upload:
            _in_order(request, repository, upload)
            return self._finish(request, repository, upload, wanted)

    def cancel(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """DELETE of an upload."""
        with self._uploads.hold(self._repositories.get(parts["name"]), parts["upload"]) as upload:
            self._uploads.cancel(upload)
        return Answer(204)

    def _finish(self, request: Request, repository: Repository, upload: Upload, digest: str) -> Answer:
        upload.take(request.body)
        self._uploads.finish(repository, upload, digest)
        return _created(repository, digest)

    def _mount(self, request: Request, repository: Repository, digest: str, source: str) -> bool:
        other = self._repositories.get(source)
        if not self._may_pull(request, source):
            return False
        with repository.guard.using(digest, repository.key(digest)):
            if not (other.has_blob(digest) or (other.record(digest) and other.content.has(digest))):
                return False
            repository.link(digest)
        return True


def checked(digest: str) -> str:
    """A digest as given in a request; Problem DIGEST_INVALID when it is none that is served."""
    wrong = digests.problem(digest)
    if wrong is None and digests.algorithm(digest) != "sha256":
        wrong = "only sha256 digests are served here"
    if wrong is not None:
        raise Problem("DIGEST_INVALID", f"{digest[:160]!r}: {wrong}")
    return digest


def unknown(repository: Repository, digest: str) -> Problem:
    """There is no such blob."""
    return Problem("BLOB_UNKNOWN", f"repository {repository.name} has no blob {digest}")


def _in_order(request: Request, repository: Repository, upload: Upload) -> None:
    """A chunk that says where it belongs must go on where the upload has ended."""
    text = request.headers.get("content-range", "")
    if not text:
        return
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        raise Problem("BLOB_UPLOAD_INVALID", f"Content-Range {text[:80]!r} is not FIRST-LAST")
    first, last = int(match[1]), int(match[2])
    length = request.body.length
    if last < first - 1 or (length is not None and length != last - first + 1):
        raise Problem("SIZE_INVALID", f"Content-Range {text[:80]} does not fit a body of {length} bytes")
    if first != upload.size:
        headers = _accepted(repository, upload.id, upload.size).headers
        raise Problem("RANGE_INVALID", f"the upload goes on at byte {upload.size}, not {first}", headers=headers)


def _accepted(repository: Repository, id_: str, size: int, status: int = 202) -> Answer:
    headers = {
        "Location": f"/v2/{repository.name}/blobs/uploads/{id_}",
        "Range": f"0-{max(0, size - 1)}",
        "Docker-Upload-UUID": id_,
    }
    return Answer(status, headers)


def _created(repository: Repository, digest: str) -> Answer:
    return Answer(201, {"Location": f"/v2/{repository.name}/blobs/{digest}", "Docker-Content-Digest": digest})
