"""Rows as JSON or by a template; apart from the usual table, which need not wait for the template language."""

from carrack.cli.command import write
from carrack.cli.render.evaluate import Template
from carrack.cli.render.functions import HEADING_FUNCTIONS, Row
from carrack.cli.render.table import write_columns
from carrack.model.gotemplate.template import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


_PARSING = (
    "*formatter.imageContext", "*network.networkContext", "*formatter.diskUsageImagesContext",
    "*container.statsContext", "*image.historyContext", "*registry.searchContext",
)  # fmt: skip


def print_formatted(rows: "Iterable[dict[str, Any]]", headings: dict[str, str], form: str, kind: str) -> None:
    """Print rows as ``json``, as ``table TEMPLATE`` with headings, or each by a template."""
    if form == "json":
        for row in rows:
            write(Row(row).json())
        return
    form = form.replace("\\t", "\t").replace("\\n", "\n")
    if not form.startswith("table"):
        template = _parsed(form, kind)
        for row in rows:
            write(_rendered(template, row, kind))
        return
    form = form.removeprefix("table").strip(" ")
    template = _parsed(form, kind)
    titles = {**headings, "Label": lambda key: key}
    lines = [Template(form, kind, HEADING_FUNCTIONS).render(titles).split("\t")]
    lines += [_rendered(template, row, kind).split("\t") for row in rows]
    write_columns(lines)


def _parsed(form: str, kind: str) -> Template:
    try:
        return Template(form, kind)
    except TemplateError as error:
        raise TemplateError(f"failed to parse template: {error}") from None


def _rendered(template: Template, row: "dict[str, Any]", kind: str) -> str:
    try:
        return template.render(Row(row))
    except TemplateError as error:
        # docker's commands word it in two ways, by who wrote them
        told = "template parsing" if " in type " in str(error) and kind in _PARSING else "failed to execute"
        raise TemplateError(f"{told} {'error' if told[0] == 't' else 'template'}: {error}") from None
