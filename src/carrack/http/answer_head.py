"""The head of a whole answer, as it is written."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from email.utils import formatdate

BODILESS = (204, 304)


def answer_head(
    status: int, reason: str, fields: Mapping[str, str], size: int, *, minor: int = 1, keep_alive: bool = True
) -> bytes:
    """RFC 9112, for a body of ``size`` bytes. Raises ValueError when a header would be more than one line."""
    lines = [f"HTTP/1.{minor} {status} {reason}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if status not in BODILESS and "Content-Length" not in fields:
        lines.append(f"Content-Length: {size}")
    lines.append(f"Date: {_date(int(time.time()))}")
    if keep_alive and minor == 0:
        lines.append("Connection: keep-alive")
    elif not keep_alive and minor:
        lines.append("Connection: close")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line end within a header of an answer")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


@functools.lru_cache(2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
