"""Conditions on the arguments of a system call, as instructions of a seccomp filter.

A filter can only load 32 bits at a time, so each comparison of a 64-bit argument is one of its upper word that
decides, or leaves the decision to the lower word. Pure.
"""

from __future__ import annotations

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    #: operation, jump if true, jump if false, operand: struct sock_filter
    Instruction = tuple[int, int, int, int]
    #: argument index, operator, value, second value
    Condition = tuple[int, str, int, int]
    #: answer, name of the call, whether its arguments have 32 bits, conditions that must all hold
    Alternative = tuple[int, str, bool, tuple[Condition, ...]]

WORD = 0xFFFFFFFF

_LOAD, _RETURN, _AND = 0x20, 0x06, 0x54
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST = 0x15, 0x25, 0x35
_ARGUMENTS_OFFSET = 16

#: jump target: the next alternative, because this one does not match
_FAIL = -1

_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_NEGATED = {"NE": "EQ", "LT": "GE", "LE": "GT"}

#: arguments that the kernel reads as 32 bits whatever the register holds: call → bit mask of argument indexes
_INT_ARGUMENTS = {
    "socket": 0b111,
    "socketpair": 0b111,
    "socketcall": 0b1,
    "ipc": 0b1,
    "personality": 0b1,
    "ioctl": 0b11,
    "fcntl": 0b11,
    "prctl": 0b1,
    "bpf": 0b1,
    "keyctl": 0b1,
    "seccomp": 0b11,
    "setns": 0b11,
    "setsockopt": 0b111,
    "getsockopt": 0b111,
    "kill": 0b11,
    "tkill": 0b11,
    "tgkill": 0b111,
    "quotactl": 0b1,
    "syslog": 0b1,
    "open": 0b10,
    "openat": 0b101,
}


def parse_conditions(arguments: object, where: str) -> list[list[Condition]]:
    """The ``args`` of a rule as alternatives, each a list of conditions that must all hold; none: unconditional.

    InvalidArgument names the broken place below ``where``.
    """
    if not arguments:
        return []
    if not isinstance(arguments, list):
        raise InvalidArgument(f"{where}.args: not a list")
    conditions = [_condition(argument, f"{where}.args[{index}]") for index, argument in enumerate(arguments)]
    indexes = {condition[0] for condition in conditions}
    return [conditions] if len(indexes) == len(conditions) else [[condition] for condition in conditions]


def _condition(argument: object, where: str) -> Condition:
    if not isinstance(argument, dict):
        raise InvalidArgument(f"{where}: not an object")
    operator = argument.get("op")
    name = operator.removeprefix("SCMP_CMP_") if isinstance(operator, str) else ""
    if name == operator or name not in _OPERATORS:
        raise InvalidArgument(f"{where}.op: unknown operator {operator!r}")
    index = _number(argument.get("index", 0), 5, f"{where}.index")
    value = _number(argument.get("value", 0), 2**64 - 1, f"{where}.value")
    return index, name, value, _number(argument.get("valueTwo", 0), 2**64 - 1, f"{where}.valueTwo")


def _number(value: object, highest: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        raise InvalidArgument(f"{where}: {value!r} is not a number from 0 to {highest}")
    return value


def conditional(alternatives: tuple[Alternative, ...], default: int) -> list[Instruction]:
    """Try the alternatives in order, return the answer of the first that matches, else the default."""
    code: list[Instruction] = []
    for action, call, narrow, conditions in alternatives:
        block = _all_hold(conditions, call, narrow)
        if block is not None:
            code += [*_resolved(block), (_RETURN, 0, 0, action)]
    return [*code, (_RETURN, 0, 0, default)]


def _all_hold(conditions: tuple[Condition, ...], call: str, narrow: bool) -> list[Instruction] | None:
    """Instructions that jump to _FAIL unless all conditions hold; None: they never can."""
    block: list[Instruction] = []
    ints = _INT_ARGUMENTS.get(call, 0)
    for index, operator, value, second in conditions:
        offset = _ARGUMENTS_OFFSET + 8 * index
        if narrow or ints >> index & 1:
            code = _compare_32(offset, operator, value, second)
        else:
            code = _compare_64(offset, operator, value, second)
        if code is None:
            return None
        block += code
    return block


def _resolved(block: list[Instruction]) -> list[Instruction]:
    """Let _FAIL land behind the return that follows the block."""
    size = len(block)
    return [
        (code, size - at if true == _FAIL else true, size - at if false == _FAIL else false, operand)
        for at, (code, true, false, operand) in enumerate(block)
    ]


def _compare_32(offset: int, operator: str, value: int, second: int) -> list[Instruction] | None:
    """The upper word is known to be zero; an empty list always holds, None never."""
    load = (_LOAD, 0, 0, offset)
    if operator == "MASKED_EQ":
        return [load, (_AND, 0, 0, value & WORD), (_IF_EQUAL, 0, _FAIL, second & value & WORD)]
    if value >> 31 == 0x1FFFFFFFF:  # a negative int, written with 64 bits
        value &= WORD
    if value > WORD:
        return [] if operator in ("NE", "LT", "LE") else None
    base = _NEGATED.get(operator, operator)
    code = {"EQ": _IF_EQUAL, "GE": _IF_AT_LEAST, "GT": _IF_GREATER}[base]
    return [load, (code, _FAIL, 0, value) if operator in _NEGATED else (code, 0, _FAIL, value)]


def _compare_64(offset: int, operator: str, value: int, second: int) -> list[Instruction] | None:
    upper, lower = value >> 32, value & WORD
    low, high = (_LOAD, 0, 0, offset), (_LOAD, 0, 0, offset + 4)
    if operator == "MASKED_EQ":
        masked = second & value
        return [
            *_masked(high, upper, masked >> 32),
            *_masked(low, lower, masked & WORD),
        ]
    if operator == "EQ":
        return [high, (_IF_EQUAL, 0, _FAIL, upper), low, (_IF_EQUAL, 0, _FAIL, lower)]
    if operator == "NE":
        return [high, (_IF_EQUAL, 0, 2, upper), low, (_IF_EQUAL, _FAIL, 0, lower)]
    code = _IF_AT_LEAST if operator in ("GE", "LT") else _IF_GREATER
    if operator in _NEGATED:
        return [high, (_IF_GREATER, _FAIL, 0, upper), (_IF_EQUAL, 0, 2, upper), low, (code, _FAIL, 0, lower)]
    return [high, (_IF_GREATER, 3, 0, upper), (_IF_EQUAL, 0, _FAIL, upper), low, (code, 0, _FAIL, lower)]


def _masked(load: Instruction, mask: int, wanted: int) -> list[Instruction]:
    if not mask:
        return []
    return [load, (_AND, 0, 0, mask), (_IF_EQUAL, 0, _FAIL, wanted)]
