"""Revisions: no change of a container's fields goes unseen."""

from __future__ import annotations

from dataclasses import fields

import pytest
from tests.fakes.containers import container

from carrack.engine.containers import revision
from carrack.engine.containers.record import Container, State


@pytest.mark.parametrize("name", [f.name for f in fields(State)])
def test_every_field_of_a_state_is_seen(name: str) -> None:
    c = container()
    before, at_all = c.state.revision, revision.latest()
    setattr(c.state, name, getattr(c.state, name))
    assert before < c.state.revision == revision.latest() == at_all + 1


@pytest.mark.parametrize("name", [f.name for f in fields(Container)])
def test_every_field_of_a_container_is_seen(name: str) -> None:
    c = container()
    before = c.revision
    setattr(c, name, getattr(c, name))
    assert before < c.revision == revision.latest()


def test_a_revision_belongs_to_one_change() -> None:
    one, other = container(1), container(2)
    assert len({one.revision, one.state.revision, other.revision, other.state.revision, revision.changed()}) == 5


def test_a_revision_is_not_recorded() -> None:
    assert "revision" not in container().to_document()
    assert "revision" not in container().to_document()["state"]
