"""The tables hold what the kernel's headers and libseccomp say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.fakes import libseccomp

from carrack.linux.syscall_tables import X32_BIT, numbers

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm")
LIB = libseccomp.library()


def test_well_known_numbers() -> None:
    assert {machine: numbers(machine)["openat"] for machine in ("x86_64", "i386", "aarch64", "arm")} == {
        "x86_64": 257,
        "i386": 295,
        "aarch64": 56,
        "arm": 322,
    }
    assert numbers("x32")["ioctl"] == X32_BIT | 514
    assert numbers("x32")["read"] == X32_BIT
    assert {numbers(machine)["mseal"] for machine in ("x86_64", "i386", "aarch64", "arm")} == {462}
    assert numbers("i386")["socket"] == 359
    assert "memfd_secret" not in numbers("arm")


@pytest.mark.parametrize("machine", ["x86_64", "x32", "i386", "aarch64", "arm"])
def test_no_number_twice(machine: str) -> None:
    table = numbers(machine)
    assert len(set(table.values())) == len(table)
    assert numbers(machine) is table


def test_unknown_machine() -> None:
    with pytest.raises(KeyError):
        numbers("vax")


@pytest.mark.parametrize(("machine", "header"), [("x86_64", "64"), ("i386", "32"), ("x32", "x32")])
def test_as_the_headers(machine: str, header: str) -> None:
    path = HEADERS / f"unistd_{header}.h"
    if not path.exists():
        pytest.skip(f"no kernel headers: {path}")
    found = re.findall(r"#define __NR_(\w+) (\(__X32_SYSCALL_BIT \+ )?(\d+)", path.read_text())
    table = numbers(machine)
    assert len(found) > 300
    assert {name: table.get(name) for name, _, _ in found} == {
        name: int(number) | (X32_BIT if bit else 0) for name, bit, number in found
    }


@pytest.mark.skipif(LIB is None, reason="libseccomp.so.2 is not installed")
@pytest.mark.parametrize(("machine", "token"), [("aarch64", 0xC00000B7), ("arm", 0x40000028), ("i386", 0x40000003)])
def test_as_libseccomp(machine: str, token: int) -> None:
    assert LIB is not None
    known = {name: libseccomp.number(LIB, token, name) for name in numbers(machine)}
    agreed = {name: number for name, number in known.items() if number >= 0}
    assert len(agreed) > 290
    assert {name: numbers(machine)[name] for name in agreed} == agreed
