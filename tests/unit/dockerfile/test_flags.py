"""Flags of instructions."""

import pytest

from carrack.dockerfile.flags import Flags, Kind, split
from carrack.errors import InvalidArgument

KINDS = {"from": Kind.ONE, "link": Kind.TRUTH, "mount": Kind.MANY}


def test_split() -> None:
    assert split('--from=a --mount="x y" --link b --c', "\\") == (["--from=a", "--mount=x y", "--link"], "b --c")
    assert split("-- --not", "\\") == ([], "--not")
    assert split("--a='b", "\\") == (["--a=b"], "")
    assert split("--a=b\\ c d", "\\") == (["--a=b c"], "d")


def test_values() -> None:
    given = Flags(KINDS, ["--from=a", "--mount=1", "--mount=2", "--link"])
    assert (given.one("from"), given.many("mount"), given.truth("link")) == ("a", ("1", "2"), True)
    none = Flags(KINDS, ["--link=false"])
    assert (none.one("from"), none.many("mount"), none.truth("link")) == ("", (), False)
    assert Flags(KINDS, []).truth("link") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--x=1"], "unknown flag: --x .known here: --from, --link, --mount"),
        (["--from"], "missing a value"),
        (["--from=a", "--from=b"], "duplicate flag"),
        (["--link=perhaps"], "expecting boolean"),
    ],
)
def test_refused(words: list[str], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        Flags(KINDS, words)
