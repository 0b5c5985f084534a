"""The functions that formats may call: those of all templates, ``json``, and what they do in a heading."""

from carrack.client import document
from carrack.model.gotemplate import functions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Row(dict[str, "Any"]):
    """One entry of a listing: as JSON its fields come sorted, its methods not at all, and HTML's characters escaped.

    One that holds lists of others keeps its own order.
    """

    def json(self) -> str:
        text = document.dumps(self.plain())
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def plain(self) -> "dict[str, Any]":
        fields = {key: _plain(value) for key, value in self.items() if not callable(value)}
        return fields if any(isinstance(value, list) for value in fields.values()) else dict(sorted(fields.items()))


class Worded(str):
    """A cell whose word in JSON, ``told``, is another than on the screen."""

    told: str

    def __new__(cls, shown: str, told: str) -> "Worded":
        made = super().__new__(cls, shown)
        made.told = told
        return made


def _json(value: "Any") -> str:
    return value.json() if isinstance(value, Row) else document.dumps(_plain(value))


def _plain(value: "Any") -> "Any":
    """Rows as the documents that they are shown as."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Worded):
        return value.told
    return value.plain() if isinstance(value, Row) else value


FUNCTIONS: "dict[str, Callable[..., Any]]" = {"json": _json, **functions.FUNCTIONS}
# in the heading of a table a function leaves the heading as it is
HEADING_FUNCTIONS: "dict[str, Callable[..., Any]]" = {
    **FUNCTIONS,
    **dict.fromkeys(
        ("json", "join", "split", "title", "lower", "upper", "truncate", "slice", "index"), lambda value, *_: value
    ),
    "pad": functions.FUNCTIONS["pad"],
}
