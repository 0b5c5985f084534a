from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.shim.logfile import LogFile
from carrack.shim.logs.files import FileDriver, open_file
from carrack.shim.logs.lines import Message
from carrack.shim.logs.localfile import LocalFile

FILE = {"kind": "json-file", "name": "l", "max_size": 0, "max_file": 1}


def test_files_by_kind(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    json_file = open_file(fd, {**FILE, "attributes": '{"a":"b"}'})
    local = open_file(fd, {**FILE, "kind": "local", "name": "m"})
    assert (type(json_file), type(local)) == (LogFile, LocalFile)
    json_file.write("stdout", b"x\n")
    json_file.close()
    local.close()
    os.close(fd)
    assert '"stream":"stdout","attrs":{"a":"b"},"time":"' in (tmp_path / "l").read_text()


def test_a_file_as_a_driver(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    driver = FileDriver(fd, FILE)
    driver.connect()
    driver.send(Message(2, 10**9, b"x"))
    assert driver._file is not None
    os.dup2(os.open("/dev/full", os.O_WRONLY), driver._file._fd)
    with pytest.raises(OSError, match="the log file cannot be written"):
        driver.send(Message(2, 10**9, b"y"))
    driver.close()
    os.close(fd)
    assert (tmp_path / "l").read_text() == '{"log":"x\\n","stream":"stderr","time":"1970-01-01T00:00:01Z"}\n'
