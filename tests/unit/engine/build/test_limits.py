"""How much of the build cache stays."""

from __future__ import annotations

from dataclasses import replace

from carrack.engine.build.cache import Entry
from carrack.engine.build.limits import Limits, choose
from carrack.engine.build.prune import Row

BASE = Row("a", "regular", "RUN x", 10, 1, 1, 1, False, False, (), Entry("sha256:k", ""))
ROWS = [replace(BASE, id=str(n), last_used=n) for n in range(1, 6)]


def gone(limits: Limits, rows: list[Row] = ROWS, free: int = 0) -> list[str]:
    return [row.id for row in choose(rows, limits, lambda row: True, free)]


def test_limits() -> None:
    assert gone(Limits()) == ["1", "2", "3", "4", "5"]
    assert gone(Limits(reserved=20)) == ["1", "2", "3"]
    assert gone(Limits(most=35)) == ["1", "2"]
    assert gone(Limits(most=100)) == []
    assert gone(Limits(free=15)) == ["1", "2"]
    assert gone(Limits(free=15), free=20) == []
    assert gone(Limits(reserved=30, most=10)) == ["1", "2"]
    assert gone(Limits(reserved=30, free=50)) == ["1", "2"]


def test_what_is_in_use_or_an_images_stays() -> None:
    rows = [replace(BASE, id="used", in_use=True), replace(BASE, id="image", shared=True), BASE]
    assert gone(Limits(), rows) == ["a"]
    assert gone(Limits(every=True), rows) == ["image", "a"]


def test_what_an_image_has_takes_nothing() -> None:
    rows = [replace(BASE, id="image", shared=True, last_used=0), *ROWS]
    assert gone(Limits(True, most=35), rows) == ["1", "2"]


def test_a_step_goes_after_those_that_were_made_on_it() -> None:
    """The layers below an entry stay as long as it does, however long the steps were unused that made them."""
    rows = [
        replace(BASE, id="below", last_used=1),
        replace(BASE, id="above", last_used=2, parents=("below",)),
        replace(BASE, id="other", last_used=3),
        replace(BASE, id="busy", last_used=4, in_use=True, parents=("held",)),
        replace(BASE, id="held", last_used=0),
    ]
    assert gone(Limits(most=40), rows) == ["above"]
    assert gone(Limits(most=30), rows) == ["above", "below"]
    assert gone(Limits(most=1), rows) == ["above", "below", "other"]


def test_a_layer_that_two_steps_gave_is_counted_once_and_freed_by_the_last() -> None:
    first, second = replace(BASE, id="1", layer="d"), replace(BASE, id="2", layer="d", size=0, last_used=2)
    rows = [first, second, replace(BASE, id="3", last_used=3)]
    assert gone(Limits(most=20), rows) == []
    assert gone(Limits(most=10), rows) == ["1", "2"]
    assert gone(Limits(most=9), rows) == ["1", "2", "3"]
