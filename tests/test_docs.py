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
