"""Capability names, in the kernel's numbering."""

from __future__ import annotations

from pathlib import Path

import pytest

from carrack.linux import caps


def test_numbers() -> None:
    assert len(caps.CAPABILITIES) == 41
    assert caps.CAPABILITIES["CAP_CHOWN"] == 0
    assert caps.CAPABILITIES["CAP_SYS_ADMIN"] == 21
    assert caps.CAPABILITIES["CAP_CHECKPOINT_RESTORE"] == 40


def test_dockers_default_mask() -> None:
    default = (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
        "AUDIT_WRITE"
    )
    names = [f"CAP_{name}" for name in default.split()]
    assert caps.mask(names) == 0xA80425FB
    assert set(caps.names(0xA80425FB)) == set(names)
    assert caps.names(1 << 60) == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown capability 'SYS_ADMIN'"):
        caps.mask(["CAP_CHOWN", "SYS_ADMIN"])


def test_last_cap(tmp_path: Path) -> None:
    assert caps.last_cap() >= 37
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/cap_last_cap").write_text("39\n")
    assert caps.last_cap(str(tmp_path)) == 39
