"""Which tags and manifests may go by rules: pure, over values.

    [[retention]]
    repositories = ["ci/**"]
    keep-tags = ["latest", "v*"]       these stay whatever else is said
    keep-last = 10                     the tags set last stay
    tags-after = "30d"                 a tag goes no sooner after it was set
    unpulled-after = "90d"             nor sooner after its manifest was last pulled
    untagged-after = "7d"              a manifest without a tag goes so long after it was last pushed or pulled

A tag goes when every condition given lets it, and there is one besides `keep-tags`. A manifest without a tag stays as
long as an index that stays names it, or its subject stays. The first rule that fits a repository is its rule.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from carrack.registry_server.rights import any_matches


@dataclass(frozen=True, slots=True)
class Retention:
    """One rule; ages in seconds, None where nothing is said."""

    repositories: tuple[str, ...]
    keep_tags: tuple[str, ...] = ()
    keep_last: int | None = None
    tags_after: float | None = None
    unpulled_after: float | None = None
    untagged_after: float | None = None


@dataclass(frozen=True, slots=True)
class TagState:
    """A tag: where it leads, when it was set, and when that manifest was last pulled."""

    digest: str
    set: float
    pulled: float


@dataclass(frozen=True, slots=True)
class ManifestState:
    """A manifest: when it was last pushed or pulled, what it names if it is an index, and its subject.
    ``blobs``: what may be a blob of all that it names; indexes of build caches name blobs, too."""

    used: float
    children: tuple[str, ...] = ()
    subject: str = ""
    blobs: tuple[str, ...] = field(default=(), compare=False)


def rule_for(rules: Iterable[Retention], repository: str) -> Retention | None:
    """The first that fits."""
    return next((rule for rule in rules if any_matches(rule.repositories, repository)), None)


def expired_tags(rule: Retention, tags: Mapping[str, TagState], now: float) -> list[str]:
    """The tags that may go, sorted."""
    if rule.keep_last is None and rule.tags_after is None and rule.unpulled_after is None:
        return []
    free = [tag for tag in tags if not any(fnmatch.fnmatchcase(tag, pattern) for pattern in rule.keep_tags)]
    free.sort(key=lambda tag: (tags[tag].set, tag), reverse=True)
    return sorted(
        tag
        for place, tag in enumerate(free)
        if (rule.keep_last is None or place >= rule.keep_last)
        and (rule.tags_after is None or now - tags[tag].set > rule.tags_after)
        and (rule.unpulled_after is None or now - max(tags[tag].pulled, tags[tag].set) > rule.unpulled_after)
    )


def expired_manifests(
    rule: Retention, manifests: Mapping[str, ManifestState], tagged: Iterable[str], now: float
) -> list[str]:
    """The manifests without a tag that may go, sorted."""
    if rule.untagged_after is None:
        return []
    stay = set(tagged) & manifests.keys()
    stay.update(digest for digest, state in manifests.items() if now - state.used <= rule.untagged_after)
    while True:
        more = {child for digest in stay for child in manifests[digest].children if child in manifests}
        more.update(digest for digest, state in manifests.items() if state.subject in stay)
        if more <= stay:
            return sorted(manifests.keys() - stay)
        stay |= more
