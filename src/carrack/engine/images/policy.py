"""Which images may go, by rules that somebody has set: pure, so that a plan can be shown before anything is removed.

The rules, each on its own (a rule that is not set removes nothing):

=============  =====================================================================================================
unused-for     an image goes when nothing has used it for so long
keep-last      of each repository, all tags but the newest so many go
max-size       while all images together are larger, the one that was unused the longest goes
min-free       the same while the file system has less room left (bytes, or a percentage of it)
keep           patterns of names (as ``image ls --filter reference``) that no rule removes
compressed     "discard": keep no compressed layers beside those that can be given back as tars ("keep" is the default)
cache          bytes of compressed layers of removed images to keep for the next pull: see `cache`
=============  =====================================================================================================

An image that a container stands on is never removed, nor is one that another image was made from, before that one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from carrack.engine.images.cache import USUAL
from carrack.engine.images.filters import matches
from carrack.errors import InvalidArgument
from carrack.model import units
from carrack.oci.reference import Reference

WORDS = ("cache", "compressed", "keep", "keep-last", "max-size", "min-free", "unused-for")
OF_REQUESTS = tuple(word for word in WORDS if word != "compressed")
"""Those that a single run can be given; the other one is of the daemon."""

_DAYS = re.compile(r"([0-9]{1,5})([dw])")
_PERCENT = re.compile(r"([0-9]{1,2})%")
_DAY = 24 * 3600 * units.NANOSECONDS
_MOST_TAGS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in nanoseconds, sizes in bytes; 0 sets no rule. ``min_free_percent`` counts where ``min_free`` does not."""

    keep_last: int = 0
    unused_for: int = 0
    max_size: int = 0
    min_free: int = 0
    min_free_percent: int = 0
    keep: tuple[str, ...] = ()
    cache: int = USUAL
    discard: bool = False

    def __bool__(self) -> bool:
        return bool(self.keep_last or self.unused_for or self.max_size or self.min_free or self.min_free_percent)

    def floor(self, total: int) -> int:
        """The bytes that shall stay free on a file system of ``total`` bytes."""
        return self.min_free or total * self.min_free_percent // 100


def parse(words: Mapping[str, str]) -> Rules:
    """The rules that ``gc`` of ``daemon.json``, or a request, sets. InvalidArgument names the word that is wrong."""
    for word in words:
        if word not in WORDS:
            raise InvalidArgument(f"gc: {word!r} is none of {', '.join(WORDS)}")
    free = words.get("min-free", "")
    percent = _PERCENT.fullmatch(free)
    return Rules(
        keep_last=_count(words.get("keep-last", "")),
        unused_for=_age(words.get("unused-for", "")),
        max_size=_bytes("max-size", words.get("max-size", "")),
        min_free=0 if percent else _bytes("min-free", free),
        min_free_percent=int(percent[1]) if percent else 0,
        keep=tuple(pattern for pattern in words.get("keep", "").split(",") if pattern),
        cache=0 if words.get("cache") == "0" else _bytes("cache", words.get("cache", "")) or USUAL,
        discard=_discard(words.get("compressed", "keep")),
    )


def _count(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= _MOST_TAGS):
        raise InvalidArgument(f"gc: keep-last: {text!r} is not a number of tags from 1 to {_MOST_TAGS}")
    return int(text)


def _discard(text: str) -> bool:
    if text not in ("keep", "discard"):
        raise InvalidArgument(f"gc: compressed: {text!r} is neither keep nor discard")
    return text == "discard"


def _age(text: str) -> int:
    if not text:
        return 0
    days = _DAYS.fullmatch(text)
    try:
        found = int(days[1]) * _DAY * (7 if days[2] == "w" else 1) if days else units.parse_duration(text)
    except InvalidArgument:
        found = 0
    if found <= 0:
        raise InvalidArgument(f"gc: unused-for: {text!r} is no time such as 36h, 30d or 4w")
    return found


