from __future__ import annotations

from carrack.engine.volumes.volume import ANONYMOUS, Volume


def test_what_is_plain_and_what_anonymous() -> None:
    assert Volume("v", 1).plain
    assert Volume("v", 1, options={}).plain
    assert not Volume("v", 1, options={"type": "tmpfs"}).plain
    assert not Volume("v", 1, driver="plug").plain
    assert Volume("v", 1, labels={ANONYMOUS: ""}).anonymous
    assert not Volume("v", 1, labels={"a": "b"}).anonymous
