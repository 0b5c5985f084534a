from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime.commands.context import send_console


def test_a_terminal_is_handed_over_and_let_go(tmp_path: Path) -> None:
    path = str(tmp_path / "console")
    read, write = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        send_console(path)(write)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(write)
        connection, _ = listener.accept()
        with connection:
            data, ancillary, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
    assert data
    (received,) = struct.unpack("i", ancillary[0][2])
    os.write(received, b"x")
    os.close(received)
    assert os.read(read, 2) == b"x"
    os.close(read)


def test_nobody_there_is_told_and_the_terminal_closed(tmp_path: Path) -> None:
    read, write = os.pipe()
    with pytest.raises(InvalidArgument, match="--console-socket /not/there: No such file"):
        send_console("/not/there")(write)
    assert os.read(read, 1) == b""
    os.close(read)