def _bytes(word: str, text: str) -> int:
    if not text:
        return 0
    try:
        found = units.parse_bytes(text)
    except InvalidArgument:
        found = 0
    if found <= 0:
        more = " or 10%" if word == "min-free" else ""
        raise InvalidArgument(f"gc: {word}: {text!r} is no size such as 500m, 20GB{more}")
    return found


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image as the rules see it. Times are nanoseconds since 1970; ``parts`` are the layers and blobs it needs,
    ``used`` whether a container stands on it; ``cached``: it is no image, but a blob kept of one for the next pull."""

    id: str
    names: tuple[Reference, ...]
    tagged: int
    last_used: int
    parts: frozenset[str]
    used: bool = False
    parent: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: take these names from an image; when it ``deletes``, the image goes with the last of them.
    ``frees`` are the bytes that only this step, after those before it, gives back."""

    image: str
    names: tuple[Reference, ...]
    deletes: bool
    reason: str
    frees: int
    last_used: int
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of the data root, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, what all images take before and after, and which rules cannot be met, in words."""

    steps: tuple[Step, ...]
    size: int
    size_after: int
    notes: tuple[str, ...] = ()


def plan(images: Iterable[Candidate], sizes: Mapping[str, int], rules: Rules, disk: Disk, now: int) -> Plan:
    """Apply the rules to all images; ``sizes`` are the bytes of each part. Nothing is touched."""
    state = _State({image.id: image for image in images}, sizes, rules.keep)
    before = state.size
    _trim(state, rules.cache)
    _unused(state, rules.unused_for, now)
    if rules.keep_last:
        _beyond(state, rules.keep_last)
    notes = []
    if rules.max_size and not _shrink(state, state.size - rules.max_size, "the images are larger than max-size"):
        notes.append(
            f"max-size: {state.size} bytes are in use, kept by name or remembered by builds, which is more than the "
            f"{rules.max_size} allowed"
        )
    lacking = rules.floor(disk.total) - disk.free - (before - state.size)
    if lacking > 0 and not _shrink(state, lacking, "less room is left than min-free"):
        floor = rules.floor(disk.total)
        notes.append(f"min-free: {disk.free + before - state.size} bytes will be free, which is less than {floor}")
    _unused(state, rules.unused_for, now)  # what had to stay for the sake of an image that has gone now
    return Plan(tuple(state.steps), before, state.size, tuple(notes))


@dataclass
class _State:
    """What is left of the images while a plan is made."""

    left: dict[str, Candidate]
    sizes: Mapping[str, int]
    keep: tuple[str, ...]
    steps: list[Step] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        self._needs = Counter(part for image in self.left.values() for part in image.parts)
        self._children = Counter(image.parent for image in self.left.values() if image.parent in self.left)
        self.size = sum(self.sizes.get(part, 0) for part in self._needs)

    def kept(self, name: Reference) -> bool:
        """Whether a pattern keeps this name."""
        return any(matches(pattern, name) for pattern in self.keep)

    def removable(self, image: Candidate) -> bool:
        """Whether the image may go as a whole, now."""
        return not image.used and not self._children[image.id] and not any(map(self.kept, image.names))

    def by_age(self) -> Iterator[Candidate]:
        """Images that may go, the longest unused first; those that others were made from as soon as they may."""
        while found := [image for image in self.left.values() if self.removable(image)]:
            yield min(found, key=lambda image: (image.last_used, image.tagged, image.id))

    def least_wanted(self) -> Iterator[Candidate]:
        """The same, but what is only cached goes before all images."""
        cached = [image for image in self.left.values() if image.cached]
        yield from sorted(cached, key=lambda image: (image.last_used, image.id))
        yield from self.by_age()

    def remove(self, image: Candidate, reason: str) -> None:
        """The image with all its names."""
        del self.left[image.id]
        self._children[image.parent] -= 1
        freed = 0
        for part in image.parts:
            self._needs[part] -= 1
            if not self._needs[part]:
                freed += self.sizes.get(part, 0)
        self.size -= freed
        self.steps.append(Step(image.id, image.names, True, reason, freed, image.last_used, image.cached))

    def untag(self, image: Candidate, names: Collection[Reference], reason: str) -> None:
        """Some of its names; the image stays."""
        self.left[image.id] = replace(image, names=tuple(name for name in image.names if name not in names))
        self.steps.append(Step(image.id, tuple(names), False, reason, 0, image.last_used))


def _trim(state: _State, budget: int) -> None:
    """The newest of what is cached stays."""
    cached = [image for image in state.left.values() if image.cached]
    for image in sorted(cached, key=lambda image: (-image.last_used, image.id)):
        size = sum(state.sizes.get(part, 0) for part in image.parts)
        budget -= size
        if budget < 0:
            state.remove(image, "more is kept of removed images than the cache may hold")
            budget += size


def _unused(state: _State, age: int, now: int) -> None:
    for image in state.by_age():
        if not age or now - image.last_used < age:
            break  # all that come are younger
        days = units.human_duration((now - image.last_used) / units.NANOSECONDS)
        state.remove(image, f"unused for {days.lower()}")


def _beyond(state: _State, count: int) -> None:
    """All but the newest tags of each repository; a name by digest goes with the last tag of its repository."""
    repositories: dict[str, list[tuple[int, Reference, str]]] = {}
    for image in state.left.values():
        for name in image.names:
            if name.tag:
                repositories.setdefault(name.name, []).append((image.tagged, name, image.id))
    doomed: dict[str, set[Reference]] = {}
    for tags in repositories.values():
        tags.sort(key=lambda tag: (-tag[0], str(tag[1])))
        for _, name, identity in tags[count:]:
            if not state.left[identity].used and not state.kept(name):
                doomed.setdefault(identity, set()).add(name)
    for identity, names in sorted(doomed.items(), key=lambda item: (state.left[item[0]].last_used, item[0])):
        _take(state, identity, names, f"not among the newest {count} of its repository")


def _take(state: _State, identity: str, names: set[Reference], reason: str) -> None:
    image = state.left[identity]
    left = {name.name for name in image.names if name.tag and name not in names}
    without = {name.name for name in names} - left
    names |= {name for name in image.names if not name.tag and name.name in without and not state.kept(name)}
    if len(names) == len(image.names) and state.removable(image):
        state.remove(image, reason)
    else:
        state.untag(image, sorted(names, key=str), reason)


def _shrink(state: _State, excess: int, reason: str) -> bool:
    """Remove until so many bytes less than now are needed; whether that could be."""
    wanted = state.size - excess
    for image in state.least_wanted():
        if state.size <= wanted:
            break
        state.remove(image, reason)
    return state.size <= wanted
