"""The daemon's own log, on standard error, where systemd and containers' users look for it."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}

_NAMES = {logging.WARNING: "warn", logging.CRITICAL: "fatal"}


def set_up(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send the log to `stream` (standard error). `style` is "text" or "json"; may be called again to change it."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    # asyncio's own debug lines tell of every selector; they help nobody who runs containers.
    logging.getLogger("asyncio").setLevel(max(LEVELS[level], logging.INFO))
    # aiohttp would log a trace of each request that it refuses; handlers' failures do not get as far as it.
    logging.getLogger("aiohttp.server").setLevel(LEVELS[level] if level == "debug" else logging.CRITICAL)
    # grpclib tells of each call that a client left behind; what that ended is told where it is known.
    logging.getLogger("grpclib").setLevel(LEVELS[level] if level == "debug" else logging.WARNING)


def _when(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _level(record: logging.LogRecord) -> str:
    return _NAMES.get(record.levelno, record.levelname.lower())


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # One event, one line (and its trace): what a client sent cannot forge further lines.
        message = record.getMessage().replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_when(record)} {_level(record):5} {record.name.removeprefix('carrack.')}: {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {"time": _when(record), "level": _level(record), "logger": record.name, "msg": record.getMessage()}
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
