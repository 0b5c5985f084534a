"""``--chmod``."""

import pytest

from carrack.errors import InvalidArgument
from carrack.storage.trees.modes import parse


@pytest.mark.parametrize(
    ("text", "before", "folder", "after"),
    [
        ("755", 0o600, False, 0o755),
        ("4711", 0o600, False, 0o4711),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("a+x", 0o644, False, 0o755),
        ("+x", 0o644, False, 0o755),
        ("go-w", 0o666, False, 0o644),
        ("g=u", 0o640, False, 0o660),
        ("u+s,o+t", 0o755, False, 0o5755),
        ("u=rwX,go=rX", 0o6755, False, 0o755),
        ("u-x+w", 0o544, False, 0o644),
    ],
)
def test_parse(text: str, before: int, folder: bool, after: int) -> None:
    assert oct(parse(text)(before, folder)) == oct(after)


@pytest.mark.parametrize("text", ["", "8", "77777", "z+x", "u~x", "rwx"])
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid chmod"):
        parse(text)
