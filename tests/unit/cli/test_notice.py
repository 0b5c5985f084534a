from __future__ import annotations

import pytest

from carrack.cli import notice


def test_lines_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    notice.show("one\ntwo\n")
    assert capsys.readouterr() == ("", "\n Info -> one\n         two\n         \n")
    notice.show_within("one")
    assert capsys.readouterr() == ("\n Info -> one\n", "")


def test_colours_where_there_is_a_terminal() -> None:
    first, second = notice.lay_out("one\ntwo", coloured=True).strip().split("\n")
    assert first.endswith("Info → \x1b[0m\x1b[0m\x1b[3mone\x1b[0m")
    assert second == "         \x1b[3mtwo\x1b[0m"
