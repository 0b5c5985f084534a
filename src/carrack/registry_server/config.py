"""What the registry is told: a TOML file, over which the flags of the command line go.

    root = "/var/lib/carrack-registry"
    listen = ["127.0.0.1:5000"]            or "unix:///run/registry.sock"
    url = "https://registry.example"       where clients reach it, if a front stands before it
    read-only = false
    clients = 1024                         at a time
    log-level = "info"

    [tls]
    certificate = "cert.pem"
    key = "key.pem"

    [auth]
    htpasswd = "/etc/carrack/htpasswd"
    tokens = true                          else a password with each request

    [gc]
    every = "1h"                           "0" for never by itself
    grace = "1h"

    [proxy]
    remote = "https://registry-1.docker.io"
    username = "…"
    password-file = "…"
    fresh = "5m"                           how long a tag is not asked for again

Beside these any number of `[[access]]` (see `rights`) and `[[retention]]` (see `retention`). A name that means nothing
is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from carrack.errors import InvalidArgument
from carrack.model.units import NANOSECONDS, parse_duration
from carrack.registry_server.collector import GRACE
from carrack.registry_server.retention import Retention
from carrack.registry_server.rights import ACTIONS, Rule
from carrack.registry_server.server import MOST

ROOT = "/var/lib/carrack-registry"
LISTEN = "127.0.0.1:5000"
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The registry that this one stands before. `fresh` in seconds."""

    remote: str
    username: str = ""
    password_file: str = ""
    fresh: float = 300.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. Ages in seconds."""

    root: Path = Path(ROOT)
    listen: tuple[str, ...] = (LISTEN,)
    url: str = ""
    read_only: bool = False
    clients: int = MOST
    log_level: str = "info"
    certificate: str = ""
    key: str = ""
    htpasswd: str = ""
    tokens: bool = False
    access: tuple[Rule, ...] | None = None
    retention: tuple[Retention, ...] = ()
    every: float = 3600.0
    grace: float = GRACE
    proxy: Proxy | None = None

    def checked(self) -> Settings:
        """The same; InvalidArgument when parts contradict each other."""
        if bool(self.certificate) != bool(self.key):
            raise InvalidArgument("TLS needs both a certificate and its key")
        if self.tokens and not self.htpasswd:
            raise InvalidArgument("tokens are given for passwords: name a htpasswd file, too")
        if self.log_level not in LEVELS:
            raise InvalidArgument(f"log-level is to be one of {', '.join(LEVELS)}, not {self.log_level!r}")
        if not self.listen:
            raise InvalidArgument("there is no address to listen on")
        return self


def parse(text: str, what: str) -> Settings:
    """Settings out of a file's text; InvalidArgument names the file and what is wrong in it."""
    try:
        document = tomllib.loads(text)
        return _settings(document)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{what}: {error}") from error
    except InvalidArgument as error:
        raise InvalidArgument(f"{what}: {error}") from error


def _settings(document: Mapping[str, Any]) -> Settings:
    tables = ("tls", "auth", "gc", "proxy", "access", "retention")
    found = _table(
        {key: value for key, value in document.items() if key not in tables},
        {"root": _path, "listen": _texts, "url": _text, "read-only": _flag, "clients": _number, "log-level": _text},
        "",
    )
    found |= _table(document.get("tls", {}), {"certificate": _text, "key": _text}, "tls.")
    found |= _table(document.get("auth", {}), {"htpasswd": _text, "tokens": _flag}, "auth.")
    found |= _table(document.get("gc", {}), {"every": _age, "grace": _age}, "gc.")
    settings = replace(Settings(), **found)
    if "proxy" in document:
        kinds = {"remote": _text, "username": _text, "password-file": _text, "fresh": _age}
        proxy = _table(document["proxy"], kinds, "proxy.")
        if not proxy.get("remote"):
            raise InvalidArgument("proxy.remote is missing: the URL of the registry to stand before")
        settings = replace(settings, proxy=Proxy(**proxy))
    if "access" in document:
        settings = replace(settings, access=tuple(_rule(each) for each in _list(document["access"], "access")))
    rules = tuple(_retention(each) for each in _list(document.get("retention", []), "retention"))
    return replace(settings, retention=rules)


def _rule(value: object) -> Rule:
    kinds = {"users": _texts, "repositories": _texts, "actions": _texts}
    found = _table(value, kinds, "access.")
    if found.keys() != kinds.keys():
        raise InvalidArgument("each [[access]] needs users, repositories and actions")
    wrong = set(found["actions"]) - {*ACTIONS, "*"}
    if wrong:
        raise InvalidArgument(f"access.actions may be {', '.join(ACTIONS)} or *, not {', '.join(sorted(wrong))}")
    actions = frozenset(ACTIONS if "*" in found["actions"] else found["actions"])
    return Rule(frozenset(found["users"]), found["repositories"], actions)


def _retention(value: object) -> Retention:
    ages = ("tags-after", "unpulled-after", "untagged-after")
    kinds: dict[str, Callable[[object], Any]] = {
        "repositories": _texts, "keep-tags": _texts, "keep-last": _number, **dict.fromkeys(ages, _age),
    }  # fmt: skip
    found = _table(value, kinds, "retention.")
    if not found.get("repositories"):
        raise InvalidArgument('each [[retention]] needs repositories, for example ["ci/**"]')
    return Retention(**found)


def _table(value: object, kinds: Mapping[str, Callable[[object], Any]], place: str) -> dict[str, Any]:
    """The members of a table by their names in Python; InvalidArgument for one that is not in `kinds`."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"[{place.rstrip('.')}] is to be a table")
    found = {}
    for key, member in value.items():
        if key not in kinds:
            raise InvalidArgument(f"{place}{key} means nothing here")
        try:
            found[key.replace("-", "_")] = kinds[key](member)
        except InvalidArgument as error:
            raise InvalidArgument(f"{place}{key}: {error}") from error
    return found


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise InvalidArgument(f"write [[{what}]], with two brackets")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidArgument("expected a text in quotes")
    return value


def _path(value: object) -> Path:
    return Path(_text(value))


def _texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise InvalidArgument("expected a list of texts")
    return tuple(values)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgument("expected true or false")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgument("expected a whole number")
    return value


def _age(value: object) -> float:
    """Seconds: "90s", "12h", and "30d", which Go's durations have not; "0" for none."""
    text = _text(value)
    days, d, rest = text.partition("d")
    if d and days.isascii() and days.isdigit():
        return int(days) * 86400.0 + (_age(rest) if rest else 0.0)
    seconds = parse_duration(text) / NANOSECONDS
    if seconds < 0:
        raise InvalidArgument("expected an age, as 30d, 12h or 90s")
    return seconds
