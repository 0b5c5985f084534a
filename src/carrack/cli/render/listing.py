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


#: the form ``raw`` of the listings that have one: field after label, the identity first
RAW = {
    "*formatter.ContainerContext": (
        "container_id ID image Image command Command created_at CreatedAt state State status Status names Names "
        "labels Labels ports Ports size Size"
    ),
    "*formatter.imageContext": (
        "repository Repository tag Tag digest Digest image_id ID created_at CreatedAt virtual_size Size"
    ),
    "*network.networkContext": "network_id ID name Name driver Driver scope Scope",
    "*formatter.volumeContext": "name Name driver Driver",
    "*formatter.diskUsageImagesContext": ("type Type total TotalCount active Active size Size reclaimable Reclaimable"),
}
_ASKED_FOR = {"*formatter.ContainerContext": "Size", "*formatter.imageContext": "Digest"}


def print_raw(rows: "Iterable[dict[str, Any]]", kind: str, default: "list[str]", *, quiet: bool = False) -> None:
    """Print the fields of rows on a line each, and a blank line after a row; ``quiet``: its identity alone.

    Some fields are there only when the usual table (``default``) would have them.
    """
    words = RAW[kind].split()
    fields = [(label, name) for label, name in zip(words[::2], words[1::2], strict=True)]
    fields = [(label, name) for label, name in fields if name != _ASKED_FOR.get(kind) or name in default]
    if quiet:
        fields = [field for field in fields if field[1] == "ID"] or fields[:1]
    for row in rows:
        for label, name in fields:
            write(f"{label}: {row[name]}".rstrip())
        if not quiet:
            write("")


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
