"""Patterns with few and with many stars say the same; the many take no longer than they must."""

from __future__ import annotations

import random
import re
import time

from carrack.dockerfile.globs import ANY, FOLDERS, STAR, matcher


def test_few_and_many_agree() -> None:
    chance = random.Random(7)
    for _ in range(1500):
        parts = [chance.choice((STAR, ANY, FOLDERS, "a", "b", "/", "[^/]")) for _ in range(chance.randint(0, 8))]
        text = "".join(chance.choice("ab/") for _ in range(chance.randint(0, 7)))
        assert matcher(parts)(text) == bool(re.fullmatch("".join(parts), text, re.DOTALL)), (parts, text)


def test_many_stars_take_no_long_time() -> None:
    begun = time.process_time()
    assert not matcher([STAR, "a"] * 40 + ["b"])("a" * 2000)
    assert not matcher([FOLDERS, STAR, "a", "/"] * 20 + ["b"])("aa/" * 300)
    assert time.process_time() - begun < 5
