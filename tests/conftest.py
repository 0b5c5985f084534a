"""Options of the whole suite, and the look for what it left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.leaks import left_behind, snapshot


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is generated now to tests/golden")
    parser.addoption("--leaks", action="store_true", help="fail when this run leaves anything on the machine")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Being the first fixture of all it ends last; what is left is an error of the run, and named."""
    if not request.config.getoption("--leaks"):
        yield
        return
    marks = [str(tmp_path_factory.getbasetemp())]
    before = snapshot(marks)
    yield
    left = left_behind(before, lambda: snapshot(marks))
    if left:
        lines = "\n".join(f"  {kind}: {what}" for kind, what in left)
        pytest.fail(f"the tests left behind:\n{lines}", pytrace=False)
