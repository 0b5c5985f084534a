"""``carrack completion``: scripts for shells, which ask the hidden verb ``__complete`` for words."""

from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.cli.flags import KINDS
from carrack.errors import CarrackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed

_BASH = """_carrack() {
    local IFS=$'\\n'
    local found="$(carrack __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)"
    COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _carrack carrack
"""
_ZSH = """#compdef carrack
_carrack() {
    local -a found
    found=("${(@f)$(carrack __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _carrack carrack
"""
_FISH = """function __carrack_complete
    set -l words (commandline -opc) (commandline -ct)
    carrack __complete $words[2..-1] 2>/dev/null
end
complete -c carrack -a '(__carrack_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_CONTAINERS = """attach commit diff exec export kill logs pause port rename restart rm start stats stop top unpause
update wait""".split()
_IMAGES = "run create rmi history save tag".split()


def _completion(_: "Session", parsed: "Parsed") -> int:
    shell = parsed.arguments[0]
    if shell not in SCRIPTS:
        raise Exit(1, f"no completion for {shell!r}: {', '.join(SCRIPTS)} are known")
    write(SCRIPTS[shell], end="")
    return 0


def _complete(session: "Session", parsed: "Parsed") -> int:
    """Print what the last word may become; all but the options come first, as they were typed."""
    try:
        for word in candidates(session, parsed.arguments or [""]):
            write(word)
    except (CarrackError, OSError):
        return 1
    return 0


def candidates(session: "Session", words: list[str]) -> list[str]:
    """Words that may stand where the last of ``words`` stands."""
    from carrack.cli.main import load
    from carrack.cli.verbs import GROUPS, TOP, place

    *before, current = words
    group = before.pop(0) if before and before[0] in GROUPS else ""
    if not before:
        found = list(GROUPS[group][1]) if group else [*TOP, *GROUPS]
        return sorted(word for word in found if word.startswith(current))
    verb = before[0]
    where = place(group, verb)
    if where is None:
        return []
    if current.startswith("-"):
        flags = [f"--{name}" for name, _, kind, text in load(where).flags if kind in KINDS and text]
        return sorted(flag for flag in [*flags, "--help"] if flag.startswith(current))
    return [name for name in _objects(session, group, verb) if name.startswith(current)]


def _objects(session: "Session", group: str, verb: str) -> list[str]:
    from carrack.client import containers, images, volumes

    if group == "volume":
        return sorted(each["Name"] for each in volumes.listing(session.daemon).get("Volumes") or [])
    if verb in _CONTAINERS and group in ("", "container"):
        found = containers.listing(session.daemon, everything=True)
        return sorted(name.removeprefix("/") for each in found for name in each["Names"])
    if verb in _IMAGES or group == "image":
        return sorted(name for each in images.listing(session.daemon, {}) for name in each.get("RepoTags") or [])
    return []


COMPLETION = Command(
    "bash|zsh|fish",
    "Print a completion script for a shell",
    _completion,
    least=1,
    most=1,
    example="source <(carrack completion bash)",
)
COMPLETE = Command(
    "[WORD...]", "Complete a word (for the scripts of completion)", _complete, most=None, interspersed=False
)
