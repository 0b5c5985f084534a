from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from carrack.errors import InvalidArgument
from carrack.shim.logs import texts


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/St_Johns"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_moments(zone: str) -> None:
    at = 1_795_976_252_257_123_456
    offset = {"UTC": "2026-11-29T18:17:32.257123Z", "Asia/Kolkata": "2026-11-29T23:47:32.257123+05:30"}
    assert texts.rfc3339(at, 6) == offset.get(zone, "2026-11-29T14:47:32.257123-03:30")
    assert "." not in texts.rfc3339(at)
    assert texts.stamp(at).startswith("Nov 29 ")


def test_single_digits_are_padded() -> None:
    assert texts.stamp(0)[:6] in ("Jan  1", "Dec 31")


def test_booleans_and_integers_are_gos() -> None:
    assert [texts.boolean(text) for text in ("1", "T", "true", "0", "f", "False")] == [True] * 3 + [False] * 3
    assert texts.integer("-12") == -12
    with pytest.raises(InvalidArgument, match=r'strconv.ParseBool: parsing "foo": invalid syntax'):
        texts.boolean("foo")
    with pytest.raises(InvalidArgument, match=r'strconv.ParseUint: parsing "-1": invalid syntax'):
        texts.integer("-1", "ParseUint")
    with pytest.raises(InvalidArgument, match=r'strconv.Atoi: parsing "": invalid syntax'):
        texts.integer("")


def test_json_is_escaped_as_gos() -> None:
    assert texts.compact({"a": "<&>\u2028é"}) == '{"a":"\\u003c\\u0026\\u003e\\u2028é"}'


def test_foreign_bytes_are_replaced_one_by_one() -> None:
    assert texts.text_of(b"a\xff\xfe\xc3\xa9") == "a\ufffd\ufffdé"
