"""SHA-256 of what is short, by the interpreter's own code: ``hashlib`` loads OpenSSL, which takes 2 ms."""


def sha256(data: bytes) -> str:
    """The sum in hexadecimal figures."""
    try:
        from _sha2 import sha256 as algorithm  # type: ignore[import-not-found]  # from Python 3.12 on
    except ImportError:
        try:
            from _sha256 import sha256 as algorithm  # type: ignore[import-not-found]
        except ImportError:  # pragma: no cover - an interpreter built without its own
            from hashlib import sha256 as algorithm
    return str(algorithm(data).hexdigest())
