"""Seccomp profiles in Docker's form, and the default one: which calls a container has, by its capabilities.

Docker's form adds to the OCI one the conditions that can be decided before a start: ``archMap``, and per rule
``includes``/``excludes`` with capabilities, machines and the least kernel version (``--security-opt seccomp=FILE``).
:func:`resolve` decides them, so that what is left is OCI's. The default profile gives what Docker's gives; the
package keeps its facts in a compact form of our own, which :func:`default_profile` unfolds:

* ``architectures``: native → the others that run on it;  ``allow``: names, always;
* ``rules``: ``calls``, ``errno`` (denied with it; else allowed), ``when`` one argument compares, ``with``/``without`` a
  capability, on ``machines``/``not_machines``, from a ``kernel`` on.
"""

from __future__ import annotations

import json
import os

from carrack.errors import InvalidArgument
from carrack.linux import seccomp as compiler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.oci.runtime_spec import Seccomp

    DEFAULT_PROFILE: dict[str, Any]

#: uname's machine → the word for it in includes.arches, and its name in archMap
_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "i686": ("x86", "SCMP_ARCH_X86"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "loongarch64": ("loong64", "SCMP_ARCH_LOONGARCH64"),
}
_OPERATORS = {"<": "SCMP_CMP_LT", "==": "SCMP_CMP_EQ", ">": "SCMP_CMP_GT"}
_DATA = os.path.join(os.path.dirname(__file__), "data", "seccomp-default.json")
_MAX_PROGRAMS = 64

_default: dict[str, Any] = {}
_programs: dict[tuple[str | None, frozenset[str], str, tuple[int, ...]], bytes] = {}


def __getattr__(name: str) -> Any:
    if name == "DEFAULT_PROFILE":
        return default_profile()
    raise AttributeError(name)


def default_profile() -> dict[str, Any]:
    """The default profile in Docker's form, read at first use; do not change it."""
    if not _default:
        with open(_DATA, encoding="utf-8") as file:
            compact = json.load(file)
        _default.update(
            defaultAction="SCMP_ACT_ERRNO",
            defaultErrnoRet=1,
            archMap=[
                {"architecture": _scmp(native), "subArchitectures": [_scmp(other) for other in others.split()]}
                for native, others in compact["architectures"].items()
            ],
            syscalls=[
                {"names": " ".join(compact["allow"]).split(), "action": "SCMP_ACT_ALLOW"},
                *(_unfold(rule) for rule in compact["rules"]),
            ],
        )
    return _default


def program(
    profile: str | None, caps: frozenset[str], machine: str | None = None, kernel: tuple[int, ...] | None = None
) -> bytes:
    """The compiled filter of a profile (JSON text; None: the default one) for a bounding set; remembered.

    ``caps`` are full names (CAP_CHOWN). Raises what :func:`parse`, :func:`resolve` and the compiler raise.
    """
    system = os.uname()
    machine = machine or system.machine
    kernel = kernel or kernel_version(system.release)
    key = (profile, caps, machine, kernel)
    if key not in _programs:
        document = default_profile() if profile is None else parse(profile)
        compiled = compiler.compile_profile(resolve(document, caps, machine, kernel), machine)
        if len(_programs) >= _MAX_PROGRAMS:
            _programs.pop(next(iter(_programs)), None)
        _programs[key] = compiled
    return _programs[key]


def parse(text: str) -> dict[str, Any]:
    """A profile as a user gives it; InvalidArgument if it is not a JSON object with a default action."""
    try:
        profile = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"seccomp profile: not JSON: {error}") from None
    if not isinstance(profile, dict):
        raise InvalidArgument("seccomp profile: not a JSON object")
    if not profile.get("defaultAction"):
        raise InvalidArgument("seccomp profile: defaultAction is missing")
    return profile


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values for one key JSON keeps the last; a filter must not depend on which one its reader sees."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        rule = next((f" in the rule for {value!r}" for key, value in pairs if key in ("names", "name")), "")
        raise InvalidArgument(f"seccomp profile: {twice!r} is given twice{rule[:200]}")
    return result


