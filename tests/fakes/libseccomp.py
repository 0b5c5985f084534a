"""libseccomp as an oracle: the filter that it makes of an OCI profile, where the library is installed."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import tempfile
from ctypes import c_int, c_uint, c_uint32, c_uint64
from typing import TYPE_CHECKING

from carrack.linux import seccomp

if TYPE_CHECKING:
    from carrack.oci.runtime_spec import Seccomp, SyscallArg

_TOKENS = {"SCMP_ARCH_X86_64": 0xC000003E, "SCMP_ARCH_X86": 0x40000003, "SCMP_ARCH_X32": 0x4000003E}
_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")


class _Compare(ctypes.Structure):
    _fields_ = [("argument", c_uint), ("operator", c_int), ("value", c_uint64), ("second", c_uint64)]


def library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        return None
    lib = ctypes.CDLL(name)
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = (c_uint32,)
    lib.seccomp_arch_add.argtypes = (ctypes.c_void_p, c_uint32)
    lib.seccomp_rule_add_array.argtypes = (ctypes.c_void_p, c_uint32, c_int, c_uint, ctypes.c_void_p)
    lib.seccomp_export_bpf.argtypes = (ctypes.c_void_p, c_int)
    lib.seccomp_release.argtypes = (ctypes.c_void_p,)
    lib.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    lib.seccomp_syscall_resolve_name_arch.argtypes = (c_uint32, ctypes.c_char_p)
    return lib


def number(lib: ctypes.CDLL, architecture: int, name: str) -> int:
    """Negative: not known to the library, or one of its pseudo numbers."""
    result: int = lib.seccomp_syscall_resolve_name_arch(architecture, name.encode())
    return result


def export(lib: ctypes.CDLL, profile: Seccomp) -> bytes:
    """The program that a runtime on libseccomp would load, by runc's way of adding rules."""
    default = seccomp._action(profile["defaultAction"], profile.get("defaultErrnoRet"), "", "Action")
    context = lib.seccomp_init(default)
    try:
        for name in profile.get("architectures", []):
            lib.seccomp_arch_add(context, _TOKENS[name])  # -EEXIST for the native one
        for rule in profile["syscalls"]:
            action = seccomp._action(rule["action"], rule.get("errnoRet"), "")
            if action == default:
                continue
            for name in rule["names"]:
                _add(lib, context, action, lib.seccomp_syscall_resolve_name(name.encode()), rule.get("args") or [])
        with tempfile.TemporaryFile() as file:
            assert lib.seccomp_export_bpf(context, file.fileno()) == 0
            return os.pread(file.fileno(), 1 << 20, 0)
    finally:
        lib.seccomp_release(context)


def _add(lib: ctypes.CDLL, context: int, action: int, call: int, arguments: list[SyscallArg]) -> None:
    if call == -1:
        return
    compares = (_Compare * len(arguments))(
        *(
            _Compare(
                argument.get("index", 0),
                _OPERATORS.index(argument["op"].removeprefix("SCMP_CMP_")) + 1,
                argument.get("value", 0),
                argument.get("valueTwo", 0),
            )
            for argument in arguments
        )
    )
    result = lib.seccomp_rule_add_array(context, action, call, len(arguments), compares)
    assert result == 0, (call, result)
