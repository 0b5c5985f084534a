"""Who somebody is to a registry: a user with a password, or a token in their place; and how the daemon is told of it.

Nothing here is ever part of a command line or of a text for people: secrets do not show in ``repr``.
"""

from binascii import Error, a2b_base64, b2a_base64

from carrack.client import document
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from carrack.client.document import Document

HUB = "https://index.docker.io/v1/"
"""The name under which Docker Hub's account is kept."""
_HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
TOKEN_USER = "<token>"
"""What credential helpers call the user whose secret is an identity token."""


class Account:
    """An account at ``server``; empty in all the rest where nobody has logged in."""

    __slots__ = ("identity_token", "password", "registry_token", "server", "username")

    def __init__(
        self, server: str, username: str = "", password: str = "", identity_token: str = "", registry_token: str = ""
    ) -> None:
        self.server = server
        self.username = username
        self.password = password
        self.identity_token = identity_token
        self.registry_token = registry_token

    def __repr__(self) -> str:
        return f"Account({self.server!r}, {self.username!r})"

    def __bool__(self) -> bool:
        return bool(self.username or self.password or self.identity_token or self.registry_token)

    def document(self) -> "Document":
        """The API's AuthConfig, without empty members."""
        members = {
            "username": self.username,
            "password": self.password,
            "serveraddress": self.server,
            "identitytoken": self.identity_token,
            "registrytoken": self.registry_token,
        }
        return {name: value for name, value in members.items() if value}

    def header(self) -> str:
        """The value of ``X-Registry-Auth``: the AuthConfig."""
        return packed(self.document())

    def entry(self) -> "Document":
        """What a configuration file keeps below ``auths``."""
        kept: Document = {}
        if self.username or self.password:
            kept["auth"] = b2a_base64(f"{self.username}:{self.password}".encode(), newline=False).decode()
        if self.identity_token:
            kept["identitytoken"] = self.identity_token
        if self.registry_token:
            kept["registrytoken"] = self.registry_token
        return kept


def packed(value: "Document") -> str:
    """A document as a header has it: in base64 for URLs (RFC 4648, section 5)."""
    data = b2a_base64(document.dumps(value).encode(), newline=False)
    return data.translate(bytes.maketrans(b"+/", b"-_")).decode()


def of_entry(server: str, entry: "Any") -> Account:
    """The account of an entry of ``auths``; :class:`InvalidArgument`, which tells no secret, for what is none."""
    if not isinstance(entry, dict):
        raise InvalidArgument(f"the entry of {server} is no object")
    texts = {
        name: _text(server, entry, name) for name in ("username", "password", "auth", "identitytoken", "registrytoken")
    }
    username, password = texts["username"], texts["password"]
    if texts["auth"]:
        try:
            decoded = a2b_base64(texts["auth"].encode(), strict_mode=True).decode()
        except (Error, UnicodeError):
            raise InvalidArgument(f'"auth" of {server} is not in base64') from None
        username, colon, password = decoded.partition(":")
        if not colon:
            raise InvalidArgument(f'"auth" of {server} is no user:password')
        password = password.strip("\0")
    return Account(server, username, password, texts["identitytoken"], texts["registrytoken"])


def place_of(key: str) -> str:
    """The registry, or the part of one, that a key of a configuration file stands for: ``host`` or ``host/path``.

    What is written as a URL means the whole host, as do the old addresses ``host/v1/`` and ``host/v2/``. All names of
    Docker Hub are ``docker.io``.
    """
    rest = key.partition("://")[2] if "://" in key else key
    host, _, path = rest.strip("/").partition("/")
    if "://" in key or path in ("v1", "v2"):
        path = ""
    host = "docker.io" if host in _HUB_HOSTS else host
    return f"{host}/{path}" if path else host


def key_of(place: str) -> str:
    """The key under which an account for ``place`` is kept, the inverse of :func:`place_of`."""
    return HUB if place == "docker.io" else place


def places(name: str) -> list[str]:
    """Where an account for a repository may be kept, the nearest first: ``r/a/b`` is ``r/a/b``, ``r/a``, ``r``."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _text(server: str, entry: "Mapping[str, Any]", name: str) -> str:
    value = entry.get(name) or ""
    if not isinstance(value, str):
        raise InvalidArgument(f'"{name}" of {server} is no text')
    return value
