"""Every kept input is run through its target again, and a few new ones are made; ``scripts/fuzz`` makes more."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz import mutate
from tests.fuzz.limits import limited
from tests.fuzz.targets import CORPUS, TARGETS, corpus, keep

KEPT = [(target, name) for target in TARGETS for name in corpus(target)]


@pytest.mark.parametrize(("target", "name"), KEPT, ids=["/".join(kept) for kept in KEPT])
def test_kept_inputs(target: str, name: str) -> None:
    with limited(seconds=10):
        TARGETS[target](corpus(target)[name])


@pytest.mark.parametrize("target", TARGETS)
def test_changed_inputs(target: str) -> None:
    """Changes of kept inputs by chance, the same in each run."""
    seeds, chance = list(corpus(target).values()), random.Random(target)
    assert seeds, "a target without kept inputs"
    for _ in range(60):
        data = mutate.changed(chance, seeds)
        with limited(seconds=10):
            TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes(target: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.binary(max_size=2048))
    def run(data: bytes) -> None:
        TARGETS[target](data)

    run()


def test_every_folder_of_kept_inputs_has_its_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)


def test_an_input_is_read_as_it_was_kept(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.targets.CORPUS", tmp_path)
    kept = {"a": b"text\nof two lines", "b": bytes(range(256)), "c": b"", "d": b"\r\n"}
    for name, data in kept.items():
        keep("t", name, data, "why it is kept")
    assert {name.partition(".")[0]: data for name, data in corpus("t").items()} == kept
