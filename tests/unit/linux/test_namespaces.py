"""Names of namespaces agree with the running kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.linux import namespaces


def test_flags() -> None:
    assert namespaces.flags(["pid", "network"]) == 0x60000000
    assert namespaces.flags(()) == 0
    with pytest.raises(ValueError, match="unknown namespace type 'net': known are user, pid, network"):
        namespaces.flags(["net"])


def test_every_type_has_a_file_in_proc() -> None:
    assert set(namespaces.FLAGS) == set(namespaces.PROC_NAMES)
    for name in namespaces.FLAGS:
        assert os.readlink(namespaces.proc_path("self", name)).startswith(namespaces.PROC_NAMES[name] + ":[")
    assert namespaces.proc_path(7, "network", "/x") == "/x/7/ns/net"


def test_descriptors_tell_their_kind(tmp_path: Path) -> None:
    for name, flag in namespaces.FLAGS.items():
        with open(namespaces.proc_path("self", name)) as file:
            assert namespaces.flag_of(file.fileno()) == flag
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", "/dev/null"):
        fd = os.open(path, os.O_RDONLY)
        try:
            assert namespaces.flag_of(fd) == 0
        finally:
            os.close(fd)
