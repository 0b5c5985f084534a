"""How two images' configs differ, member by member: what a user would have set in one place. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carrack.oci.image_config import ImageConfigDocument

_TOP = ("architecture", "variant", "os", "os.version", "author")
_MAPS = ("Labels",)
_SETS = ("ExposedPorts", "Volumes")


def differences(old: ImageConfigDocument, new: ImageConfigDocument) -> list[dict[str, Any]]:
    """``[{"Field": "Env.PATH", "Before": value, "After": value}]`` sorted by field; None where one has nothing."""
    before, after = _flat(old), _flat(new)
    return [
        {"Field": field, "Before": before.get(field), "After": after.get(field)}
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    ]


def _flat(document: ImageConfigDocument) -> dict[str, Any]:
    whole: Mapping[str, Any] = document
    found = {key: whole[key] for key in _TOP if whole.get(key)}
    for key, value in (whole.get("config") or {}).items():
        if not value:
            continue
        if key == "Env":
            found |= {f"Env.{name}": rest for name, _, rest in (word.partition("=") for word in value)}
        elif key in _MAPS:
            found |= {f"{key}.{name}": each for name, each in value.items()}
        elif key in _SETS:
            found |= {f"{key}.{name}": True for name in value}
        else:
            found[key] = value
    return found
