"""Content digests (`sha256:<hex>`): the only names that content is trusted by.

A digest becomes a file name and a URL, so one that is not exactly an algorithm we know and its number of lower-case
hexadecimal figures never gets past here (CVE-2024-3727 was a path in a digest's place).
Source: OCI image specification, descriptor.md, "Digests"; error texts are those of Docker's clients.
"""

from carrack.errors import InvalidArgument

HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = frozenset("0123456789abcdef")


def problem(text: str) -> str | None:
    """Say what is wrong with `text` as a digest; None when it is a valid one."""
    algorithm, colon, encoded = text.partition(":")
    if not colon or not algorithm or not encoded:
        return "invalid checksum digest format"
    length = HEX_LENGTHS.get(algorithm)
    if length is None:
        return "unsupported digest algorithm"
    if len(encoded) != length:
        return "invalid checksum digest length"
    if not _HEX.issuperset(encoded):
        return "invalid checksum digest format"
    return None


def validate(text: str, what: str = "digest") -> str:
    """Return `text` unchanged when it is a digest; raise InvalidArgument naming `what` otherwise."""
    wrong = problem(text)
    if wrong is not None:
        raise InvalidArgument(f"{what} {text[:160]!r}: {wrong}")
    return text


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of an algorithm we know."""
    return problem(text) is None


def of(data: bytes | memoryview) -> str:
    """The sha256 digest of `data`."""
    import hashlib  # a command that only names images has no use for it

    return "sha256:" + hashlib.sha256(data).hexdigest()


def encoded(digest: str) -> str:
    """The hexadecimal part of a valid digest."""
    return digest.partition(":")[2]


def algorithm(digest: str) -> str:
    """The algorithm's name of a valid digest."""
    return digest.partition(":")[0]


def short(digest: str) -> str:
    """The twelve figures that people are shown."""
    return encoded(digest)[:12]


def is_hex(text: str) -> bool:
    """Whether `text` is one or more lower-case hexadecimal figures."""
    return bool(text) and _HEX.issuperset(text)
