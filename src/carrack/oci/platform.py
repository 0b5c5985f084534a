"""Platforms (`linux/arm64/v8`): how they are typed, brought to one form, and matched.

Source: OCI image specification, image-index.md, "platform"; the short forms are those that Docker's clients take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carrack.errors import InvalidArgument
from carrack.oci import document

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "loongarch64": ("loong64", ""),
}
_KNOWN_ARCHITECTURES = frozenset(
    {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle"}
    | {"ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
)
_KNOWN_SYSTEMS = frozenset(
    {"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "linux", "netbsd", "openbsd"}
    | {"plan9", "solaris", "wasip1", "windows"}
)
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform in its normal form; an empty field means "not said"."""

    os: str = "linux"
    architecture: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def document(self) -> dict[str, Any]:
        """As a JSON object of a descriptor's `platform`."""
        result: dict[str, Any] = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            result["os.version"] = self.os_version
        if self.os_features:
            result["os.features"] = list(self.os_features)
        if self.variant:
            result["variant"] = self.variant
        return result


def normal(os: str, architecture: str, variant: str = "", os_version: str = "") -> Platform:
    """A platform with the many spellings of architectures and variants brought to one."""
    os = {"macos": "darwin", "": "linux"}.get(os.lower(), os.lower())
    architecture, variant = architecture.lower(), variant.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    variant = variant or implied
    if variant and variant[0].isdigit():
        variant = "v" + variant
    if (architecture, variant) in {("arm64", "v8"), ("amd64", "v1")}:
        variant = ""
    if architecture == "arm" and not variant:
        variant = "v7"
    return Platform(os, architecture, variant, os_version)


def parse(text: str, *, default_architecture: str = "amd64") -> Platform:
    """Parse what a user typed: `linux`, `arm64`, `linux/arm64`, `linux/arm/v7`; InvalidArgument when it is none."""
    parts = text.lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(part[:1].isalnum() and _WORD.issuperset(part) for part in parts):
        raise InvalidArgument(
            f"{text!r} is an invalid platform: expected os, architecture or os/architecture[/variant]"
        )
    if len(parts) == 1:
        word = parts[0]
        if word in _KNOWN_SYSTEMS:
            return normal(word, default_architecture)
        platform = normal("linux", word)
        if platform.architecture not in _KNOWN_ARCHITECTURES:
            raise InvalidArgument(f"{text!r}: unknown operating system or architecture: invalid argument")
        return platform
    return normal(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def from_document(value: Mapping[str, Any], what: str = "platform") -> Platform:
    """Read a JSON `platform` object."""
    platform = normal(
        document.text(value, "os", what),
        document.text(value, "architecture", what),
        document.text(value, "variant", what),
        document.text(value, "os.version", what),
    )
    features = tuple(document.texts(value, "os.features", what) or ())
    return Platform(platform.os, platform.architecture, platform.variant, platform.os_version, features)


def of_machine(machine: str) -> Platform:
    """The platform of a Linux machine, by the name that uname(2) gives it."""
    return normal("linux", machine)


def matches(wanted: Platform, offered: Platform) -> bool:
    """Whether an image for `offered` satisfies a request for `wanted`; a field not said in `wanted` matches all."""
    if wanted.os != offered.os or (wanted.architecture and wanted.architecture != offered.architecture):
        return False
    return not wanted.variant or wanted.variant == offered.variant
