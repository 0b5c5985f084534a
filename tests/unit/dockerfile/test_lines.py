"""Statements: continued lines, comments, heredocs."""

import pytest

from carrack.dockerfile import lines
from carrack.dockerfile.problem import DockerfileError, Place


def texts(source: str, escape: str = "\\") -> list[str]:
    return [statement.text for statement in lines.parse(source, escape).statements]


def test_continued_lines_without_comments_and_empty_ones() -> None:
    parsed = lines.parse("RUN a \\\n  # no\n\n  b \\  \n c\nCMD x\n")
    assert [s.text for s in parsed.statements] == ["RUN a   b  c", "CMD x"]
    assert parsed.statements[0].place == Place(1, 5)
    assert parsed.empty_continuations == (3,)


def test_another_escape() -> None:
    assert texts("RUN dir C:\\\nRUN a `\n b\n", "`") == ["RUN dir C:\\", "RUN a  b"]


def test_an_escaped_escape_does_not_continue() -> None:
    assert texts("RUN a \\\\\nRUN b") == ["RUN a \\\\", "RUN b"]


def test_carriage_returns_and_a_mark_of_order_are_no_text() -> None:
    assert texts("\ufeffFROM a\r\nRUN b \\\r\n c\r\n") == ["FROM a", "RUN b  c"]


def test_a_first_line_for_the_kernel() -> None:
    assert texts("#!/usr/bin/env build\nFROM a") == ["FROM a"]


def test_heredocs() -> None:
    (statement,) = lines.parse("COPY <<A <<-'B' /x\n1\nA\n\t2\n\tB\n").statements
    assert [(d.name, d.content, d.expand, d.chomp) for d in statement.heredocs] == [
        ("A", "1\n", True, False),
        ("B", "\t2\n", False, True),
    ]
    assert statement.place == Place(1, 5)


def test_heredocs_of_a_trigger() -> None:
    (statement,) = lines.parse("ONBUILD RUN <<E\nhi\nE").statements
    assert statement.heredocs[0].content == "hi\n"


def test_only_some_have_heredocs() -> None:
    assert texts("LABEL a=<<E") == ["LABEL a=<<E"]


def test_comments_above() -> None:
    first, second = lines.parse("# one\n# two\nFROM a\n# three\n\nRUN b").statements
    assert first.comments == ("one", "two")
    assert second.comments == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no instructions"),
        ("# only\n", "no instructions"),
        ("RUN <<E\nx", "unterminated heredoc"),
        ("RUN " + "x" * 70_000, "maximum allowed size"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(DockerfileError, match=said):
        lines.parse(text)


def test_column_of_what_follows_the_keyword() -> None:
    assert lines.parse("  RUN   x").statements[0].column == 9
