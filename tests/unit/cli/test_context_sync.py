"""Contexts of which only what has changed is sent."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from carrack.cli.build_context import ignored
from carrack.cli.context_sync import Listing, prepare
from carrack.client.transport import Refused
from carrack.errors import InvalidArgument


class Answer:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


class FakeDaemon:
    """Wants the files of the numbers given; None: it knows of no lists."""

    def __init__(self, wanted: list[int] | None) -> None:
        self._wanted = wanted
        self.keys: list[str] = []
        self.listed = b""

    def upload(self, method: str, path: str, query: Any, body: bytes, kind: str) -> Answer:
        self.listed = body
        if self._wanted is None:
            raise Refused(404, "page not found")
        self.keys.append(query["key"])
        return Answer(b'{"ID": "i", "Wanted": %b}' % str(self._wanted).encode())


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for number in range(70):
        (tmp_path / f"f{number:02}").write_text(str(number))
    return tmp_path


def names(data: bytes | Iterable[bytes]) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data if isinstance(data, bytes) else b"".join(data))) as archive:
        return archive.getnames()


def listing(folder: Path) -> dict[str, tuple[str, str]]:
    fields = Listing(str(folder), ignored(str(folder), "Dockerfile")).data().decode().split("\0")
    return {name: (looks, target) for name, looks, target in zip(*(fields[at:-1:3] for at in range(3)), strict=True)}


def test_what_the_daemon_wants_is_sent(context: Path) -> None:
    daemon: Any = FakeDaemon([3, 5])
    query: dict[str, Any] = {}
    body = prepare(daemon, str(context), ignored(str(context), "Dockerfile"), query)
    assert query == {"context": "i"}
    assert names(body) == ["f03", "f05"]
    again: Any = FakeDaemon([])
    assert names(prepare(again, str(context), ignored(str(context), "Dockerfile"), {})) == []
    assert again.keys == daemon.keys
    (context / "other").mkdir()
    prepare(other := FakeDaemon([]), str(context / "other"), ignored(str(context), "Dockerfile"), {})  # type: ignore[arg-type]
    assert other.keys == []  # it is small


def test_all_is_sent_to_a_daemon_that_keeps_nothing(context: Path) -> None:
    daemon: Any = FakeDaemon(None)
    query: dict[str, Any] = {}
    assert len(names(prepare(daemon, str(context), ignored(str(context), "Dockerfile"), query))) == 70
    assert query == {}


def test_a_file_that_is_gone_by_then(context: Path) -> None:
    body = prepare(FakeDaemon([3]), str(context), ignored(str(context), "Dockerfile"), {})  # type: ignore[arg-type]
    (context / "f03").unlink()
    with pytest.raises(InvalidArgument, match="can't read"):
        list(body)


def test_what_a_list_says(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o750)
    (tmp_path / "d/f").write_text("text")
    (tmp_path / "d/f").chmod(0o640)
    os.utime(tmp_path / "d/f", (5, 5))
    (tmp_path / "link").symlink_to("d/f")
    os.link(tmp_path / "d/f", tmp_path / "z")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "skipped").write_text("x")
    (tmp_path / ".dockerignore").write_text("skipped\n")
    found = listing(tmp_path)
    assert list(found) == [".dockerignore", "d", "d/f", "link", "pipe", "z"]
    assert found["d"][0].startswith("5 750 0 ")
    assert found["d/f"][0].startswith("0 640 4 5 ")
    assert (found["link"][0][0], found["link"][1], found["z"][0][0], found["z"][1]) == ("2", "d/f", "1", "d/f")
    assert found["pipe"][0].startswith("6 ")


def test_marks_do_not_trust_times_that_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "f"
    place.write_text("one")
    os.utime(place, (5, 5))
    assert listing(tmp_path)["f"][0].endswith(" -")  # it was changed just now, and may be once more
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3_000_000_000)
    before = listing(tmp_path)["f"]
    assert not before[0].endswith(" -")
    assert listing(tmp_path)["f"] == before
    time.sleep(0.02)  # more than a tick of the file system's clock
    place.write_text("two")
    os.utime(place, (5, 5))
    assert place.stat().st_size == 3
    assert listing(tmp_path)["f"] != before
