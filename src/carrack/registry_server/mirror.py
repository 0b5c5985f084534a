"""Standing before another registry: what is asked for is served from here, and fetched once when it is not here yet.

A tag is asked for anew after a while, and served as it was when the other registry cannot be reached. A blob that is
being fetched is sent to all who ask for it as it comes; it is kept only when its digest is right.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from carrack.errors import CarrackError
from carrack.oci import digest as digests
from carrack.oci import manifest as documents
from carrack.oci.descriptor import Descriptor
from carrack.registry_server import files
from carrack.registry_server.blobs import BINARY, Blobs, checked, unknown
from carrack.registry_server.lists import Lists
from carrack.registry_server.manifests import Manifests, store
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.repositories import Repositories, Repository, Tags, is_tag
from carrack.registry_server.uploads import Uploads
from carrack.registry_server.upstream import Upstream
from carrack.registry_server.wire import Wire
from carrack.storage.content import Ingest

log = logging.getLogger(__name__)

_PASSING = ("UNAVAILABLE", "TOOMANYREQUESTS")
"""Why the other registry cannot be asked just now; what is here is served then."""


class Fetch:
    """One blob on its way here, for any number of readers."""

    def __init__(self, ingest: Ingest, size: int) -> None:
        self.size = size
        self.ingest = ingest
        self._come = 0
        self._failure: BaseException | None = None
        self._ended = False
        self._changed = threading.Condition()

    def write(self, data: bytes) -> None:
        """More of it has come."""
        self.ingest.write(data)
        with self._changed:
            self._come += len(data)
            self._changed.notify_all()

    def end(self, failure: BaseException | None) -> None:
        """It is whole, checked and kept; or why not."""
        with self._changed:
            self._failure, self._ended = failure, True
            self._changed.notify_all()

    def wait(self, beyond: int) -> int:
        """How many bytes are there, once there are more than `beyond` or it has ended. Of the last bytes it is told
        only when the whole was found right. Raises what made it fail."""
        with self._changed:
            while not self._ended and min(self._come, self.size - 1) <= beyond:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            return self.size if self._ended else min(self._come, self.size - 1)


class Growing:
    """`message.Content`: a blob as it comes."""

    def __init__(self, fetch: Fetch) -> None:
        self.size = fetch.size
        self._fetch = fetch
        self._file = open(fetch.ingest.path, "rb", buffering=0)

    def send(self, wire: Wire) -> None:
        """message.Content. A failure on the way ends the connection, so that the client sees it."""
        sent = 0
        while sent < self.size:
            try:
                there = self._fetch.wait(sent)
            except (Problem, CarrackError) as error:
                raise ConnectionAbortedError(str(error)) from error
            wire.send_file(self._file.fileno(), sent, there - sent)
            sent = there

    def close(self) -> None:
        """message.Content."""
        self._file.close()


class Mirror:
    """The handlers that differ from those of a registry of its own."""

    def __init__(self, repositories: Repositories, uploads: Uploads, upstream: Upstream, fresh: float) -> None:
        self._repositories = repositories
        self._upstream = upstream
        self._fresh = fresh
        self._asked: dict[tuple[str, str], float] = {}
        self._fetches: dict[str, Fetch] = {}
        self._lock = threading.Lock()
        self._manifests = Manifests(repositories)
        self._blobs = Blobs(repositories, uploads, lambda request, name: False)
        self._lists = Lists(repositories, lambda request, name: True)

    def manifest(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET and HEAD."""
        repository, reference = self._repositories.get(parts["name"]), parts["reference"]
        try:
            self._bring(repository, reference)
        except Problem as problem:
            if problem.code not in _PASSING:
                raise
            try:
                answer = self._manifests.get(request, parts)
            except Problem:
                raise problem from None
            log.warning("%s:%s is served as it was: %s", repository.name, reference, problem)
            return answer
        return self._manifests.get(request, parts)

    def blob(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET and HEAD."""
        repository, digest = self._repositories.get(parts["name"]), checked(parts["digest"])
        if repository.has_blob(digest) or repository.record(digest) is not None:
            return self._blobs.get(request, parts)
        size = self._upstream.size(repository.name, digest)
        if size is None:
            raise unknown(repository, digest)
        if request.method == "HEAD":
            headers = {**files.headers_of(digest, BINARY), "Content-Length": str(size)}
            return Answer(200, headers)
        fetch = self._fetch(repository, Descriptor(BINARY, digest, size))
        if fetch is None:
            return self._blobs.get(request, parts)
        if "range" in request.headers or not size:
            fetch.wait(size)
            return self._blobs.get(request, parts)
        fetch.wait(0)  # a failure at the begin is told
        try:
            return Answer(200, files.headers_of(digest, BINARY), content=Growing(fetch))
        except FileNotFoundError:  # it has its name already
            return self._blobs.get(request, parts)

    def tags(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET: those of the other registry, else those known here."""
        repository = self._repositories.get(parts["name"])
        try:
            return self._lists.page(request, repository, sorted(self._upstream.tags(repository.name)))
        except Problem as problem:
            if problem.code not in _PASSING:
                raise
            return self._lists.tags(request, parts)

    def referrers(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET."""
        repository, digest = self._repositories.get(parts["name"]), checked(parts["digest"])
        found = [each.document() for each in self._upstream.referrers(repository.name, digest).manifests]
        return self._lists.index(request, found)

    def _bring(self, repository: Repository, reference: str) -> None:
        """Have the manifest here, as the other registry has it now."""
        if ":" in reference:
            if repository.record(checked(reference)) is None:
                self._take(repository, reference)
            return
        if not is_tag(reference):
            raise Problem("MANIFEST_UNKNOWN", f"{reference[:160]!r} is no tag")
        known = Tags(repository).get(reference)
        key = (repository.name, reference)
        if known and time.monotonic() - self._asked.get(key, -self._fresh) < self._fresh:
            return
        if not known or self._upstream.head(repository.name, reference) != known:
            self._take(repository, reference)
        if len(self._asked) > 100_000:
            self._asked.clear()
        self._asked[key] = time.monotonic()

    def _take(self, repository: Repository, reference: str) -> None:
        data, media_type = self._upstream.manifest(repository.name, reference)
        try:
            document = documents.parse(data, media_type)
        except CarrackError as error:
            raise Problem("MANIFEST_UNKNOWN", f"the registry behind this one sends no manifest: {error}") from error
        digest = digests.of(data)
        with repository.guard.using(digest, repository.key(digest)):
            store(repository, data, document)
            if ":" not in reference:
                Tags(repository).set(reference, digest)

    def _fetch(self, repository: Repository, descriptor: Descriptor) -> Fetch | None:
        """The fetch of a blob, begun unless it is under way; None when it has come meanwhile."""
        key = repository.key(descriptor.digest)
        with self._lock, repository.guard.using(key, descriptor.digest):
            if repository.content.has(descriptor.digest):
                repository.link(descriptor.digest)
                return None
            fetch = self._fetches.get(key)
            if fetch is None:
                fetch = self._fetches[key] = Fetch(repository.content.ingest(), descriptor.size)
                work = (fetch, repository, descriptor)
                threading.Thread(target=self._work, args=work, name="fetch", daemon=True).start()
        return fetch

    def _work(self, fetch: Fetch, repository: Repository, descriptor: Descriptor) -> None:
        failure: BaseException | None = None
        digest = descriptor.digest
        try:
            with fetch.ingest as ingest, repository.guard.using(digest, repository.key(digest)):
                self._upstream.blob(repository.name, descriptor, fetch.write)
                ingest.commit(digest, descriptor.size)
                repository.link(digest)
        except (Problem, CarrackError, OSError) as error:
            failure = error if isinstance(error, Problem) else Problem("UNAVAILABLE", str(error))
            log.warning("blob %s of %s could not be fetched: %s", digest, repository.name, error)
        except BaseException as error:
            failure = Problem("UNKNOWN", "the registry has failed; its log tells why")
            log.exception("blob %s of %s could not be fetched", digest, repository.name, exc_info=error)
        with self._lock:
            del self._fetches[repository.key(digest)]
        fetch.end(failure)
