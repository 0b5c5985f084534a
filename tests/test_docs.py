"""The documents name only files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document: Path) -> None:
    text = document.read_text()
    named = re.findall(r"`((?:src|tests|scripts|docs|bench|packaging)/[\w./-]+)`", text)
    linked = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in linked if not (document.parent / link).exists()]
    assert not missing, f"{document.name} names {missing}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_short_file_names_exist(document: Path) -> None:
    """Names like `daemon/wiring.py` are meant below src/carrack."""
    names = re.findall(r"`([a-z_]+/[\w/]+\.py)`", document.read_text())
    known = ("tests/", "bench/", "src/")
    missing = [n for n in names if not n.startswith(known) and not (ROOT / "src" / "carrack" / n).exists()]
    assert not missing, f"{document.name} names {missing}"


def test_every_security_test_is_in_the_table() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(test_\w+\.py)`", text))
    there = {path.name for path in (ROOT / "tests" / "security").glob("test_*.py")}
    assert there - named == set(), "docs/security.md does not say what these defend against"
    assert named - there == set(), "docs/security.md names tests that are gone"


def test_decisions_are_numbered_and_short() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        lines = path.read_text().splitlines()
        assert lines[0].startswith(f"# {int(path.name[:4])}. "), path
        assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]
        assert len(lines) <= 40, path
