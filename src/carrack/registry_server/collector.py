"""Removes what the rules let go and what nothing leads to, while the registry is read from and written to.

Three steps, each of which leaves a whole registry: tags and manifests by the retention rules; a repository's blobs that
none of its manifests names; content that no repository has. What is younger than `grace` stays: its manifest may be on
its way. `guard` says how this and the handlers keep out of each other's way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from carrack.errors import CarrackError
from carrack.oci.manifest import Index
from carrack.registry_server import manifests
from carrack.registry_server.repositories import Repositories, Repository, Tags, blob_used
from carrack.registry_server.retention import (
    ManifestState,
    Retention,
    TagState,
    expired_manifests,
    expired_tags,
    rule_for,
)
from carrack.registry_server.uploads import Uploads

log = logging.getLogger(__name__)

GRACE = 3600.0
FORSAKEN = 24 * 3600.0
"""Seconds after which an upload that nothing came for is given up."""


@dataclass(slots=True)
class Collected:
    """How much was removed; `bytes` of content."""

    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    uploads: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return (
            f"{self.tags} tags, {self.manifests} manifests, {self.blobs} blobs of {self.bytes} bytes,"
            f" {self.uploads} forsaken uploads"
        )


class Collector:
    """`collect` may be called by any thread at any time."""

    def __init__(
        self, repositories: Repositories, uploads: Uploads, rules: Sequence[Retention] = (), grace: float = GRACE
    ) -> None:
        self._repositories = repositories
        self._uploads = uploads
        self._rules = rules
        self._grace = grace

    def collect(self) -> Collected:
        """One round. OSError when the disk fails; what was removed by then is removed for good."""
        found = Collected()
        found.uploads = self._uploads.sweep(max(FORSAKEN, self._grace))
        self._repositories.content.sweep(max(FORSAKEN, self._grace))
        guard = self._repositories.guard
        with guard.collecting():
            linked: set[str] = set()
            for repository in self._repositories.everywhere():
                linked.update(self._tidy(repository, found))
            self._drop_content(linked, found)
        log.info("collected %s", found)
        return found

    def _tidy(self, repository: Repository, found: Collected) -> set[str]:
        """One repository; returns all content that it has. Where a manifest cannot be read, nothing is removed."""
        repository.sweep(max(FORSAKEN, self._grace))
        try:
            states = _states(repository)
        except (CarrackError, OSError) as error:
            log.warning(
                "repository %s is left alone, since a manifest of it cannot be read: %s", repository.name, error
            )
            return {*repository.blobs(), *(record.digest for record in repository.records())}
        self._apply_rules(repository, states, found)
        return states.keys() | self._drop_blobs(repository, states, found)

    def _apply_rules(self, repository: Repository, states: dict[str, ManifestState], found: Collected) -> None:
        """Remove by the repository's rule; `states` loses what is gone."""
        rule = rule_for(self._rules, repository.name)
        if rule is None:
            return
        now, tags = time.time(), Tags(repository)
        there = tags.all()
        pulled = {digest: state.used for digest, state in states.items()}
        known = {tag: TagState(digest, set_, pulled.get(digest, 0.0)) for tag, (digest, set_) in there.items()}
        for tag in expired_tags(rule, known, now):
            with repository.guard.removing(repository.key(there[tag][0])) as free:
                if free and tags.get(tag) == there[tag][0] and tags.remove(tag):
                    del known[tag]
                    found.tags += 1
                    log.info("%s:%s is gone by its rule", repository.name, tag)
        for digest in expired_manifests(rule, states, (state.digest for state in known.values()), now):
            with repository.guard.removing(repository.key(digest)) as free:
                if free and not any(led == digest for led, _ in tags.all().values()):
                    manifests.remove(repository, digest)
                    del states[digest]
                    found.manifests += 1

    def _drop_blobs(self, repository: Repository, states: dict[str, ManifestState], found: Collected) -> set[str]:
        """Unlink what no manifest of the repository names; returns what stays linked."""
        named = {blob for state in states.values() for blob in state.blobs}
        stays = set()
        for digest in repository.blobs():
            if digest not in named and time.time() - blob_used(repository, digest) > self._grace:
                with repository.guard.removing(repository.key(digest)) as free:
                    if free and repository.unlink(digest, durable=False):
                        continue
            stays.add(digest)
        return stays

    def _drop_content(self, linked: set[str], found: Collected) -> None:
        content = self._repositories.content
        for digest in list(content.digests()):
            if digest in linked:
                continue
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(content.path(digest))
                if time.time() - status.st_mtime <= self._grace:
                    continue
                with self._repositories.guard.removing(digest) as free:
                    if free:
                        content.delete(digest)
                        found.blobs += 1
                        found.bytes += status.st_size


def _states(repository: Repository) -> dict[str, ManifestState]:
    """Every manifest of a repository. Raises CarrackError or OSError when one cannot be read."""
    found = {}
    for record in repository.records():
        document = manifests.read(repository, record)
        children: tuple[str, ...] = ()
        blobs: tuple[str, ...] = ()
        if isinstance(document, Index):
            children = blobs = tuple(each.digest for each in document.manifests)
        else:
            blobs = (document.config.digest, *(each.digest for each in document.layers))
        subject = document.subject.digest if document.subject else ""
        used = max(record.pushed, record.pulled)
        found[record.digest] = ManifestState(used, children, subject, blobs)
    return found
