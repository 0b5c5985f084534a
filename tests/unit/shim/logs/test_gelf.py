from __future__ import annotations

import json
import socket
import zlib

import pytest
from tests.fakes import log_servers as servers

from carrack.errors import InvalidArgument
from carrack.shim.logs import gelf
from carrack.shim.logs.gelf import Gelf
from carrack.shim.logs.lines import Message
from carrack.shim.logs.task import Task

AT = 1_795_976_252_257_999_999


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x": "y"}, "gelf-address is a required parameter"),
        ({"gelf-address": "foo://x"}, "gelf: endpoint needs to be TCP or UDP"),
        ({"gelf-address": "udp://x"}, "gelf: please provide gelf-address as proto://host:port"),
        ({"gelf-address": "udp://x:1/p"}, "gelf: please provide gelf-address as proto://host:port"),
        ({"gelf-address": "udp://h:1", "x": "y"}, 'unknown log opt "x" for gelf log driver'),
        ({"gelf-address": "tcp://h:1", "gelf-compression-type": "gzip"}, "compression is only supported on UDP"),
        (
            {"gelf-address": "udp://h:1", "gelf-tcp-max-reconnect": "1"},
            '"gelf-tcp-max-reconnect" is only valid for TCP',
        ),
        (
            {"gelf-address": "tcp://h:1", "gelf-tcp-reconnect-delay": "-1"},
            '"gelf-tcp-reconnect-delay" must be a positive integer',
        ),
        (
            {"gelf-address": "udp://h:1", "gelf-compression-level": "10"},
            'unknown value "10" for log opt "gelf-compression-level" for gelf log driver',
        ),
    ],
)
def test_refusals(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        gelf.check(options)
    assert str(refusal.value) == text


def test_a_document_has_the_fields_of_a_container() -> None:
    fields = gelf.extras(Task({"driver": "gelf", "id": "i", "name": "n", "attributes": {"a": "1", "_b": "2"}}))
    assert list(fields)[:3] == ["_a", "_b", "_command"]
    found = json.loads(gelf.document(Message(2, AT, b"err\xff"), "vm", fields))
    assert found["short_message"] == "err\ufffd"
    assert (found["version"], found["host"], found["timestamp"], found["level"]) == ("1.1", "vm", 1795976252.257, 3)
    assert (found["_container_id"], found["_a"]) == ("i", "1")


def test_long_messages_go_in_chunks() -> None:
    assert gelf.chunks(b"x" * 1420, b"12345678") == [b"x" * 1420]
    parts = gelf.chunks(b"x" * 3000, b"12345678")
    assert [part[:12] for part in parts] == [b"\x1e\x0f12345678" + bytes((n, 3)) for n in range(3)]
    assert b"".join(part[12:] for part in parts) == b"x" * 3000
    with pytest.raises(ValueError, match="does not fit 128 chunks"):
        gelf.chunks(b"x" * 1408 * 129, b"12345678")


def task(**options: str) -> Task:
    named = {f"gelf-{key.replace('_', '-')}": value for key, value in options.items()}
    return Task({"driver": "gelf", "options": named, "hostname": "vm"})


@pytest.mark.parametrize(("kind", "wbits"), [("gzip", 31), ("zlib", 15), ("none", 0)])
def test_datagrams_are_compressed_as_asked(kind: str, wbits: int) -> None:
    with servers.udp() as server:
        driver = Gelf(task(address=f"udp://127.0.0.1:{server.port}", compression_type=kind))
        driver.connect()
        driver.send(Message(1, AT, b""))
        driver.send(Message(1, AT, b"hi"))
        driver.close()
        (data,) = server.wait(lambda got: bool(got))
        assert json.loads(zlib.decompress(data, wbits) if wbits else data)["short_message"] == "hi"


def test_a_level_is_the_compressors() -> None:
    with servers.udp() as server:
        driver = Gelf(task(address=f"udp://127.0.0.1:{server.port}", compression_level="0"))
        driver.send(Message(1, AT, b"x" * 500))
        driver.close()
        (data,) = server.wait(lambda got: bool(got))
        assert b"x" * 500 in data


def test_a_stream_is_made_anew_and_given_up_after_so_many_times() -> None:
    with servers.tcp() as server:
        address = f"tcp://127.0.0.1:{server.port}"
        driver = Gelf(task(address=address, tcp_max_reconnect="1", tcp_reconnect_delay="0"))
        driver.connect()
        driver.send(Message(1, AT, b"one"))
        server.wait(lambda got: bool(got) and got[0].endswith(b"\0"))
        server.connections[0].shutdown(socket.SHUT_RDWR)
        driver.send(Message(1, AT, b"two"))
        server.wait(lambda got: len(got) == 2 and b"two" in got[1])
        driver.close()
    with pytest.raises(OSError, match=r"gelf: cannot connect to GELF endpoint: .*connection refused"):
        driver.send(Message(1, AT, b"three"))
