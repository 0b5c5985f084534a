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


def check(wanted: Platform, host: Platform, registered: Path = REGISTERED) -> str:
    """Raise InvalidArgument, with what to do, when programs for a platform cannot run here.

    Returns the path of the emulator where the kernel looks for it among the program's own files, else "".
    """
    if wanted.os != host.os:
        raise InvalidArgument(f"programs for {wanted} do not run on {host}")
    if wanted.architecture in (host.architecture, *_ALSO.get(host.architecture, ())):
        return ""
    found = emulators(wanted.architecture, registered)
    if not found:
        raise InvalidArgument(
            f"programs for {wanted} do not run on {host}: no emulator is registered for {wanted.architecture}; "
            "install qemu-user-static, which registers itself with binfmt_misc, or build without RUN for that platform"
        )
    return "" if "" in found else found[0]


def runnable(host: Platform, registered: Path = REGISTERED) -> list[str]:
    """The architectures whose programs run here: the host's own, what its processor runs besides, what is emulated."""
    own = (host.architecture, *_ALSO.get(host.architecture, ()))
    known = {_machine(entry) for entry in _entries(registered)}
    return [*own, *(name for name, machine in _MACHINES.items() if name not in own and machine in known)]


def explained(error: InvalidArgument, inside: str) -> InvalidArgument:
    """The error of a program that was not found, where it may be its emulator that was not."""
    if not inside or "no such file" not in str(error):
        return error
    return InvalidArgument(
        f"{error}: its emulator {inside} is not in the image, and was registered with binfmt_misc without the flag F, "
        "which would keep it open for all"
    )


def emulators(architecture: str, registered: Path = REGISTERED) -> list[str]:
    """Of each emulator that is registered and enabled the path that a container must have it at: "" with the flag F,
    by which the kernel holds it open."""
    machine = _MACHINES.get(architecture)
    found = _entries(registered) if machine else []
    return ["" if "F" in each["flags:"] else each["interpreter"] for each in found if _machine(each) == machine]


def _entries(registered: Path) -> list[dict[str, str]]:
    try:
        return [_read(entry) for entry in registered.iterdir() if entry.name not in ("register", "status")]
    except OSError:  # not mounted: none is
        return []


def _read(entry: Path) -> dict[str, str]:
    """What an entry says, by its first words; those that are always there are."""
    try:
        lines = entry.read_text().splitlines()
    except (OSError, ValueError):
        lines = []
    return {"flags:": "", "interpreter": "", **dict(line.partition(" ")[::2] for line in lines)}


def _machine(entry: dict[str, str]) -> tuple[int, int] | None:
    """For which machine's programs an enabled entry is; None for other files."""
    try:
        magic = bytes.fromhex(entry.get("magic", ""))
    except ValueError:
        return None
    if "enabled" not in entry or entry.get("offset") != "0" or magic[:4] != _ELF or len(magic) < 20:
        return None
    return magic[5], int.from_bytes(magic[18:20], "little" if magic[5] == _LITTLE else "big")
