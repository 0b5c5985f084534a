"""Manifests, indexes and tags (OCI distribution specification, on pulling, pushing and deleting)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from carrack.errors import CarrackError, InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import manifest as documents
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index, Manifest
from carrack.registry_server import files
from carrack.registry_server.blobs import checked
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.repositories import Record, Referrers, Repositories, Repository, Tags, is_tag


class Manifests:
    """The handlers."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def get(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET and HEAD, by tag or digest."""
        repository = self._repositories.get(parts["name"])
        record = find(repository, parts["reference"])
        if request.method == "GET":
            repository.pulled(record.digest)
        try:
            file = repository.content.open(record.digest)
        except FileNotFoundError:
            raise _unknown(repository, parts["reference"]) from None
        answer = files.answer(request, file, record.digest, record.media_type)
        if ":" not in parts["reference"]:
            answer.headers["Cache-Control"] = "no-cache"
        return answer

    def put(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """PUT, by tag or digest."""
        repository, reference = self._repositories.get(parts["name"]), parts["reference"]
        data = request.body.read(documents.SIZE_LIMIT)
        digest = digests.of(data)
        if ":" in reference and checked(reference) != digest:
            raise Problem("DIGEST_INVALID", f"what came is {digest}, not {reference}")
        if ":" not in reference and not is_tag(reference):
            raise Problem("TAG_INVALID", f"{reference[:160]!r} is no tag")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip()
        document = _parsed(data, media_type)
        needed = _needed(document)
        keys = [key for each in (digest, *needed) for key in (each, repository.key(each))]
        with repository.guard.using(*keys):
            _check(repository, document)
            store(repository, data, document)
            if ":" not in reference:
                Tags(repository).set(reference, digest)
        headers = {"Location": f"/v2/{repository.name}/manifests/{digest}", "Docker-Content-Digest": digest}
        if document.subject:
            headers["OCI-Subject"] = document.subject.digest
        return Answer(201, headers)

    def delete(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """DELETE: of a tag alone, or of a manifest with the tags that lead to it."""
        repository, reference = self._repositories.get(parts["name"]), parts["reference"]
        if ":" not in reference:
            if not (is_tag(reference) and Tags(repository).remove(reference)):
                raise _unknown(repository, reference)
            return Answer(202)
        digest = checked(reference)
        if repository.record(digest) is None:
            raise _unknown(repository, reference)
        remove(repository, digest)
        return Answer(202)


def find(repository: Repository, reference: str) -> Record:
    """The manifest that a tag or digest leads to; Problem MANIFEST_UNKNOWN or NAME_UNKNOWN."""
    if ":" in reference:
        digest: str | None = checked(reference)
    else:
        digest = Tags(repository).get(reference) if is_tag(reference) else None
    record = repository.record(digest) if digest else None
    if record is None:
        raise _unknown(repository, reference)
    return record


def store(repository: Repository, data: bytes, document: Manifest | Index) -> str:
    """Have a manifest, durably; returns its digest."""
    digest = repository.content.put(data)
    if document.subject:
        Referrers(repository).add(document.subject.digest, _descriptor(document, digest, len(data)))
    repository.add(digest, document.media_type, len(data))
    return digest


def remove(repository: Repository, digest: str) -> None:
    """Have a manifest no longer, nor the tags that lead to it."""
    record = repository.record(digest)
    Tags(repository).drop(digest)
    if record is None:
        return
    with contextlib.suppress(CarrackError, OSError):  # where it cannot be read, its subject goes on naming it
        document = read(repository, record)
        if document.subject:
            Referrers(repository).remove(document.subject.digest, digest)
    repository.remove(digest)


def read(repository: Repository, record: Record) -> Manifest | Index:
    """A manifest of the repository; CarrackError or OSError when it is damaged."""
    data = repository.content.read(record.digest, documents.SIZE_LIMIT)
    return documents.parse(data, record.media_type, record.digest)


def _needed(document: Manifest | Index) -> list[str]:
    """The digests of all that a manifest is made of."""
    if isinstance(document, Index):
        return [each.digest for each in document.manifests]
    return [document.config.digest, *(each.digest for each in document.layers if not each.urls)]


def _parsed(data: bytes, media_type: str) -> Manifest | Index:
    try:
        return documents.parse(data, media_type)
    except InvalidArgument as error:
        raise Problem("MANIFEST_INVALID", str(error)) from error


def _check(repository: Repository, document: Manifest | Index) -> None:
    """Everything that the manifest needs must be here already. An index may name blobs: build caches are kept so."""
    for digest in _needed(document):
        checked(digest)
        manifest = isinstance(document, Index) and repository.record(digest) is not None
        if not (manifest or repository.has_blob(digest)):
            raise Problem("MANIFEST_BLOB_UNKNOWN", f"repository {repository.name} has not got {digest}: push it first")


def _descriptor(document: Manifest | Index, digest: str, size: int) -> dict[str, object]:
    """How a manifest is listed among the referrers of its subject: with its own annotations, and by its artifact type,
    which is its config's type where it has none of its own."""
    kind = document.artifact_type
    if not kind and isinstance(document, Manifest):
        kind = document.config.media_type
    return Descriptor(
        document.media_type, digest, size, annotations=document.annotations, artifact_type=kind
    ).document()


def _unknown(repository: Repository, reference: str) -> Problem:
    if not repository.exists():
        return Problem("NAME_UNKNOWN", f"there is no repository {repository.name}")
    return Problem("MANIFEST_UNKNOWN", f"repository {repository.name} has no manifest {reference[:160]}")
