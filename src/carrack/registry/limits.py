"""What a registry says of how many pulls are left (Docker Hub's fields `RateLimit-*`), and when to try again."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass

from carrack.registry.head import Headers


@dataclass(frozen=True, slots=True)
class RateLimits:
    """`remaining` of `limit` pulls within `seconds`; `source` is whom they are counted for (an address or account)."""

    limit: int
    remaining: int
    seconds: int
    source: str = ""


def parse(headers: Headers) -> RateLimits | None:
    """The limits that an answer tells of; None when it does not, or not in a form that is known.

    The form is `RateLimit-Limit: 100;w=21600` and `RateLimit-Remaining: 76;w=21600`.
    """
    limit, window = _number(headers.get("ratelimit-limit"))
    remaining, _ = _number(headers.get("ratelimit-remaining"))
    if limit is None or remaining is None:
        return None
    source = "".join(c for c in headers.get("docker-ratelimit-source")[:128] if c.isprintable())
    return RateLimits(limit, remaining, window or 0, source)


def retry_after(headers: Headers) -> float | None:
    """Seconds to wait by the field `Retry-After`, a number or a date; None without one."""
    text = headers.get("retry-after").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> tuple[int | None, int | None]:
    """The number before the semicolon and that of the parameter `w`."""
    first, *rest = (part.strip() for part in text.split(";"))
    window = next((part[2:] for part in rest if part.startswith("w=")), "")
    return _whole(first), _whole(window)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
