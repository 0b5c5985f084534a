"""Failures by meaning, so that each face (HTTP, command line) maps them to its own codes in one place.

Lower floors raise ``OSError`` with the path attached; services translate it into one of these. A message says what
failed, on what object and, where there is one, what to do next.
"""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)


def words(error: BaseException) -> str:
    """A failure's text for the user; of a full disk, which file system it is and what helps.

    >>> words(OSError(28, "No space left on device", "/srv/x"))
    '/srv/x: no space left on device: remove containers, images or volumes to make room'
    """
    if not isinstance(error, OSError) or error.errno not in FULL:
        return redacted(str(error))
    place = error.filename or (error.strerror or "").partition(": ")[2]
    what = "no space left on device" if error.errno == errno.ENOSPC else "disk quota exceeded"
    return f"{f'{place}: ' if place else ''}{what}: remove containers, images or volumes to make room"


def redacted(text: str) -> str:
    """A text without the passwords of the addresses in it, and without the names there that are tokens themselves.

    >>> redacted("https://me:secret@host/x and https://token@host/y and ssh://git@host/z")
    'https://me:xxxxx@host/x and https://xxxxx@host/y and ssh://git@host/z'
    """
    if "://" not in text or "@" not in text:
        return text
    import re  # few texts have such addresses, and the command line starts without it

    text = re.sub(r"(://[^\s/?#:@]*):[^\s/?#]*@(?!sha\d+:)", r"\1:xxxxx@", text)
    return re.sub(r"(?i)(https?://)[^\s/?#:@]+@", r"\1xxxxx@", text)


class CarrackError(Exception):
    """A failure that is meant for the user; its text is the whole message."""


class NotFound(CarrackError):
    """The named object does not exist."""


class InvalidArgument(CarrackError):
    """The request cannot be obeyed whatever the state: malformed or contradictory."""


class Conflict(CarrackError):
    """The request clashes with the present state of an object."""


class NotModified(CarrackError):
    """The object is already in the wanted state."""


class Unauthorized(CarrackError):
    """Credentials are missing or wrong."""


class Forbidden(CarrackError):
    """The caller, or the object, does not permit it."""


class Unavailable(CarrackError):
    """Something needed is not reachable just now; trying again may help."""


class NotSupported(CarrackError):
    """This engine, or this kernel, cannot do it."""


class Internal(CarrackError):
    """A defect or a broken host; nothing the caller sent is to blame."""
