"""Runs a seccomp filter on a made-up system call, as the kernel's interpreter of classic BPF would."""

from __future__ import annotations

import struct

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028

_INSTRUCTION = struct.Struct("=HBBI")

Program = list[tuple[int, int, int, int]]


def decode(program: bytes) -> Program:
    """The instructions; a filter that the kernel would refuse fails here: bad length, jump out, fall off the end."""
    assert program
    assert len(program) % 8 == 0
    code: Program = [tuple(item) for item in _INSTRUCTION.iter_unpack(program)]
    assert len(code) <= 4096
    for at, (operation, true, false, operand) in enumerate(code):
        furthest = operand if operation == 0x05 else max(true, false) if operation & 7 == 5 else 0
        assert at + furthest + 1 < len(code) or operation == 0x06, at
    return code


def run(code: Program, number: int, architecture: int, arguments: tuple[int, ...] = ()) -> int:
    """The filter's answer (SECCOMP_RET_*)."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    accumulator = at = 0
    while True:
        operation, true, false, operand = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif operation == 0x06:
            return operand
        elif operation == 0x05:
            at += operand
        elif operation == 0x54:
            accumulator &= operand
        else:
            holds = {
                0x15: accumulator == operand,
                0x25: accumulator > operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[operation]
            at += true if holds else false
