"""Revisions: no change of a container's fields goes unseen."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest
from tests.fakes.containers import container

from carrack import engine
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


SHOWN = {"args", "config", "endpoints", "health", "host_config", "mounts", "networking", "ports"}
CHANGES = {"append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update"}


def _changed_in_place(tree: ast.AST) -> list[str]:
    """Assignments into, and changing calls on, attributes of these names."""
    found = []
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = [part for t in node.targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])]
        elif isinstance(node, ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            targets = [ast.Subscript(node.func.value, ast.Constant(0))]
        for target in targets:
            inner: ast.expr = target
            while isinstance(inner, ast.Subscript):
                inner = inner.value
            if inner is not target and isinstance(inner, ast.Attribute) and inner.attr in SHOWN:
                found.append(ast.unparse(node))
    return found


def test_what_stands_in_fields_is_never_changed_in_place() -> None:
    sources = sorted((Path(engine.__file__).parent / "containers").glob("*.py"))
    found = {place for path in sources for place in _changed_in_place(ast.parse(path.read_text()))}
    assert all("host_config['AutoRemove']" in place for place in found), found
    assert _changed_in_place(ast.parse("c.endpoints['a']['b'] = 1; c.state.health.update({}); del c.ports['x']"))
