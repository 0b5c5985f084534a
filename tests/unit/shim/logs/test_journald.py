from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import log_servers as servers

from carrack.errors import InvalidArgument
from carrack.shim.logs import journald
from carrack.shim.logs.journald import Journald
from carrack.shim.logs.lines import Message, Part
from carrack.shim.logs.task import Task

AT = 1_795_976_262_000_000_007


def decode(data: bytes) -> dict[str, bytes]:
    """The fields of a datagram, as the journal reads them."""
    found: dict[str, bytes] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            data = rest
        else:
            (size,) = struct.unpack_from("<Q", rest)
            value, data = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value
    return found


def test_unknown_options() -> None:
    with pytest.raises(InvalidArgument, match="unknown log opt 'x' for journald log driver"):
        journald.check({"x": "y"})
    journald.check({"tag": "t", "labels": "a"})


@given(st.dictionaries(st.text("AB_", min_size=1, max_size=3), st.binary(max_size=50), max_size=5))
def test_no_value_can_add_a_field(fields: dict[str, bytes]) -> None:
    assert decode(journald.encode(fields)) == fields


def test_names_of_fields_are_tame() -> None:
    assert [journald.field_name(name) for name in ("com.x/y", "_SYSTEMD_UNIT", "A\nB=c", "__")] == [
        "COM_X_Y", "SYSTEMD_UNIT", "A_B_C", "",
    ]  # fmt: skip


def test_attributes_do_not_replace_the_containers_own_fields() -> None:
    attributes = {"container_id": "forged", "x": "1", "___": "2"}
    fields = journald.constant_fields(Task({"driver": "journald", "id": "f" * 64, "attributes": attributes}))
    assert (fields["CONTAINER_ID"], fields["X"]) == (b"f" * 12, b"1")
    assert "" not in fields


def test_datagrams(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    task = Task({"driver": "journald", "id": "i" * 64, "name": "n", "tag": "t", "image_name": "im"})
    with pytest.raises(InvalidArgument, match=r"^journald is not enabled on this host$"):
        Journald(task, path).connect()
    with servers.unix(path, socket.SOCK_DGRAM) as server:
        driver = Journald(task, path)
        driver.connect()
        driver.send(Message(2, AT, b"line one\nPRIORITY=0"))
        driver.send(Message(1, AT, b"piece", Part("p", 1, False)))
        first, second = map(decode, server.wait(lambda got: len(got) == 2))
        driver.close()
    assert first["MESSAGE"] == b"line one\nPRIORITY=0"
    assert (first["PRIORITY"], second["PRIORITY"]) == (b"3", b"6")
    assert (first["CONTAINER_NAME"], first["CONTAINER_TAG"], first["SYSLOG_IDENTIFIER"]) == (b"n", b"t", b"t")
    assert (first["CONTAINER_ID_FULL"], first["IMAGE_NAME"]) == (b"i" * 64, b"im")
    assert first["CONTAINER_LOG_EPOCH"] == second["CONTAINER_LOG_EPOCH"]
    assert (first["CONTAINER_LOG_ORDINAL"], second["CONTAINER_LOG_ORDINAL"]) == (b"1", b"2")
    assert first["SYSLOG_TIMESTAMP"].startswith(b"2026-11-29T")
    assert second["CONTAINER_PARTIAL_MESSAGE"] == b"true"
    assert (second["CONTAINER_PARTIAL_ORDINAL"], second["CONTAINER_PARTIAL_LAST"]) == (b"1", b"false")
    assert "CONTAINER_PARTIAL_MESSAGE" not in first


def test_what_no_datagram_holds_goes_in_a_sealed_file(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        driver = Journald(Task({"driver": "journald"}), path)
        driver.connect()
        assert driver._sock is not None
        driver._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        driver.send(Message(1, AT, b"x" * 16_000))
        data, ancillary, _, _ = journal.recvmsg(100, 100)
        driver.close()
    assert data == b""
    (fd,) = struct.unpack("i", ancillary[0][2])
    assert decode(os.pread(fd, 1 << 17, 0))["MESSAGE"] == b"x" * 16_000
    os.close(fd)
