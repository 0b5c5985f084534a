"""Errors with their places."""

from carrack.dockerfile.problem import DockerfileError, Place, excerpt


def test_text_is_as_dockers() -> None:
    assert str(DockerfileError("unknown instruction: FOO", Place(3, 3))) == (
        "dockerfile parse error on line 3: unknown instruction: FOO"
    )


def test_excerpt() -> None:
    shown = excerpt("FROM a\nRUN b \\\n  c\nCMD d", Place(2, 3, 5), context=1)
    assert shown.splitlines() == [
        "Dockerfile:2:5",
        "   1 |     FROM a",
        "   2 | >>> RUN b \\",
        "     |         ^",
        "   3 | >>>   c",
        "   4 |     CMD d",
    ]
