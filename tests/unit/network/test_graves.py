import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable

import pytest

from carrack.linux.netlink import Netlink
from carrack.network import graves
from carrack.network.graves import Graves


class Host(Netlink):
    def __init__(self, refusal: int = 0) -> None:
        self.sent: list[str] = []
        self.refusal = refusal

    def batch(self, messages: object) -> None:
        assert isinstance(messages, list)
        self.sent += [message.what for message in messages]
        if self.refusal:
            raise OSError(self.refusal, "refused")

    def close(self) -> None:
        pass


class Link:
    index = 0x1F


def test_what_is_retired_is_down_and_out_of_the_way() -> None:
    host = Host()
    graves.retire(host, Link())  # type: ignore[arg-type]
    assert host.sent == ["change interface 31", "change interface gone1f"]


def test_nothing_to_delete_is_no_error() -> None:
    graves.delete(Host(errno.ENODEV))
    with pytest.raises(PermissionError):
        graves.delete(Host(errno.EPERM))


def play(monkeypatch: pytest.MonkeyPatch, scene: Callable[[Graves], Awaitable[None]]) -> list[bool]:
    """Whether it was the main thread that deleted, each time."""
    seen: list[bool] = []

    def delete(host: object) -> None:
        seen.append(threading.current_thread() is threading.main_thread())
        if len(seen) == 2:
            raise OSError(errno.EBUSY, "busy")

    async def run() -> None:
        yard = Graves()
        await scene(yard)
        await yard.close()

    monkeypatch.setattr(graves, "delete", delete)
    monkeypatch.setattr(graves, "_PAUSE_SECONDS", 0.01)
    asyncio.run(run())
    return seen


def test_deletion_is_another_threads_and_comes_when_there_is_peace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(yard: Graves) -> None:
        for _ in range(3):
            yard.bury()
            yard.rest()
        await asyncio.sleep(0.1)
        yard.rest()
        yard.bury()

    assert play(monkeypatch, scene) == [False, False], "three at once, one in the end"
    assert "stay until the next start" in caplog.text


def test_it_is_not_put_off_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(yard: Graves) -> None:
        yard.bury()
        for _ in range(50):
            await asyncio.sleep(0.004)
            yard.rest()

    monkeypatch.setattr(graves, "_LATEST_SECONDS", 0.03)
    assert len(play(monkeypatch, scene)) == 1


def test_nothing_to_bury_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(yard: Graves) -> None:
        yard.rest()

    assert play(monkeypatch, scene) == []
