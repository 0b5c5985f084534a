"""Small by law: files of at most 400 lines, functions of at most 40, classes of at most 12 public methods."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_FILE, MAX_FUNCTION, MAX_METHODS = 400, 40, 12

# What is larger, and why it is better so. The list only shrinks: an entry that is no longer needed fails.
LARGE_FILES: dict[str, str] = {}
LARGE_FUNCTIONS: set[str] = set()
LARGE_CLASSES: set[str] = set()


def _sources() -> list[Path]:
    return sorted((ROOT / "src").rglob("*.py"))


def test_files_are_small() -> None:
    large = {str(path.relative_to(ROOT)) for path in _sources() if len(path.read_text().splitlines()) > MAX_FILE}
    assert large <= set(LARGE_FILES), f"over {MAX_FILE} lines: {sorted(large - set(LARGE_FILES))}"
    assert set(LARGE_FILES) <= large, f"no longer large: {sorted(set(LARGE_FILES) - large)}"


def test_functions_are_small() -> None:
    large = {}
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    large[f"{path.relative_to(ROOT)}::{node.name}"] = lines
    assert set(large) == LARGE_FUNCTIONS, f"over {MAX_FUNCTION} lines: {large}"


def test_classes_have_few_public_methods() -> None:
    large = set()
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not _is_routes(node):
                methods = [n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
                if sum(not m.name.startswith("_") and not m.decorator_list for m in methods) > MAX_METHODS:
                    large.add(f"{path.relative_to(ROOT)}::{node.name}")
    assert large == LARGE_CLASSES, f"over {MAX_METHODS} public methods: {sorted(large)}"


def _is_routes(node: ast.ClassDef) -> bool:
    """A route table's face has a method per route; the table is what keeps it readable."""
    return node.name == "_Face"
