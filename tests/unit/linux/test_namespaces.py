"""Names of namespaces agree with the running kernel's."""

from __future__ import annotations

import os

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
