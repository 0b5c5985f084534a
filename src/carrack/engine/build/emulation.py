"""Programs of another architecture: whether this kernel runs them, by itself or by an emulator that it was told of.

Source: Linux, "Kernel Support for miscellaneous Binary Formats"; System V ABI, e_ident and e_machine of ELF.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument

if TYPE_CHECKING:
    from carrack.oci.platform import Platform

REGISTERED = Path("/proc/sys/fs/binfmt_misc")
_ELF = b"\x7fELF"
_LITTLE, _BIG = 1, 2
#: by architecture: byte order and machine in the head of its programs
_MACHINES = {
    "386": (_LITTLE, 3), "amd64": (_LITTLE, 62), "arm": (_LITTLE, 40), "arm64": (_LITTLE, 183),
    "loong64": (_LITTLE, 258), "mips64le": (_LITTLE, 8), "ppc64le": (_LITTLE, 21), "riscv64": (_LITTLE, 243),
    "s390x": (_BIG, 22),
}  # fmt: skip
#: what a machine of the first architecture runs besides its own
_ALSO = {"amd64": ("386",), "arm64": ("arm",)}


def check(wanted: Platform, host: Platform, registered: Path = REGISTERED) -> None:
    """Raise InvalidArgument, with what to do, when programs for a platform cannot run here."""
    if wanted.os != host.os:
        raise InvalidArgument(f"programs for {wanted} do not run on {host}")
    if wanted.architecture in (host.architecture, *_ALSO.get(host.architecture, ())):
        return
    if not emulated(wanted.architecture, registered):
        raise InvalidArgument(
            f"programs for {wanted} do not run on {host}: no emulator is registered for {wanted.architecture}; "
            "install qemu-user-static, which registers itself with binfmt_misc, or build without RUN for that platform"
        )


def emulated(architecture: str, registered: Path = REGISTERED) -> bool:
    """Whether an emulator is registered, and enabled."""
    machine = _MACHINES.get(architecture)
    try:
        entries = [entry for entry in registered.iterdir() if entry.name not in ("register", "status")]
    except OSError:  # not mounted: none is
        return False
    return machine is not None and any(_machine(entry) == machine for entry in entries)


def _machine(entry: Path) -> tuple[int, int] | None:
    """For which machine's programs an enabled entry is; None for other files."""
    try:
        lines = entry.read_text().splitlines()
        values = dict(line.partition(" ")[::2] for line in lines)
        magic = bytes.fromhex(values.get("magic", ""))
    except (OSError, ValueError):
        return None
    if lines[:1] != ["enabled"] or values.get("offset") != "0" or magic[:4] != _ELF or len(magic) < 20:
        return None
    return magic[5], int.from_bytes(magic[18:20], "little" if magic[5] == _LITTLE else "big")
