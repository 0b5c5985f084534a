"""What begins a heredoc."""

import pytest

from carrack.dockerfile.heredoc import Heredoc, opening, openings


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("<<E", Heredoc("E")),
        ("<<-E", Heredoc("E", chomp=True)),
        ("<<'E'", Heredoc("E", expand=False)),
        ('<<"a b"', Heredoc("a b", expand=False)),
        ("3<<E", Heredoc("E", descriptor=3)),
        ("<<", None),
        ("<<<E", None),
        ("a<<E", None),
        ("<<''", None),
        ("<<'E", None),
    ],
)
def test_opening(word: str, expected: Heredoc | None) -> None:
    assert opening(word) == expected


def test_all_of_a_line() -> None:
    assert [found.name for found in openings("cat <<A 'x <<no' <<B")] == ["A", "B"]
    assert openings("nothing") == []
    assert openings("an 'open <<quote") == []


def test_tabs_are_taken_off_where_the_opening_says_so() -> None:
    kept = Heredoc("E", content="\ta\n")
    assert kept.stripped() == kept
    assert Heredoc("E", chomp=True, content="\t\ta\tb\n\n c\n").stripped().content == "a\tb\n\n c\n"
