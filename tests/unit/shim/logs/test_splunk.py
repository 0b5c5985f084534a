from __future__ import annotations

import json
import zlib

import pytest
from tests.fakes import log_servers as servers

from carrack.errors import InvalidArgument
from carrack.shim.logs import splunk
from carrack.shim.logs.lines import Message
from carrack.shim.logs.splunk import Settings, Splunk
from carrack.shim.logs.task import Lost, Task

AT = 1_795_976_262_137_248_999
NEEDED = {"splunk-token": "tok", "splunk-url": "http://h:1"}
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


def fine(data: bytes) -> bytes:
    """An answer to each whole request; a body that comes by itself was answered with its head."""
    return FINE if data.startswith((b"OPTIONS", b"POST")) else b""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"splunk-token": "a"}, "splunk: splunk-url is expected"),
        ({"splunk-url": "http://h:1"}, "splunk: splunk-token is expected"),
        (
            {"splunk-token": "a", "splunk-url": "foo"},
            "splunk: expected format scheme://dns_name_or_ip:port for splunk-url",
        ),
        (
            {"splunk-token": "a", "splunk-url": "http://h:1/p"},
            "splunk: expected format scheme://dns_name_or_ip:port for splunk-url",
        ),
        ({**NEEDED, "splunk-gzip": "foo"}, 'strconv.ParseBool: parsing "foo": invalid syntax'),
        ({**NEEDED, "splunk-gzip-level": "foo"}, 'strconv.ParseInt: parsing "foo": invalid syntax'),
        (
            {**NEEDED, "splunk-gzip-level": "99"},
            "not supported level '99' for splunk-gzip-level (supported values between -1 and 9)",
        ),
        (
            {**NEEDED, "splunk-format": "foo"},
            "Unknown format specified foo, supported formats are inline, json and raw",
        ),
    ],
)
def test_refusals(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        Settings(options)
    assert str(refusal.value) == text


def test_unknown_options() -> None:
    with pytest.raises(InvalidArgument, match="unknown log opt 'x' for splunk log driver"):
        splunk.check({"x": "y"})


@pytest.mark.parametrize(
    ("style", "line", "event"),
    [
        ("inline", b"hi", {"line": "hi", "source": "stdout", "tag": "t", "attrs": {"a": "1"}}),
        ("json", b'{"j":1}', {"line": {"j": 1}, "source": "stdout", "tag": "t", "attrs": {"a": "1"}}),
        ("json", b"{torn", {"line": "{torn", "source": "stdout", "tag": "t", "attrs": {"a": "1"}}),
        ("raw", b"hi", "t a=1 hi"),
    ],
)
def test_events(style: str, line: bytes, event: object) -> None:
    task = Task({"driver": "splunk", "tag": "t", "attributes": {"a": "1"}, "hostname": "vm"})
    settings = Settings({**NEEDED, "splunk-format": style, "splunk-index": "i"})
    found = json.loads(splunk.event(Message(1, AT, line), task, settings) or b"")
    assert found == {"event": event, "time": "1795976262.137248", "host": "vm", "index": "i"}


def test_empty_events_are_left_out_where_the_server_refuses_them() -> None:
    task = Task({"driver": "splunk", "tag": "t"})
    assert splunk.event(Message(1, AT, b" "), task, Settings({**NEEDED, "splunk-format": "raw"})) is None
    assert splunk.event(Message(1, AT, b""), task, Settings({**NEEDED, "splunk-format": "json"})) is None
    assert splunk.event(Message(1, AT, b""), task, Settings(NEEDED)) is not None


def ended(data: bytes) -> bool:
    """Whether the body of a POST has come."""
    head, _, body = data.partition(b"POST")[2].partition(b"\r\n\r\n")
    return bool(body) and len(body) == int(head.partition(b"Content-Length: ")[2].split(b"\r")[0])


def driver(port: int, **options: str) -> Splunk:
    named = {f"splunk-{key.replace('_', '-')}": value for key, value in options.items()}
    return Splunk(
        Task(
            {"driver": "splunk", "options": {"splunk-token": "tok", "splunk-url": f"http://127.0.0.1:{port}", **named}}
        )
    )


def test_a_server_is_asked_first_and_gets_a_batch_at_the_end() -> None:
    with servers.tcp(fine) as server:
        splunk_driver = driver(server.port, gzip="true", index_acknowledgment="true", source="s")
        splunk_driver.connect()
        splunk_driver.send(Message(1, AT, b"one"))
        splunk_driver.send(Message(1, AT, b"two"))
        assert splunk_driver.held == 2
        splunk_driver.flush()
        splunk_driver.close()
        assert splunk_driver.held == 0
        (data,) = server.wait(lambda got: ended(got[0]))
        head, _, body = data.partition(b"POST")[2].partition(b"\r\n\r\n")
        assert data.startswith(b"OPTIONS /services/collector/event/1.0")
        assert b"Authorization: Splunk tok" in head
        assert b"X-Splunk-Request-Channel: " in head
        assert zlib.decompress(body, 31).count(b'"source":"s"') == 2


def test_a_server_that_refuses_keeps_events_waiting_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splunk, "_MOST_HELD", 3)
    monkeypatch.setattr(splunk, "_BATCH", 2)
    with servers.tcp(lambda data: BUSY if data.startswith((b"POST", b"OPTIONS")) else b"") as server:
        with pytest.raises(OSError, match="splunk: failed to OPTIONS event - 503 - busy"):
            driver(server.port).connect()
        splunk_driver = driver(server.port, verify_connection="false")
        splunk_driver.connect()
        splunk_driver.send(Message(1, AT, b"one"))
        for line, lost in ((b"two", 0), (b"four", 2)):
            with pytest.raises(Lost, match="503") as refusal:
                splunk_driver.send(Message(1, AT, line))
            assert refusal.value.messages == lost
            if not lost:
                splunk_driver.send(Message(1, AT, b"three"))
        assert splunk_driver.held == 2
        splunk_driver.close()


def test_no_server_is_told_in_gos_words() -> None:
    with pytest.raises(
        OSError, match=r'^Options "http://127.0.0.1:1/services/collector/event/1.0": dial tcp 127.0.0.1:1: '
    ):
        driver(1).connect()
    with pytest.raises(OSError, match=r"^open /no/ca: no such file or directory$"):
        driver(1, capath="/no/ca").connect()
