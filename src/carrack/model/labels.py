"""Key=value words: environment, labels and the files that hold them. Text in, lists and dicts out."""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def environment(words: "Iterable[str]", inherited: "Mapping[str, str]") -> list[str]:
    """``KEY=value`` words; a bare ``KEY`` takes the value of ``inherited``, or stays bare (which unsets an image's)."""
    result = []
    for word in words:
        if not word or word.startswith("="):
            raise InvalidArgument(f"invalid environment variable: {word}")
        if "=" not in word and word in inherited:
            word = f"{word}={inherited[word]}"
        result.append(word)
    return result


def environment_file(data: bytes, name: str, inherited: "Mapping[str, str]") -> list[str]:
    """The words of an env file: ``KEY=value`` lines, ``#`` comments, no quoting; a bare KEY only when inherited."""
    result = []
    for line in _lines(data, name, "env file"):
        key, equals, _ = line.partition("=")
        _checked_key(key, line, "environment: variable")
        if equals:
            result.append(line)
        elif key in inherited:
            result.append(f"{key}={inherited[key]}")
    return result


def label_file(data: bytes, name: str) -> list[str]:
    """The ``KEY=value`` words of a label file; a bare KEY is an empty label."""
    lines = _lines(data, name, "label file")
    for line in lines:
        _checked_key(line.partition("=")[0], line, "label: key")
    return lines


def mapping(words: "Iterable[str]") -> dict[str, str]:
    """``{"key": "value"}`` of ``key=value`` words; a bare key has the empty value, the last of equal keys counts."""
    result = {}
    for word in words:
        key, _, value = word.partition("=")
        result[key] = value
    return result


def labels(words: "Iterable[str]") -> dict[str, str]:
    """:func:`mapping` that refuses an empty key."""
    result = mapping(words)
    if "" in result:
        raise InvalidArgument(f"invalid label '={result['']}': empty name")
    return result


def matches(labels: "Mapping[str, str]", wanted: str) -> bool:
    """Whether labels hold what a filter's word asks for: ``key`` with any value, or ``key=value``."""
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)


def _lines(data: bytes, name: str, kind: str) -> list[str]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            line = raw.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            raise InvalidArgument(f"{kind} {name} contains invalid utf8 bytes at line {number}: {raw!r}") from None
        if line and not line.startswith("#"):
            lines.append(line)
    return lines


def _checked_key(key: str, line: str, what: str) -> None:
    if not key:
        raise InvalidArgument(f"poorly formatted {what.partition(':')[0]}: no variable name on line '{line}'")
    if any(character.isspace() for character in key):
        raise InvalidArgument(f"poorly formatted {what} '{key}' contains whitespaces")
