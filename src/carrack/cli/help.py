"""Help: made from the verbs' tables, so that it cannot tell of a flag that is not there."""

from carrack.cli.command import PROGRAM, Command, write, write_error
from carrack.cli.verbs import COMMON, GROUPS, TOP, names, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.cli.flags import Flag

_SHOWN = {
    **dict.fromkeys(
        ("throttle", "weight", "stream", "variable", "label", "extra-host", "address", "device-rule", "link"), "list"
    ),
    "swap": "bytes",
    "sysctl": "map",
    "option": "map",
    "pairs": "stringToString",
}


def show(words: list[str], flags: "Sequence[Flag]") -> int:
    """Print the help that ``words`` ask for: nothing, a group, a verb or a group's verb."""
    from carrack.cli.main import load

    if not words:
        write(_program_help(flags), end="")
        return 0
    group, rest = (words[0], words[1:]) if words[0] in GROUPS else ("", words)
    if not rest:
        write(_group_help(group), end="")
        return 0
    where = place(group, rest[0])
    if where is None:
        write_error(f"{PROGRAM}: unknown help topic: {' '.join(words)}")
        return 1
    write(command_help(f"{group} {rest[0]}".strip(), load(where)))
    return 0


def command_help(verb: str, command: Command) -> str:
    """Usage, what the verb does, its other names, examples and flags."""
    group, _, name = verb.rpartition(" ")
    parts = [f"Usage:  {PROGRAM} {verb} {command.usage}".rstrip(), command.short]
    aliases = [f"{PROGRAM} {each}" for each in names(group, name)]
    if len(aliases) > 1:
        parts.append("Aliases:\n  " + ", ".join(aliases))
    if command.example:
        parts.append("Examples:\n  " + command.example.replace("\n", "\n  "))
    if any(flag[3] for flag in command.flags):
        parts.append("Options:\n" + option_lines(command.flags))
    return "\n\n".join(parts)


def option_lines(flags: "Sequence[Flag]", width: int | None = None) -> str:
    """Flags in two columns, the second wrapped to the terminal (or ``width``); flags without a text are hidden."""
    from carrack.cli import terminal

    width = width or max(terminal.width(80), 40)
    left = [_flag_name(flag) for flag in flags if flag[3]]
    column = max(map(len, left)) + 3
    lines = []
    for name, (_, _, _, text) in zip(left, (flag for flag in flags if flag[3]), strict=True):
        first, *rest = _wrapped(text, max(width - column - 1, 24))
        lines.append(name.ljust(column) + first)
        lines += [" " * column + line for line in rest]
    return "\n".join(lines)


def _flag_name(flag: "Flag") -> str:
    name, short, kind, _ = flag
    shown = f"  -{short}, --{name}" if short else f"      --{name}"
    return shown if kind == "bool" else f"{shown} {_SHOWN.get(kind, kind)}"


def _wrapped(text: str, width: int) -> list[str]:
    lines, current = [], ""
    for word in text.split():
        if current and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}".strip()
    return [*lines, current]


def _program_help(flags: "Sequence[Flag]") -> str:
    from carrack.cli.main import load

    def listed(verbs: "Sequence[str]") -> str:
        return "".join(f"  {verb:<12}{load(TOP[verb]).short}\n" for verb in verbs)

    groups = "".join(f"  {group:<12}{text}\n" for group, (text, _) in GROUPS.items())
    others = [verb for verb in sorted(TOP) if verb not in COMMON and not verb.startswith("_")]
    return (
        f"Usage:  {PROGRAM} [OPTIONS] COMMAND\n\nA container engine that speaks Docker\n\n"
        f"Common Commands:\n{listed(COMMON)}\nManagement Commands:\n{groups}\nCommands:\n{listed(others)}\n"
        f"Global Options:\n{option_lines(flags)}\n\n"
        f"Run '{PROGRAM} COMMAND --help' for more information on a command.\n"
    )


def _group_help(group: str) -> str:
    from carrack.cli.main import load

    text, verbs = GROUPS[group]
    listed = "".join(f"  {verb:<12}{load(where).short}\n" for verb, where in sorted(verbs.items()))
    return (
        f"Usage:  {PROGRAM} {group} COMMAND\n\n{text}\n\nCommands:\n{listed}\n"
        f"Run '{PROGRAM} {group} COMMAND --help' for more information on a command.\n"
    )
