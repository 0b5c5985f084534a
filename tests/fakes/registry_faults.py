"""What a broken or lying registry does, as values: which requests it happens to, and what happens to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived: `target` is path and query undecoded, `headers` have lower-case names.

    `body` holds at most the first 64 KiB; `status` is what was answered (0: the connection was broken first).
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@dataclass(slots=True)
class Fault:
    """What is done to requests whose target `pattern` is found in (a regular expression), of `method` ("" any).

    `skip` of them pass unharmed first, then `times` are harmed (None: all). `when` may look closer at one.
    Several members may be set at once; those that are not leave the honest answer as it is.
    """

    pattern: str
    method: str = ""
    times: int | None = 1
    skip: int = 0
    when: Callable[[Request], bool] | None = None

    status: int = 0  # answered instead, with an error document of `code` and `message`, or with `body`
    code: str = "UNKNOWN"
    message: str = "the fake was told to fail"
    headers: Mapping[str, str | None] = field(default_factory=dict)  # put over the answer's; None takes one away
    body: bytes | None = None  # sent instead of the honest one
    fill: int | None = None  # a body of so many zero bytes, made while it is sent
    redirect: str = ""  # 307 to this; "{target}" in it stands for the request's own path and query
    stall: float = 0  # seconds before the answer begins, or, with `stall_after`, after so many bytes of its body
    stall_after: int | None = None
    speed: int = 0  # bytes of the body a second
    cut: int | None = None  # the connection ends after so many bytes of the body
    reset: bool = False  # and does so with a TCP reset
    length: int | None = None  # said as Content-Length, whatever the body has
    chunked: bool = False  # no Content-Length, Transfer-Encoding: chunked
    corrupt: int | None = None  # the byte of the whole body at this offset is turned over
    ignore_range: bool = False  # 200 and everything for a request with Range
    content_range: str = ""  # said in a 206
    take: int | None = None  # so many bytes of the request's body are taken (and kept), then the connection ends

    seen: int = field(default=0, init=False)

    def strikes(self, request: Request) -> bool:
        """Whether it happens to this request; counts."""
        if self.method and self.method != request.method:
            return False
        if not re.search(self.pattern, request.target) or (self.when is not None and not self.when(request)):
            return False
        self.seen += 1
        return self.seen > self.skip and (self.times is None or self.seen <= self.skip + self.times)


def matching(faults: list[Fault], request: Request) -> Fault | None:
    """The first of them that happens to the request; the others do not count it."""
    return next((fault for fault in faults if fault.strikes(request)), None)


@dataclass(slots=True)
class Answer:
    """What is to be sent; `body` is made from `start` on when the request asked for a range."""

    status: int
    body: Any = b""  # bytes, or a Path of a file
    headers: dict[str, str] = field(default_factory=dict)
