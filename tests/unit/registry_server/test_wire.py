"""Bytes to and from a real socket, plain and with TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
from tests.fakes import certificates

from carrack.registry_server.wire import Wire


def test_a_file_part_is_sent_and_a_short_one_noticed(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    wire = Wire(here)
    wire.open()
    with open(tmp_path / "blob", "w+b") as file:
        file.write(b"0123456789")
        file.flush()
        wire.send_file(file.fileno(), 2, 5)
        assert there.recv(100) == b"23456"
        with pytest.raises(ConnectionAbortedError):
            wire.send_file(file.fileno(), 8, 5)
    there.close()
    wire.close()


def test_one_who_sends_and_takes_nothing_is_not_waited_for() -> None:
    here, there = socket.socketpair()
    wire = Wire(here)
    wire.open()
    wire.patience(0.05)
    with pytest.raises(TimeoutError):
        wire.receive(10)
    with pytest.raises(TimeoutError):
        wire.receive_into(bytearray(10), whole=True)
    with pytest.raises(TimeoutError):
        wire.send(bytes(16 << 20))
    there.close()
    wire.close()


def test_another_thread_can_wake_it() -> None:
    here, there = socket.socketpair()
    wire = Wire(here)
    wire.open()
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(wire.receive(10)))
    thread.start()
    wire.wake()
    thread.join(5)
    assert found == [b""]
    wire.wake()
    wire.close()
    there.close()


def test_tls_carries_files_and_says_so(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server, made.server_key)
    here, there = socket.socketpair()
    content = os.urandom(600_000)
    (tmp_path / "blob").write_bytes(content)
    wire = Wire(here, context)
    got: list[bytes] = []

    def serve() -> None:
        wire.open()
        got.append(wire.receive(4))
        with open(tmp_path / "blob", "rb") as file:
            wire.send_file(file.fileno(), 0, len(content))
        wire.close()

    thread = threading.Thread(target=serve)
    thread.start()
    client = made.client_context(anonymous=True).wrap_socket(there, server_hostname="localhost")
    client.sendall(b"go on")
    received = b""
    while len(received) < len(content):
        received += client.recv(1 << 16)
    thread.join(5)
    client.close()
    assert wire.secure
    assert got == [b"go o"]
    assert received == content
