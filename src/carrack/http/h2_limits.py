"""What a peer on HTTP/2 may make us hold and do; beyond it the connection ends.

h2 itself bounds the streams that are open at a time (100), the bytes of a header list (64 KiB) and the CONTINUATION
frames of one (CVE-2024-27316); our windows bound the bytes that nobody has read yet. Here the rest:

- streams that are opened only to be reset (CVE-2023-44487): each costs us a call, and counts as none that is open;
- a message as long as its length field can say, and many that wait for their ends;
- frames that h2 knows and grpclib does not.

That answers to pings and settings pile up unread is bounded by who feeds the protocol: it reads on when they are sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from carrack.errors import InvalidArgument

MOST_RESETS, PERIOD = 200, 10.0  # seconds
MOST_MESSAGE, MOST_AT_ONCE = 16 << 20, 64 << 20  # bytes; BuildKit takes the former too


def bound(protocol: Any, end: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
    """Bound a protocol of grpclib's that is connected; ``end`` drops its connection."""
    _resets(protocol.handler, end, clock)
    _messages(protocol.connection)


def feed(take: Callable[[bytes], None], data: bytes) -> None:
    """Give a protocol what its peer has sent. Raises InvalidArgument for frames that it cannot take."""
    try:
        take(data)
    except NotImplementedError as error:
        raise InvalidArgument(f"HTTP/2: a frame that nobody here expects: {error}") from None


def _resets(handler: Any, end: Callable[[], None], clock: Callable[[], float]) -> None:
    moments: deque[float] = deque(maxlen=MOST_RESETS)
    cancel = handler.cancel

    def counted(stream: Any) -> None:
        cancel(stream)
        now = clock()
        if len(moments) == MOST_RESETS and now - moments[0] < PERIOD:
            end()
        moments.append(now)

    handler.cancel = counted


def _messages(connection: Any) -> None:
    create = connection.create_stream
    coming = 0

    def bounded(**more: Any) -> Any:
        stream = create(**more)
        receive = stream.recv_data

        async def short(size: int) -> Any:
            nonlocal coming
            if size > MOST_MESSAGE or coming + size > MOST_AT_ONCE:
                raise InvalidArgument(f"a message of {size} bytes: the limit is {MOST_MESSAGE}, {MOST_AT_ONCE} at once")
            coming += size
            try:
                return await receive(size)
            finally:
                coming -= size

        stream.recv_data = short
        return stream

    connection.create_stream = bounded
