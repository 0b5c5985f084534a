"""crypt(3): passwords hashed one way, by the C library's own code (bcrypt among its methods).

Debian's python3 itself needed this library up to 3.12; it is libcrypt1 there. musl has the function in its libc.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)
_SCRATCH = 256 * 1024
"""More than any C library's `struct crypt_data`."""


def load() -> Callable[[bytes, bytes], bytes]:
    """The function: (password, setting or hash) to the hash; it raises ValueError for a setting it does not know, and
    may run in many threads at once. Raises OSError when the machine has no crypt(3)."""
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
        function.restype = ctypes.c_char_p
        return lambda password, setting: _call(function, password, setting)
    raise OSError(errno.ENOENT, "this machine's C library has no crypt(3); install libcrypt", "libcrypt.so.1")


def _call(function: Callable[..., bytes | None], password: bytes, setting: bytes) -> bytes:
    if b"\0" in password or b"\0" in setting:
        raise ValueError("a NUL byte in a password")
    found = function(password, setting, ctypes.create_string_buffer(_SCRATCH))
    if not found or found.startswith(b"*"):
        raise ValueError("this kind of password hash is not known to crypt(3)")
    return found
