"""Inputs made of kept ones by chance: bits turned, pieces cut, doubled, moved, exchanged, numbers and words put in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

LONGEST = 64 * 1024
WORDS = [
    b"\0", b"\n", b"\r\n", b"/", b"..", b"../", b".wh.", b".wh..wh..opq", b":", b"::", b",", b"=", b"%", b"\\", b'"',
    b"[", b"]", b"{", b"}", b"null", b"true", b"1e999", b"-1", b"0", b"65535", b"65536", b"2147483648", b"4294967296",
    b"9" * 30, b"9" * 5000, b"\xff" * 8, b"\xc3\x28", b"\xed\xa0\x80", "\u0660".encode(), "\uff11".encode(),
    b"\\ud800", b"[" * 70, b"[" * 1200, b'{"a":' * 100, b"sha256:" + b"a" * 64, b"tcp", b"0x0", b"+", b" ", b"\t",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\x80" + b"\xff" * 7, b"\0" * 512, b"7" * 11,
]  # fmt: skip


def changed(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """One input: a seed after one to eight changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        chance.choice(_CHANGES)(chance, data, seeds)
    return bytes(data[:LONGEST])


def _turn_bit(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set_byte(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _cut(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start, end = _range(chance, data)
    del data[start:end]


def _double(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start, end = _range(chance, data)
    data[end:end] = data[start:end] * chance.choice((1, 1, 2, 20))


def _put_word(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start, end = _range(chance, data)
    data[start : chance.choice((start, end))] = chance.choice(WORDS)


def _from_another(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(seeds))
    start, end = _range(chance, other)
    at = chance.randint(0, len(data))
    data[at : at + chance.choice((0, end - start))] = other[start:end]


def _exchange(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start, end = _range(chance, data)
    piece = data[start:end]
    del data[start:end]
    at = chance.randint(0, len(data))
    data[at:at] = piece


def _range(chance: Random, data: bytearray) -> tuple[int, int]:
    start = chance.randint(0, len(data))
    return start, min(len(data), start + chance.choice((1, 2, 4, 8, 32, 512, len(data))))


_CHANGES: list[Callable[[Random, bytearray, Sequence[bytes]], None]] = [
    _turn_bit, _set_byte, _cut, _double, _put_word, _put_word, _from_another, _exchange,
]  # fmt: skip
