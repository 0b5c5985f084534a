"""What a container may do: capabilities and security options, from a host config's words to the spec's. Pure."""

from __future__ import annotations

from typing import NamedTuple

from carrack.engine import defaults, selinux
from carrack.errors import InvalidArgument, NotSupported
from carrack.linux import seccomp_profile
from carrack.linux.caps import CAPABILITIES
from carrack.model.container import Document


class Security(NamedTuple):
    """The parsed ``SecurityOpt``: whether seccomp filters, with which profile (JSON text, None for the default), the
    AppArmor profile (nothing where the kernel has none), and whether cgroups may be written from inside."""

    confined: bool
    profile: str | None
    no_new_privileges: bool
    apparmor: str = ""
    writable_cgroups: bool = False


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


UNCONFINED = "unconfined"
USUAL = Security(confined=True, profile=None, no_new_privileges=False)


def security(host: Document, usual: Security = USUAL) -> Security:
    """Read ``SecurityOpt``, which changes what is ``usual`` with this daemon.

    Raises InvalidArgument on unknown words, NotSupported on profiles where there can be none.
    """
    guard = usual
    if host["Privileged"]:
        unconfined = UNCONFINED if usual.apparmor else ""
        guard = usual._replace(confined=False, apparmor=unconfined, writable_cgroups=True)
    for option in host["SecurityOpt"] or []:
        if option == "no-new-privileges":
            guard = guard._replace(no_new_privileges=True)
        if option in ("no-new-privileges", selinux.DISABLE):
            continue
        key, separator, value = _split(option)
        if not separator:
            raise InvalidArgument(f'invalid --security-opt 1: "{option}"')
        guard = _changed(guard, key, value, option, usual)
    return guard


def _changed(guard: Security, key: str, value: str, option: str, usual: Security) -> Security:
    if key == "no-new-privileges":
        return guard._replace(no_new_privileges=_boolean(value, option))
    if key == "writable-cgroups":
        return guard._replace(writable_cgroups=_boolean(value, option))
    if key == "seccomp":
        confined, profile = _seccomp(value)
        return guard._replace(confined=confined, profile=profile)
    if key == "apparmor":
        return guard._replace(apparmor=_apparmor(value, usual))
    if key == "label":  # see carrack.engine.selinux
        return guard
    raise InvalidArgument(f'invalid --security-opt 2: "{option}"')


def _split(option: str) -> tuple[str, str, str]:
    if "=" in option:
        return option.partition("=")
    return option.partition(":")


def _boolean(value: str, option: str) -> bool:
    if value.lower() in ("true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise InvalidArgument(f'invalid --security-opt 2: "{option}"')


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


def _apparmor(value: str, usual: Security) -> str:
    """A profile is never taken and forgotten: without AppArmor only the words that ask for none pass."""
    if usual.apparmor:
        return value or usual.apparmor
    if value in (UNCONFINED, ""):
        return ""
    raise NotSupported(
        f"--security-opt apparmor={value}: this machine does not run AppArmor, or lacks its apparmor_parser; install "
        "the package apparmor, or leave the option out"
    )
