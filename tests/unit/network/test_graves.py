import errno
import threading

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
    assert graves.retire(host, Link()) == 0x1F  # type: ignore[arg-type]
    assert host.sent == ["change interface 31", "change interface gone1f"]


def test_what_is_gone_already_is_no_error() -> None:
    graves.delete(Host(errno.ENODEV), 5)
    graves.delete(Host(errno.EPERM), 0)
    with pytest.raises(PermissionError):
        graves.delete(Host(errno.EPERM), 5)


def test_deletion_is_another_threads_and_is_waited_for_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[int, bool]] = []

    def delete(host: object, index: int) -> None:
        seen.append((index, threading.current_thread() is threading.main_thread()))
        if index == 6:
            raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(graves, "delete", delete)
    yard = Graves()
    for index in (5, 0, 6):
        yard.bury(index)
    yard.close()
    assert seen == [(5, False), (6, False)]
    assert "interface 6 stays until the next start" in caplog.text
