"""What a container may do: capabilities and security options, from a host config's words to the spec's. Pure."""

from __future__ import annotations

from typing import NamedTuple

from carrack.engine import defaults
from carrack.errors import InvalidArgument, NotSupported
from carrack.linux import seccomp_profile
from carrack.linux.caps import CAPABILITIES
from carrack.model.container import Document


class Security(NamedTuple):
    """The parsed ``SecurityOpt``: whether seccomp filters, with which profile (JSON text, None for the default)."""

    confined: bool
    profile: str | None
    no_new_privileges: bool


def capabilities(host: Document, last: int) -> list[str]:
    """The capability names a container holds; ``last`` is the highest number this kernel knows."""
    everything = [name for name, number in CAPABILITIES.items() if number <= last]
    if host["Privileged"]:
        return everything
    add = {_name(word, "CapAdd") for word in host["CapAdd"] or []}
    drop = {_name(word, "CapDrop") for word in host["CapDrop"] or []}
    if "ALL" in add:
        return [name for name in everything if name not in drop]
    start = set() if "ALL" in drop else set(defaults.CAPABILITIES)
    wanted = (start - drop) | (add - {"ALL"})
    return [name for name in everything if name in wanted]


def _name(word: str, field: str) -> str:
    name = word.upper()
    if name == "ALL":
        return name
    if not name.startswith("CAP_"):
        name = "CAP_" + name
    if name not in CAPABILITIES:
        raise InvalidArgument(f'invalid {field}: unknown capability: "{name}"')
    return name


USUAL = Security(confined=True, profile=None, no_new_privileges=False)


def security(host: Document, usual: Security = USUAL) -> Security:
    """Read ``SecurityOpt``, which changes what is ``usual`` with this daemon.

    Raises InvalidArgument on unknown words, NotSupported on labels this kernel lacks.
    """
    confined, profile = usual.confined and not host["Privileged"], usual.profile
    no_new_privileges = usual.no_new_privileges
    for option in host["SecurityOpt"] or []:
        if option == "no-new-privileges":
            no_new_privileges = True
            continue
        key, separator, value = _split(option)
        if not separator:
            raise InvalidArgument(f'invalid --security-opt 1: "{option}"')
        if key == "no-new-privileges":
            no_new_privileges = _boolean(value)
        elif key == "seccomp":
            confined, profile = _seccomp(value)
        elif key in ("apparmor", "label"):
            _label(key, value)
        else:
            raise InvalidArgument(f'invalid --security-opt 2: "{option}"')
    return Security(confined, profile, no_new_privileges)


def _split(option: str) -> tuple[str, str, str]:
    if "=" in option:
        return option.partition("=")
    return option.partition(":")


def _boolean(value: str) -> bool:
    if value.lower() in ("true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise InvalidArgument(f'invalid --security-opt 2: "no-new-privileges={value}"')


def _seccomp(value: str) -> tuple[bool, str | None]:
    if value == "unconfined":
        return False, None
    if value == "builtin":
        return True, None
    try:
        seccomp_profile.parse(value)
    except InvalidArgument as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from error
    return True, value


def _label(key: str, value: str) -> None:
    """Only the words that ask for no label pass: profiles and contexts are not applied by this engine yet."""
    if value in ("unconfined", "disable", ""):
        return
    raise NotSupported(f"--security-opt {key}={value} is not supported by this version of Carrack")
