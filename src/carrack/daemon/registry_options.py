"""The daemon's options about registries, checked and made into one value; `registries.toml` is read here."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from carrack.daemon import values
from carrack.errors import InvalidArgument
from carrack.registry.settings import LOOPBACK, RegistrySettings, parse_offline, parse_rules

DEFAULT_FILE = "/etc/carrack/registries.toml"
DEFAULT_CERTS = "/etc/docker/certs.d"
_FILE_LIMIT = 1024 * 1024
PROXIES = ("http-proxy", "https-proxy", "no-proxy")
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"


def registry_options(settings: Mapping[str, Any], environment: Mapping[str, str]) -> RegistrySettings:
    """The options as one value. A proxy that no option names is the environment's. Raises InvalidArgument."""
    text = _read(settings.get("registries-file"))
    try:
        rules, offline = parse_rules(text), parse_offline(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"registries-file: {settings.get('registries-file') or DEFAULT_FILE}: {error}") from None
    return RegistrySettings(
        mirrors=tuple(_mirror(text) for text in settings.get("registry-mirrors", [])),
        insecure=tuple(_insecure(text) for text in settings.get("insecure-registries", [])),
        certs_dir=values.path(settings, "certs-dir", DEFAULT_CERTS),
        rules=rules,
        proxies=_proxies(settings, environment),
        offline=offline,
        attempts=values.within(settings, "max-download-attempts", 5, 1, 1000),
    )


def taken(current: RegistrySettings, fresh: RegistrySettings) -> RegistrySettings:
    """`current` with what SIGHUP changes of `fresh`: all but the proxies and the certificates' directory."""
    names = ("mirrors", "insecure", "rules", "offline")
    return dataclasses.replace(current, **{name: getattr(fresh, name) for name in names})


def document(settings: RegistrySettings) -> dict[str, Any]:
    """`RegistryConfig` of the API's `info`."""
    named = [text for text in settings.insecure if "/" not in text]
    networks = [text for text in settings.insecure if "/" in text]
    indexes = {name: {"Mirrors": [], "Name": name, "Official": False, "Secure": False} for name in named}
    indexes["docker.io"] = {
        "Mirrors": list(settings.mirrors),
        "Name": "docker.io",
        "Official": True,
        "Secure": "docker.io" not in named,
    }
    return {
        "IndexConfigs": dict(sorted(indexes.items())),
        "InsecureRegistryCIDRs": [*networks, *reversed(LOOPBACK)],
        "Mirrors": list(settings.mirrors) or None,
    }


def _read(path: str | None) -> str:
    name = path or DEFAULT_FILE
    try:
        with open(name, "rb") as file:
            return file.read(_FILE_LIMIT + 1).decode()
    except FileNotFoundError:
        if not path:
            return ""
        raise InvalidArgument(f"registries-file: {name}: no such file") from None
    except UnicodeDecodeError:
        raise InvalidArgument(f"registries-file: {name}: not UTF-8") from None
    except OSError as error:
        raise InvalidArgument(f"registries-file: {name}: {error.strerror}") from None


def _mirror(text: str) -> str:
    """A mirror's URL with one slash at its end, as `info` shows it."""
    from urllib.parse import urlsplit  # few daemons have mirrors, and what is imported here is waited for by all

    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidArgument(f"invalid mirror: {text!r} is not a valid URI") from None
    if parts.username is not None or parts.password is not None:
        raise InvalidArgument(f"invalid mirror: username/password not allowed in URI {_masked(text)!r}")
    if parts.scheme not in ("http", "https"):
        raise InvalidArgument(f"invalid mirror: unsupported scheme {parts.scheme!r} in {text!r}: use http or https")
    if parts.query or parts.fragment:
        raise InvalidArgument(f"invalid mirror: unsupported query or fragment at end of the URI {text!r}")
    if parts.path.strip("/"):
        raise InvalidArgument(
            f"invalid mirror: unsupported path in {text!r}: a mirror below a path goes into {DEFAULT_FILE}"
        )
    if not re.fullmatch(_HOST, parts.netloc) or port == 0:
        raise InvalidArgument(f"invalid mirror: {text!r} is not a valid URI")
    return f"{parts.scheme}://{parts.netloc}/"


def _insecure(text: str) -> str:
    """host[:port] or a network; a scheme before it is dropped, as dockerd does."""
    host = text.removeprefix("http://").removeprefix("https://").rstrip("/") if "://" in text else text
    if "/" in host:
        try:
            return str(ipaddress.ip_network(host, strict=False))
        except ValueError:
            raise InvalidArgument(f"insecure registry {text} is not valid: neither HOST[:PORT] nor a network") from None
    if (
        not re.fullmatch(_HOST, host)
        or int(host.rpartition(":")[2] if host[-1:].isdigit() and ":" in host else 1) > 65535
    ):
        raise InvalidArgument(f'insecure registry {text} is not valid: invalid host "{host}"')
    return host


def shown_proxies(settings: RegistrySettings) -> dict[str, str]:
    """The proxies as `info` tells them: without names and passwords."""
    return {name: _masked(value) for name, value in settings.proxies.items()}


def _masked(url: str) -> str:
    from carrack.registry import proxies

    return proxies.masked(url)


def _proxies(settings: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key in PROXIES:
        name = key.replace("-", "_")
        value = settings.get(key) or environment.get(name.upper()) or environment.get(name) or ""
        if value:
            found[name] = value
    if found:
        from carrack.registry import proxies

        for name in set(found) - {"no_proxy"}:
            proxies.parse(found[name], name.replace("_", "-"))
    return found
