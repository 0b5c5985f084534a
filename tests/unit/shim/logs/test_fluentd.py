from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import log_servers as servers

from carrack.errors import InvalidArgument
from carrack.shim.logs import fluentd
from carrack.shim.logs.fluentd import Fluentd
from carrack.shim.logs.lines import Message, Part
from carrack.shim.logs.msgpack import pack, unpack
from carrack.shim.logs.task import Task

AT = 1_795_976_262_000_000_007


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x": "y"}, "unknown log opt 'x' for fluentd log driver"),
        ({"fluentd-address": "foo://x"}, "invalid fluentd-address (foo://x): unsupported scheme: 'foo'"),
        (
            {"fluentd-address": "tcp://h:1/p"},
            "invalid fluentd-address (tcp://h:1/p): should not contain a path element",
        ),
        ({"fluentd-address": "unix://"}, "invalid fluentd-address (unix://): path is empty"),
        ({"fluentd-async": "foo"}, 'strconv.ParseBool: parsing "foo": invalid syntax'),
        (
            {"fluentd-async-reconnect-interval": "foo"},
            'invalid value for fluentd-async-reconnect-interval: time: invalid duration "foo"',
        ),
        (
            {"fluentd-async-reconnect-interval": "1ms"},
            'invalid value for fluentd-async-reconnect-interval: value ("1ms") must be between 100ms and 10s',
        ),
        ({"fluentd-buffer-limit": "foo"}, "invalid size: 'foo'"),
        ({"fluentd-max-retries": "foo"}, 'strconv.ParseUint: parsing "foo": invalid syntax'),
        ({"fluentd-retry-wait": "foo"}, 'time: invalid duration "foo"'),
        (
            {"fluentd-write-timeout": "foo"},
            'invalid value for fluentd-write-timeout: value must be a duration: time: invalid duration "foo"',
        ),
        (
            {"fluentd-write-timeout": "-1s"},
            "invalid value for fluentd-write-timeout: value must be a duration that is non-negative",
        ),
    ],
)
def test_refusals(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        fluentd.check(options)
    assert str(refusal.value) == text


def test_places() -> None:
    assert fluentd.place("") == ("tcp", ("127.0.0.1", 24224))
    assert fluentd.place("h") == ("tcp", ("h", 24224))
    assert fluentd.place("tls://h:1") == ("tls", ("h", 1))
    assert fluentd.place("unix:///x") == ("unix", "/x")


def test_pieces_of_a_line_say_so() -> None:
    task = Task({"driver": "fluentd", "id": "i", "name": "n", "attributes": {"a": "1"}})
    found = fluentd.record(Message(2, AT, b"x", Part("p", 2, True)), task)
    assert found == {
        "container_id": "i", "container_name": "/n", "source": "stderr", "log": b"x", "a": "1",
        "partial_message": "true", "partial_id": "p", "partial_ordinal": "2", "partial_last": "true",
    }  # fmt: skip
    assert "partial_id" not in fluentd.record(Message(2, AT, b"x"), task)


def task(**options: str) -> Task:
    named = {f"fluentd-{key.replace('_', '-')}": value for key, value in options.items()}
    return Task({"driver": "fluentd", "options": named, "tag": "t"})


def acknowledge(data: bytes) -> bytes:
    found: Any = unpack(data)
    return pack({"ack": found[0][3]["chunk"]})


def test_messages_of_the_forward_protocol() -> None:
    with servers.tcp() as server:
        driver = Fluentd(task(address=f"127.0.0.1:{server.port}"))
        driver.connect()
        driver.send(Message(1, AT, b"hi"))
        (data,) = server.wait(lambda got: bool(got) and got[0].endswith(b"\x80"))
        assert data.startswith(b"\x94\xa1t\xd2k\x0clF\x84\xaccontainer_id\xa0")
        driver.close()


def test_a_precise_time() -> None:
    with servers.tcp() as server:
        driver = Fluentd(task(address=f"127.0.0.1:{server.port}", sub_second_precision="true"))
        driver.send(Message(1, AT, b"hi"))
        (data,) = server.wait(lambda got: bool(got) and got[0].endswith(b"\x80"))
        assert data.startswith(b"\x94\xa1t\xd7\x00k\x0clF\x00\x00\x00\x07")
        driver.close()


def test_acknowledged_messages() -> None:
    with servers.tcp(acknowledge) as server:
        driver = Fluentd(task(address=f"127.0.0.1:{server.port}", request_ack="true"))
        driver.send(Message(1, AT, b"one"))
        driver.send(Message(1, AT, b"two"))
        assert b"two" in server.wait(lambda got: b"two" in got[0])[0]
        driver.close()


@pytest.mark.parametrize("answer", [b"", pack({"ack": "another"}), b"\xc1"])
def test_a_message_that_is_not_acknowledged_is_lost_after_the_retries(answer: bytes) -> None:
    with servers.tcp(lambda _: answer) as server:
        options = {"request_ack": "true", "max_retries": "1", "retry_wait": "1ms", "read_timeout": "50ms"}
        driver = Fluentd(task(address=f"127.0.0.1:{server.port}", **options))
        with pytest.raises(OSError, match="fluentd: "):
            driver.send(Message(1, AT, b"one"))
        assert len(server.wait(lambda got: len(got) == 2)) == 2


def test_retries_outlast_a_server_that_comes_late(tmp_path: Path) -> None:
    path = str(tmp_path / "late")
    driver = Fluentd(task(address=f"unix://{path}", retry_wait="10ms", **{"async": "true"}))
    driver.connect()
    sender = threading.Thread(target=driver.send, args=(Message(1, AT, b"hi"),))
    sender.start()
    with servers.unix(path) as server:
        server.wait(lambda got: b"hi" in b"".join(got))
        sender.join(10)
        driver.close()


def test_an_old_connection_is_made_anew_when_asked() -> None:
    with servers.tcp() as server:
        options = {"async": "true", "async_reconnect_interval": "100ms"}
        driver = Fluentd(task(address=f"127.0.0.1:{server.port}", **options))
        driver.send(Message(1, AT, b"one"))
        driver._since -= 1
        driver.send(Message(1, AT, b"two"))
        server.wait(lambda got: len(got) == 2 and b"two" in got[1])
        driver.close()


def test_a_server_that_takes_nothing_is_given_up_after_the_write_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        driver = Fluentd(task(address=f"127.0.0.1:{port}", write_timeout="50ms", max_retries="0"))
        with pytest.raises(OSError, match="timed out"):
            driver.send(Message(1, AT, b"x" * 50_000_000))
