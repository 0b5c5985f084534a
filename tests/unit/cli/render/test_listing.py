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


def test_raw_lines(capsys: pytest.CaptureFixture[str]) -> None:
    kind = "*formatter.imageContext"
    row = {"Repository": "r", "Tag": "", "Digest": "d", "ID": "1", "CreatedAt": "now", "Size": "2MB"}
    print_rows([row, row], {}, "Repository Tag ID", "raw", kind)
    lines = ["repository: r", "tag:", "image_id: 1", "created_at: now", "virtual_size: 2MB", ""]
    assert capsys.readouterr().out.splitlines() == lines * 2
    print_rows([row], {}, "Repository Tag Digest", "raw", kind)
    assert "digest: d" in capsys.readouterr().out.splitlines()
    print_rows([row], {}, "Repository", "raw", kind, quiet=True)
    assert capsys.readouterr().out == "image_id: 1\n"
    print_rows([{"Name": "v", "Driver": "local"}], {}, "Name", "raw", "*formatter.volumeContext", quiet=True)
    assert capsys.readouterr().out == "name: v\n"


def test_a_listing_without_raw_lines_takes_the_word_for_a_template(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, HEADINGS, "ID", "raw", "*image.historyContext")
    assert capsys.readouterr().out == "raw\n"
