"""Templates of the command line: with ``json`` among their functions."""

from carrack.cli.render.functions import FUNCTIONS
from carrack.model.gotemplate import evaluate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Template(evaluate.Template):
    """A parsed format, see :class:`carrack.model.gotemplate.evaluate.Template`."""

    def __init__(self, text: str, kind: str = "", functions: "dict[str, Callable[..., Any]] | None" = None) -> None:
        super().__init__(text, kind, FUNCTIONS if functions is None else functions)
