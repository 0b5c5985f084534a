"""``build --secret``: what a build's programs may read and nobody keeps, out of files and variables of the user's."""

import binascii
import os

from carrack.cli.exit import Exit
from carrack.client import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEADER = "X-Carrack-Build-Secrets"
_MOST = 40_000  # bytes: a request's head has to hold them


def header(words: "Iterable[str]", environment: "Mapping[str, str]") -> "list[tuple[str, str]]":
    """The header that brings them. Each word is ``id=NAME`` with ``src=FILE`` or ``env=VARIABLE``; without either it is
    the variable of that name, else the file. :class:`Exit` for others."""
    found = dict(_read(word, environment) for word in words)
    if not found:
        return []
    text = binascii.b2a_base64(document.dumps(found).encode(), newline=False).decode()
    if len(text) > _MOST:
        raise Exit(1, f"--secret: all together are larger than {_MOST * 9 // 16} bytes: use carrack buildx build")
    return [(HEADER, text)]


def _read(word: str, environment: "Mapping[str, str]") -> "tuple[str, str]":
    given = dict(part.partition("=")[::2] for part in word.split(","))
    name, path = given.pop("id", ""), given.pop("src", given.pop("source", ""))
    kind, variable = given.pop("type", ""), given.pop("env", "")
    if given or kind not in ("", "file", "env"):
        raise Exit(
            1, f"--secret {word}: {', '.join(given) or kind} is not known: id, src, env and type (file, env) are"
        )
    if kind == "env" and not variable:
        variable, path = path, ""
    variable = variable or ("" if path or kind == "file" or name not in environment else name)
    if not name or "=" not in word:
        raise Exit(1, f"--secret {word}: say id=NAME,src=FILE or id=NAME,env=VARIABLE")
    if variable:
        if variable not in environment:
            raise Exit(1, f"--secret {word}: there is no variable {variable}")
        data = environment[variable].encode("utf-8", "surrogateescape")
    else:
        try:
            with open(os.path.expanduser(path or name), "rb") as file:
                data = file.read(_MOST + 1)
        except OSError as error:
            raise Exit(1, f"--secret {word}: {path or name}: {error.strerror}") from None
    return name, binascii.b2a_base64(data, newline=False).decode()
