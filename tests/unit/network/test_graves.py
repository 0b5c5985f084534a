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
    graves.retire(host, Link())  # type: ignore[arg-type]
    assert host.sent == ["change interface 31", "change interface gone1f"]


def test_nothing_to_delete_is_no_error() -> None:
    graves.delete(Host(errno.ENODEV))
    with pytest.raises(PermissionError):
        graves.delete(Host(errno.EPERM))


def test_deletion_is_another_threads_and_is_waited_for_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bool] = []

    def delete(host: object) -> None:
        seen.append(threading.current_thread() is threading.main_thread())
        if len(seen) == 2:
            raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(graves, "delete", delete)
    yard = Graves()
    yard.bury()
    yard.bury()
    yard.close()
    assert seen == [False, False]
    assert "stay until the next start" in caplog.text
