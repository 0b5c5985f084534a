from __future__ import annotations

import pytest

from carrack.cli.render.table import display_width, layout, print_columns, print_rows, shortened

HEADINGS = {"ID": "ID", "Names": "NAMES", "Ports": "PORTS"}
ROWS = [{"ID": "1", "Names": "web", "Ports": "a-rather-long-text", "Label": lambda key: key.upper()}]


def test_columns_are_as_docker_lays_them_out() -> None:
    lines = layout([["ID", "NAMES", "LAST"], ["1", "a-longer-name", ""], ["2", "b", "x"]])
    assert lines == ["ID        NAMES           LAST", "1         a-longer-name   ", "2         b               x"]
    assert layout([["A", "B"], ["1", "2"]], least=20)[1] == "1" + " " * 19 + "2"
    assert layout([["NAME", "X"], ["船", "y"]])[1] == "船" + " " * 8 + "y"
    assert layout([["A", "B"], ["1"]]) == ["A         B", "1         "]
    assert layout([]) == []
    assert layout([[], []]) == ["", ""]


def test_a_narrow_terminal_shortens_what_is_not_a_name() -> None:
    lines = layout(
        [["NAMES", "PORTS", "STATUS"], ["a-very-long-name-indeed", "0.0.0.0:8080->80/tcp", "Up 3 minutes"]], 50
    )
    assert all(display_width(line) <= 50 for line in lines)
    assert lines[1].startswith("a-very-long-name-indeed")
    assert "…" in lines[1]
    unbroken = layout([["NAMES", "X"], ["n" * 90, "y"]], 40)
    assert unbroken[1].startswith("n" * 90), "a name is never cut"


@pytest.mark.parametrize("width", [0, 30, 34, 35, 80])
@pytest.mark.parametrize("last", ["b", "b\u2026", "\u8239", "e\u0301"])
def test_columns_and_rows_print_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, last: str
) -> None:
    monkeypatch.setattr("carrack.cli.render.table._terminal_width", lambda: width)
    lines = [["ID", "STATUS", "NAMES"], ["1", "Up 12 seconds and more", "a"], ["22", "Created", last]]
    print_columns([list(column) for column in zip(*lines, strict=True)])
    shown = capsys.readouterr().out
    assert shown == "\n".join(layout(lines, width)) + "\n"
    assert layout([*lines, ["\u8239", "", ""]], width)[:3] == layout(lines, width), "the long way gives the same"
    assert ("more" in shown) == (not width or width >= 36)


def test_wide_characters() -> None:
    assert display_width("船e\u0301") == 3
    assert shortened("船船船", 5) == "船船…"
    assert shortened("abc", 3) == "abc"


@pytest.mark.parametrize("form", ["", "table"])
def test_the_usual_table(capsys: pytest.CaptureFixture[str], form: str) -> None:
    print_rows(ROWS, HEADINGS, "ID Names", form, "*formatter.X")
    assert capsys.readouterr().out == "ID        NAMES\n1         web\n"
