from __future__ import annotations

import pytest

from carrack.cli.render.listing import print_formatted
from carrack.cli.render.table import print_rows
from carrack.model.gotemplate.template import TemplateError

HEADINGS = {"ID": "ID", "Names": "NAMES", "Ports": "PORTS"}
ROWS = [{"ID": "1", "Names": "web", "Ports": "a-rather-long-text", "Label": lambda key: key.upper()}]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("json", '{"ID":"1","Names":"web","Ports":"a-rather-long-text"}\n'),
        ("{{.Names}}\\t{{.ID}}", "web\t1\n"),
        ("table {{upper .Names}}\\t{{.ID}}", "NAMES     ID\nWEB       1\n"),
        ('table {{.Label "x"}}', "x\nX\n"),
    ],
)
def test_forms(capsys: pytest.CaptureFixture[str], form: str, expected: str) -> None:
    print_rows(ROWS, HEADINGS, "ID Names", form, "*formatter.X")
    assert capsys.readouterr().out == expected


def test_a_malformed_template() -> None:
    with pytest.raises(TemplateError, match="failed to parse template: template: :1: unclosed action"):
        print_formatted(ROWS, HEADINGS, "{{.Foo", "*formatter.X")


def test_an_unknown_field() -> None:
    with pytest.raises(TemplateError, match=r"failed to execute template: .*type \*formatter\.X"):
        print_formatted(ROWS, HEADINGS, "{{.Foo}}", "*formatter.X")