def resolve(profile: dict[str, Any], caps: frozenset[str], machine: str, kernel: tuple[int, ...]) -> Seccomp:
    """What a profile in Docker's form means for a bounding set, a machine (uname's word) and a kernel version.

    Returns an OCI ``linux.seccomp`` object; InvalidArgument names a broken place.
    """
    word, native = _MACHINES.get(machine, (machine, ""))
    result: Seccomp = {"defaultAction": profile.get("defaultAction", "")}
    if profile.get("defaultErrnoRet") is not None:
        result["defaultErrnoRet"] = profile["defaultErrnoRet"]
    if profile.get("listenerPath"):
        result["listenerPath"] = profile["listenerPath"]
    if profile.get("flags") is not None:
        result["flags"] = _list(profile, "flags", "")
    result["architectures"] = _architectures(profile, native)
    result["syscalls"] = []
    for index, rule in enumerate(_list(profile, "syscalls", "")):
        where = f"seccomp profile: syscalls[{index}]"
        if not isinstance(rule, dict):
            raise InvalidArgument(f"{where}: not an object")
        if _applies(rule, caps, word, kernel, where):
            kept = {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) is not None}
            kept["names"] = _names(rule, where)
            if kept["names"]:
                compiler.parse_rule(kept, where)  # now, while its place in the user's file is known
                result["syscalls"].append(kept)  # type: ignore[arg-type]
    return result


def kernel_version(release: str) -> tuple[int, ...]:
    """The leading numbers of a release: ``6.18.44-cloud`` → (6, 18); InvalidArgument if there are not two."""
    numbers = []
    for part in release.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    if len(numbers) < 2:
        raise InvalidArgument(f"not a kernel version: {release!r}")
    return tuple(numbers)


def _scmp(name: str) -> str:
    return f"SCMP_ARCH_{name}"


def _unfold(rule: dict[str, Any]) -> dict[str, Any]:
    unfolded: dict[str, Any] = {"names": rule["calls"].split(), "action": "SCMP_ACT_ALLOW"}
    if "errno" in rule:
        unfolded.update(action="SCMP_ACT_ERRNO", errnoRet=rule["errno"])
    if "when" in rule:
        index, operator, value = rule["when"].split()[:3]
        op = _OPERATORS.get(operator, "SCMP_CMP_MASKED_EQ")
        unfolded["args"] = [{"index": int(index), "op": op, "value": int(value, 0), "valueTwo": 0}]
    includes = {"caps": [rule["with"]]} if "with" in rule else {}
    includes.update({ours: rule[key] for key, ours in (("machines", "arches"), ("kernel", "minKernel")) if key in rule})
    excludes = {"caps": [rule["without"]]} if "without" in rule else {}
    excludes.update({"arches": rule["not_machines"]} if "not_machines" in rule else {})
    return {**unfolded, "includes": includes, "excludes": excludes}


def _list(holder: dict[str, Any], key: str, where: str) -> list[Any]:
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidArgument(f"{where or 'seccomp profile: '}{key}: not a list")
    return value


def _words(holder: dict[str, Any], key: str, where: str) -> list[str]:
    value = _list(holder, key, where)
    for index, word in enumerate(value):
        if not isinstance(word, str):
            raise InvalidArgument(f"{where}{key}[{index}]: not a name")
    return value


def _architectures(profile: dict[str, Any], native: str) -> list[str]:
    given, mapped = _list(profile, "architectures", ""), _list(profile, "archMap", "")
    if given and mapped:
        raise InvalidArgument("seccomp profile: give architectures or archMap, not both")
    for index, entry in enumerate(mapped):
        where = f"seccomp profile: archMap[{index}]"
        if not isinstance(entry, dict):
            raise InvalidArgument(f"{where}: not an object")
        if entry.get("architecture") == native:
            return [native, *_list(entry, "subArchitectures", f"{where}.")]
    return given


def _names(rule: dict[str, Any], where: str) -> list[Any]:
    if rule.get("name") and rule.get("names"):
        raise InvalidArgument(f"{where}: give name or names, not both")
    return [rule["name"]] if rule.get("name") else _list(rule, "names", f"{where}.")


def _applies(rule: dict[str, Any], caps: frozenset[str], word: str, kernel: tuple[int, ...], where: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    for key, condition in (("includes", includes), ("excludes", excludes)):
        if not isinstance(condition, dict):
            raise InvalidArgument(f"{where}.{key}: not an object")
    inside, outside = f"{where}.includes.", f"{where}.excludes."
    if word in _words(excludes, "arches", outside) or caps.intersection(_words(excludes, "caps", outside)):
        return False
    if excludes.get("minKernel") and kernel >= _version(excludes, outside):
        return False
    arches = _words(includes, "arches", inside)
    if (arches and word not in arches) or not caps.issuperset(_words(includes, "caps", inside)):
        return False
    return not includes.get("minKernel") or kernel >= _version(includes, inside)


def _version(condition: dict[str, Any], where: str) -> tuple[int, ...]:
    version = condition["minKernel"]
    try:
        return kernel_version(version if isinstance(version, str) else "")
    except InvalidArgument:
        raise InvalidArgument(f"{where}minKernel: {version!r} is not a version like 4.8") from None
