"""Progress messages as Docker's clients read them."""

import pytest

from carrack.engine.images import progress


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (2_222_080, "2.222MB"), (5e12, "5TB")]
)
def test_sizes(size: float, text: str) -> None:
    assert progress.size_text(size) == text


def test_layer() -> None:
    message = progress.layer("Loading layer", "abc", 50, 100)
    assert message["progressDetail"] == {"current": 50, "total": 100}
    assert message["progress"].startswith("[" + "=" * 25 + ">" + " " * 25 + "]")
    assert progress.layer("x", "y", 100, 100)["progress"].startswith("[" + "=" * 50 + ">]")
    assert progress.layer("x", "y", 7, 0)["progress"] == "7B"


def test_lines() -> None:
    assert progress.line("a") == progress.line("a\n") == {"stream": "a\n"}
    assert progress.failure(ValueError("bad")) == {"errorDetail": {"message": "bad"}, "error": "bad"}
