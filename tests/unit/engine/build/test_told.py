"""Lines of history; the expected ones are a real BuildKit's."""

import pytest

from carrack.dockerfile import commands as c
from carrack.dockerfile import lines, reading
from carrack.engine.build import told


def command(text: str) -> c.Command:
    return reading.command(lines.parse(text).statements[0])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a", "<b>", "ü"], '["a" "<b>" "ü"]'),
        ([], "[]"),
        (['q"', "\\", "\n\t", "\x01", "\u200b"], r'["q\"" "\\" "\n\t" "\x01" "\u200b"]'),
    ],
)
def test_quoted(words: list[str], expected: str) -> None:
    assert told.quoted(words) == expected


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0s"), (300_000_000_000, "5m0s"), (90_000_000_000, "1m30s"), (1_500_000_000, "1.5s"),
        (20_000_000, "20ms"), (1500, "1.5µs"), (3, "3ns"), (3_600_000_000_000, "1h0m0s"),
    ],
)  # fmt: skip
def test_duration(nanoseconds: int, expected: str) -> None:
    assert told.duration(nanoseconds) == expected


def test_healthcheck() -> None:
    given = command("HEALTHCHECK --interval=5m --retries=5 CMD x y")
    assert isinstance(given, c.Healthcheck)
    shown = told.healthcheck(["CMD-SHELL", "x y"], given)
    assert shown == 'HEALTHCHECK &{["CMD-SHELL" "x y"] "5m0s" "0s" "0s" "0s" \'\\x05\'}'
    many = command("HEALTHCHECK --retries=2000000 CMD x")
    assert isinstance(many, c.Healthcheck)
    assert told.healthcheck([], many).endswith("'\ufffd'}")


def test_transfer() -> None:
    given = command("COPY --chmod=750 --link --chown=3:4 <<mixed.txt plain.txt /m/\ninline\nmixed.txt\n")
    assert isinstance(given, c.Copy)
    assert told.transfer("COPY", given) == "COPY --chown=3:4 --chmod=750 plain.txt <<mixed.txt /m/"


def test_pairs() -> None:
    assert told.pairs([c.Pair("a", "b c"), c.Pair("d", "")]) == "a=b c d="
