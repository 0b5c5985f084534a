"""Tests mirror sources: ``src/carrack/a/b.py`` is tested in ``tests/unit/a/test_b.py``, and no test is left behind."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE, UNIT = ROOT / "src" / "carrack", ROOT / "tests" / "unit"

# Sources (or folders of them, ending in a slash) whose tests stand elsewhere, and where: what is only glue between a
# client and the engine is tested with real clients. The list only shrinks: a stale entry fails.
ELSEWHERE = {
    "api/routes/": "cli",
    "cli/commands/": "cli",
    "daemon/wiring.py": "cli",
    "daemon/wiring_building.py": "cli",
}


def _mirror(path: Path) -> Path:
    relative = path.relative_to(SOURCE)
    return UNIT / relative.parent / f"test_{relative.name}"


def _elsewhere(name: str) -> str | None:
    return next((key for key in ELSEWHERE if name == key or (key.endswith("/") and name.startswith(key))), None)


def test_every_source_has_its_test() -> None:
    missing, used = [], set()
    for path in sorted(SOURCE.rglob("*.py")):
        name = str(path.relative_to(SOURCE))
        if path.name in ("__init__.py", "__main__.py") or _mirror(path).exists():
            continue
        if key := _elsewhere(name):
            used.add(key)
            assert (ROOT / "tests" / ELSEWHERE[key]).exists(), f"{ELSEWHERE[key]} is gone"
        else:
            missing.append(name)
    assert not missing, f"without a test: {missing}"
    assert used == set(ELSEWHERE), f"strike from ELSEWHERE: {set(ELSEWHERE) - used}"


def test_no_test_is_left_behind() -> None:
    sources = {_mirror(path) for path in SOURCE.rglob("*.py")}
    stale = [
        str(path.relative_to(UNIT))
        for path in UNIT.rglob("test_*.py")
        if path not in sources
        and not (SOURCE / path.relative_to(UNIT).parent / path.stem.removeprefix("test_")).is_dir()
    ]
    assert not stale, f"tests of nothing: {stale}"
