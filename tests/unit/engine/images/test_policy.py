"""Rules that let images go: words, each rule by itself, what no rule removes, and laws over random images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.engine.images.cache import USUAL
from carrack.engine.images.policy import Candidate, Disk, Plan, Rules, Step, parse, plan
from carrack.errors import InvalidArgument
from carrack.oci import reference

DAY = 24 * 3600 * 10**9
NOW = 1000 * DAY
ROOMY = Disk(total=1000, free=900)
SIZES = dict.fromkeys("abcdefgh", 10)


def image(identity: str, *names: str, age: int = 0, parts: str = "", **more: Any) -> Candidate:
    """An image that was tagged and last used so many days ago."""
    when = NOW - age * DAY
    return Candidate(identity, tuple(map(reference.parse, names)), when, when, frozenset(parts or identity), **more)


def planned(images: list[Candidate], rules: Rules, disk: Disk = ROOMY, sizes: dict[str, int] = SIZES) -> Plan:
    return plan(images, sizes, rules, disk, NOW)


def done(found: Plan) -> list[tuple[str, list[str], bool]]:
    return [(step.image, [name.familiar for name in step.names], step.deletes) for step in found.steps]


def test_words() -> None:
    rules = parse({"keep-last": "3", "unused-for": "30d", "max-size": "20GB", "min-free": "10%", "keep": "a/*,b:1"})
    assert rules == Rules(3, 30 * DAY, 20 << 30, 0, 10, ("a/*", "b:1"))
    assert parse({"unused-for": "36h", "min-free": "5g"}) == Rules(unused_for=DAY * 3 // 2, min_free=5 << 30)
    assert (rules.floor(200), parse({"min-free": "7"}).floor(200)) == (20, 7)
    assert not parse({"keep": "x"})
    assert parse({"unused-for": "4w"}).unused_for == 28 * DAY
    assert [parse({"cache": word}).cache for word in ("0", "1g")] == [0, 1 << 30]
    assert parse({}).cache == USUAL
    assert parse({"compressed": "discard"}).discard


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            {"keep-first": "1"},
            "gc: 'keep-first' is none of cache, compressed, keep, keep-last, max-size, min-free, unused-for",
        ),
        ({"keep-last": "0"}, "gc: keep-last: '0' is not a number of tags"),
        ({"keep-last": "many"}, "gc: keep-last: 'many' is not a number of tags"),
        ({"keep-last": "9" * 5000}, "is not a number of tags"),
        ({"unused-for": "soon"}, "gc: unused-for: 'soon' is no time such as 36h, 30d or 4w"),
        ({"unused-for": "-1h"}, "gc: unused-for: '-1h' is no time"),
        ({"unused-for": "0d"}, "gc: unused-for: '0d' is no time"),
        ({"max-size": "10%"}, "gc: max-size: '10%' is no size such as 500m, 20GB$"),
        ({"compressed": "no"}, "gc: compressed: 'no' is neither keep nor discard"),
        ({"min-free": "0"}, "gc: min-free: '0' is no size such as 500m, 20GB or 10%"),
    ],
)
def test_bad_words(words: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        parse(words)


def test_without_rules_everything_stays() -> None:
    found = planned([image("a", age=900), image("b", "b:1")], Rules())
    assert found == Plan((), 20, 20)


def test_unused_for() -> None:
    images = [image("a", "a:1", age=40), image("b", "b:1", age=31), image("c", "c:1", age=29), image("d", age=90)]
    found = planned(images, Rules(unused_for=30 * DAY))
    assert done(found) == [("d", [], True), ("a", ["a:1"], True), ("b", ["b:1"], True)]
    assert (found.size, found.size_after) == (40, 10)
    assert found.steps[1].reason == "unused for 5 weeks"


def test_what_is_used_or_kept_stays_however_old() -> None:
    images = [image("a", "a:1", age=90, used=True), image("b", "team/b:1", "b:2", age=90)]
    for rules in (Rules(unused_for=DAY), Rules(max_size=1), Rules(keep_last=1), Rules(min_free=999)):
        assert done(planned(images, replace(rules, keep=("team/*",)))) == []


def test_keep_last_counts_each_repository_by_itself() -> None:
    images = [image(letter, f"app:{age}", age=age) for age, letter in enumerate("abcd")]
    images.append(image("e", "other:1", age=500))
    found = planned(images, Rules(keep_last=2))
    assert done(found) == [("d", ["app:3"], True), ("c", ["app:2"], True)]
    assert found.steps[0].reason == "not among the newest 2 of its repository"


def test_keep_last_takes_a_name_and_leaves_the_image_with_its_others() -> None:
    images = [image("a", "app:new"), image("b", "app:old", "stable:1", age=5)]
    assert done(planned(images, Rules(keep_last=1))) == [("b", ["app:old"], False)]


def test_a_name_by_digest_goes_with_the_last_tag_of_its_repository() -> None:
    digest = "sha256:" + "0" * 64
    images = [image("a", "app:new"), image("b", "app:old", f"app@{digest}", age=5), image("c", f"lone@{digest}")]
    assert done(planned(images, Rules(keep_last=1))) == [("b", ["app:old", f"app@{digest}"], True)]
    images[1] = image("b", "app:old", f"app@{digest}", f"other@{digest}", age=5)
    assert done(planned(images, Rules(keep_last=1))) == [("b", ["app:old", f"app@{digest}"], False)]


def test_max_size_counts_shared_parts_once_and_takes_the_longest_unused_first() -> None:
    images = [image("a", "a:1", age=3, parts="abc"), image("d", "d:1", age=9, parts="abd"), image("e", "e:1", age=1)]
    found = planned(images, Rules(max_size=40))
    assert found.size == 50
    assert done(found) == [("d", ["d:1"], True)]
    assert found.steps[0].frees == 10
    found = planned(images, Rules(max_size=39))
    assert [step.frees for step in found.steps] == [10, 30]
    assert found.size_after == 10


def test_a_rule_that_cannot_be_met_says_so() -> None:
    found = planned([image("a", "a:1", used=True)], Rules(max_size=5, min_free=950))
    assert found.steps == ()
    assert found.notes == (
        "max-size: 10 bytes are in use, kept by name or remembered by builds, which is more than the 5 allowed",
        "min-free: 900 bytes will be free, which is less than 950",
    )


def test_room_counts_what_other_rules_have_freed() -> None:
    images = [image("a", age=40), image("b", age=3), image("c", age=2)]
    found = planned(images, Rules(unused_for=30 * DAY, min_free=20), Disk(total=100, free=0))
    assert [(step.image, step.reason) for step in found.steps] == [
        ("a", "unused for 5 weeks"),
        ("b", "less room is left than min-free"),
    ]
    assert planned(images, Rules(min_free_percent=10), Disk(total=100, free=10)).steps == ()


def test_parents_go_after_their_children() -> None:
    images = [image("a", age=9), image("b", age=5, parent="a", parts="ab"), image("c", age=4, parent="b", used=True)]
    assert done(planned(images, Rules(unused_for=DAY))) == []
    images[2] = image("c", "c:1", age=4, parent="b", parts="abc")
    assert [step.image for step in planned(images, Rules(unused_for=DAY)).steps] == ["c", "b", "a"]


def test_what_is_cached_goes_first_and_the_newest_of_it_last() -> None:
    images = [image("a", "a:1", age=90)]
    images += [image(name, age=days, cached=True) for name, days in (("b", 1), ("c", 2), ("d", 3))]
    found = planned(images, Rules(cache=20))
    assert [(step.image, step.cached, step.reason) for step in found.steps] == [
        ("d", True, "more is kept of removed images than the cache may hold")
    ]
    assert [step.image for step in planned(images, Rules(max_size=15)).steps] == ["d", "c", "b"]
    assert [step.image for step in planned(images, Rules(unused_for=2 * DAY)).steps] == ["a", "d", "c"]
    assert planned(images, Rules(keep_last=1)).steps == ()


IDS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6)
RULES = st.builds(
    Rules, st.integers(0, 2), st.integers(0, 9).map(lambda days: days * DAY), st.integers(0, 90), st.integers(0, 990)
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Candidate]:
    made: list[Candidate] = []
    for identity in draw(IDS):
        names = draw(st.lists(st.sampled_from(["x", "y"]), max_size=2))
        parts = draw(st.sets(st.sampled_from("abcdefgh")))
        parent = draw(st.sampled_from(["", *(each.id for each in made)]))
        used = draw(st.sampled_from([False, True]))
        named = [f"{name}:{identity}{number}" for number, name in enumerate(names)]
        age = draw(st.integers(0, 9))
        made.append(image(identity, *named, age=age, parts="".join(parts) + identity, used=used, parent=parent))
    return made


@settings(max_examples=300, deadline=None)
@given(worlds(), RULES)
def test_laws(images: list[Candidate], rules: Rules) -> None:
    found = planned(images, rules)
    known = {each.id: each for each in images}
    gone = [step.image for step in found.steps if step.deletes]
    assert len(gone) == len(set(gone))
    assert not any(known[identity].used for identity in gone)
    for number, identity in enumerate(gone):  # children first
        assert all(each.id in gone[:number] for each in images if each.parent == identity)
    left = [each for each in images if each.id not in gone]
    size = sum(SIZES[part] for part in {part for each in left for part in each.parts})
    assert (found.size_after, found.size - size) == (size, sum(step.frees for step in found.steps))
    assert found.notes or not rules.max_size or size <= rules.max_size
    assert planned(after(images, found.steps), rules, Disk(1000, 900 + found.size - size)).steps == ()


def after(images: list[Candidate], steps: tuple[Step, ...]) -> list[Candidate]:
    """What is left when the steps are done."""
    gone = {step.image for step in steps if step.deletes}
    taken = {name for step in steps for name in step.names}
    return [
        Candidate(
            each.id, tuple(name for name in each.names if name not in taken), each.tagged, each.last_used,
            each.parts, each.used, each.parent,
        )
        for each in images if each.id not in gone
    ]  # fmt: skip
