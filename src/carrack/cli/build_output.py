"""``build --output``: the files of what was built, into a folder or a tar, instead of an image."""

import os
from binascii import a2b_base64

from carrack.cli.exit import Exit
from carrack.cli.render.progress import show_messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from carrack.client.document import Document

_OUTPUT = "carrack.build.output"


def parse(word: str) -> tuple[str, str]:
    """The type (local or tar) and the destination of ``type=T,dest=D``; a path alone is a folder, ``-`` a tar on
    standard output. :class:`Exit` for others."""
    if "=" not in word:
        return ("tar", "-") if word == "-" else ("local", word)
    values = dict(part.partition("=")[::2] for part in word.split(","))
    kind, dest = values.pop("type", ""), values.pop("dest", "")
    if kind not in ("local", "tar"):
        raise Exit(1, f"output type {kind!r} is not supported: use local or tar, or build with docker buildx")
    if values:
        raise Exit(1, f"{', '.join(values)} of output type {kind} is not supported")
    if not dest and kind == "tar":
        dest = "-"
    if not dest or (kind == "local" and dest == "-"):
        raise Exit(1, f"output type {kind} needs a folder: {kind},dest=PATH")
    return kind, dest


def take(messages: "Iterable[Document]", kind: str, dest: str) -> None:
    """Show a build's messages, then put its files where they are wanted. :class:`Exit` when it fails."""
    from carrack.cli.archive_file import to_file
    from carrack.cli.files import unpack
    from carrack.cli.streams import write_all

    if dest == "-" and os.isatty(1):
        raise Exit(1, "cowardly refusing to write a tar to a terminal: use dest=FILE or redirect")
    came = _Came(messages)
    show_messages(came.said(), fd=2 if dest == "-" else 1)
    if kind == "local":
        os.makedirs(dest, exist_ok=True)
        unpack(came.chunks(), dest, lambda name: name)
    elif dest == "-":
        for chunk in came.chunks():
            write_all(1, chunk)
    else:
        to_file(dest, came.chunks())


class _Came:
    """What comes from the daemon: messages, then those with the files."""

    def __init__(self, messages: "Iterable[Document]") -> None:
        self._messages = iter(messages)
        self._first: Document | None = None

    def said(self) -> "Iterator[Document]":
        for message in self._messages:
            if message.get("id") == _OUTPUT:
                self._first = message
                return
            yield message

    def chunks(self) -> "Iterator[bytes]":
        message = self._first
        while message is not None:
            if message.get("id") != _OUTPUT:
                raise Exit(1, str(message.get("error") or "the daemon's answer was cut short"))
            yield a2b_base64(message["aux"]["Data"])
            message = next(self._messages, None)
