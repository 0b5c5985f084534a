"""``--chown``: a user and a group by name or number, looked up in the files of the stage they are copied into."""

from __future__ import annotations

from carrack.errors import InvalidArgument, NotFound
from carrack.runtime.users import FILE_LIMIT, Accounts, identify
from carrack.storage.tarheader import REGULAR
from carrack.storage.trees.base import Tree, follow


def resolve(base: Tree, text: str) -> tuple[int, int]:
    """The uid and gid that ``user[:group]`` means. A number without a group is the group's number too.

    Raises InvalidArgument when a name is not in the stage's files.
    """
    user, colon, _ = text.partition(":")
    if not colon and user.isascii() and user.isdecimal():
        text = f"{user}:{user}"
    accounts = Accounts(_read(base, b"etc/passwd"), _read(base, b"etc/group"))
    try:
        found = identify(text, (), accounts)
    except NotFound as error:
        raise InvalidArgument(f"can't resolve --chown={text}: {error}") from None
    return found.uid, found.gid


def _read(base: Tree, path: bytes) -> str:
    entry = base.find(follow(base, path))
    if entry is None:
        return ""
    if entry.kind != REGULAR or entry.size > FILE_LIMIT:
        raise InvalidArgument(f"/{path.decode()} of the stage is no ordinary file of sensible size")
    return b"".join(bytes(piece) for piece in base.data(entry)).decode("utf-8", "surrogateescape")
