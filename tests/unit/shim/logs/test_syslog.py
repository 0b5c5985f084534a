from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.fakes import log_servers as servers

from carrack.errors import InvalidArgument
from carrack.shim.logs import syslog
from carrack.shim.logs.lines import Message
from carrack.shim.logs.syslog import Syslog
from carrack.shim.logs.task import Task

AT = 1_795_976_252_257_123_456


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "stamp", lambda at: "Nov 29 18:17:32")
    monkeypatch.setattr(syslog, "rfc3339", lambda at, digits=0: f"2026-11-29T18:17:32{'.257123' if digits else ''}Z")


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("", b"<30>Nov 29 18:17:32 tag[7]: hi\n"),
        ("rfc3164", b"<30>Nov 29 18:17:32 vm tag[7]: hi\n"),
        ("rfc5424", b"<30>1 2026-11-29T18:17:32Z vm tag 7 tag - hi\n"),
        ("rfc5424micro", b"<30>1 2026-11-29T18:17:32.257123Z vm tag 7 tag - hi\n"),
    ],
)
def test_formats(style: str, expected: bytes) -> None:
    assert syslog.form(style, 30, AT, "vm", "tag", 7, b"hi") == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x": "y"}, "unknown log opt 'x' for syslog log driver"),
        ({"syslog-address": "foo"}, "unsupported scheme: ''"),
        ({"syslog-address": "foo://x"}, "unsupported scheme: 'foo'"),
        ({"syslog-address": "unix:///no/such"}, "stat /no/such: no such file or directory"),
        ({"syslog-facility": "foo"}, "invalid syslog facility"),
        ({"syslog-facility": "99"}, "invalid syslog facility"),
        ({"syslog-format": "foo"}, "Invalid syslog format"),
        ({"syslog-tls-skip-verify": "foo"}, 'strconv.ParseBool: parsing "foo": invalid syntax'),
    ],
)
def test_refusals(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        syslog.check(options)
    assert str(refusal.value) == text


def test_places_and_facilities() -> None:
    assert syslog.place("tcp://h") == ("tcp", ("h", 514))
    assert syslog.place("tcp+tls://h:6514") == ("tcp+tls", ("h", 6514))
    assert [syslog.facility(text) for text in ("", "kern", "local7", "16")] == [3, 0, 23, 16]


def task(**options: str) -> Task:
    named = {f"syslog-{key.replace('_', '-')}": value for key, value in options.items()}
    return Task({"driver": "syslog", "options": named, "tag": "t", "hostname": "vm"})


def test_datagrams_say_stream_and_facility() -> None:
    with servers.udp() as server:
        driver = Syslog(task(address=f"udp://127.0.0.1:{server.port}", facility="local1"))
        driver.connect()
        for message in (Message(1, AT, b"out"), Message(1, AT, b""), Message(2, AT, b"err")):
            driver.send(message)
        driver.close()
        pid = os.getpid()
        assert server.wait(lambda got: len(got) == 2) == [
            f"<142>Nov 29 18:17:32 t[{pid}]: out\n".encode(),
            f"<139>Nov 29 18:17:32 t[{pid}]: err\n".encode(),
        ]


def test_a_server_that_comes_back_loses_nothing() -> None:
    with servers.tcp() as server:
        port = server.port
        driver = Syslog(task(address=f"tcp://127.0.0.1:{port}"))
        driver.connect()
        driver.send(Message(1, AT, b"before"))
        server.wait(lambda got: b"before" in got[0] if got else False)
        server.connections[0].shutdown(socket.SHUT_RDWR)
        driver.send(Message(1, AT, b"after"))
        server.wait(lambda got: len(got) == 2 and b"after\n" in got[1])
        driver.close()


@pytest.mark.parametrize("scheme", ["unix", "unixgram"])
def test_sockets_by_path(tmp_path: Path, scheme: str) -> None:
    path = str(tmp_path / "log")
    with servers.unix(path, socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM) as server:
        driver = Syslog(task(address=f"{scheme}://{path}"))
        driver.connect()
        driver.send(Message(1, AT, b"hi"))
        driver.close()
        assert server.wait(lambda got: b"hi" in b"".join(got))


def test_without_an_address_the_hosts_own_log_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(syslog, "_LOCAL", (str(tmp_path / "none"), str(tmp_path / "log")))
    with pytest.raises(OSError, match=r"^Unix syslog delivery error$"):
        Syslog(task()).connect()
    with servers.unix(str(tmp_path / "log"), socket.SOCK_DGRAM) as server:
        driver = Syslog(task())
        driver.connect()
        driver.send(Message(1, AT, b"hi"))
        driver.close()
        assert server.wait(lambda got: bool(got))
