"""``carrack completion``: scripts for shells, which ask the hidden verb ``__complete`` for words."""

from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.cli.flags import KINDS, parse
from carrack.errors import CarrackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.cli.command import Session
    from carrack.cli.flags import Flag, Parsed

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
_IMAGES = "run create rmi history save tag pull push".split()
_UNNAMED = ("ls", "prune", "bootstrap", "import", "load")  # of images: their arguments are no names of images
_PLATFORMS = [
    f"linux/{each}" for each in ("386", "amd64", "arm/v5", "arm/v6", "arm/v7", "arm64", "ppc64le", "riscv64", "s390x")
]
_WORDS = {
    "platform": _PLATFORMS,
    "pull": ["always", "missing", "never"],
}


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
    if current == "=":  # bash takes --flag=value for three words
        current = ""
    elif before[-1:] == ["="]:
        before.pop()
    group = before.pop(0) if before and before[0] in GROUPS else ""
    if not before:
        found = list(GROUPS[group][1]) if group else [*TOP, *GROUPS]
        return sorted(word for word in found if word.startswith(current))
    verb = before[0]
    where = place(group, verb)
    if where is None:
        return []
    flags = load(where).flags
    name, value = _valued(flags, before, current)
    if name:
        stem = current[: len(current) - len(value)]
        return [stem + word for word in _values(session, group, verb, name) if word.startswith(value)]
    if current.startswith("-"):
        found = [f"--{flag}" for flag, _, kind, text in flags if kind in KINDS and text]
        return sorted(flag for flag in [*found, "--help"] if flag.startswith(current))
    number = len(parse(flags, before[1:]).arguments)
    return [name for name in _objects(session, group, verb, number) if name.startswith(current)]


def _valued(flags: "Sequence[Flag]", before: list[str], current: str) -> tuple[str, str]:
    """The flag whose value is being typed, and what of it there is; ``("", "")`` where none is."""
    named = {f"--{flag[0]}": flag for flag in flags} | {f"-{flag[1]}": flag for flag in flags if flag[1]}
    word, equals, value = current.partition("=")
    if equals and word in named:
        return named[word][0], value
    flag = named.get(before[-1])
    return (flag[0], current) if flag and flag[2] != "bool" else ("", "")


def _values(session: "Session", group: str, verb: str, flag: str) -> list[str]:
    from carrack.client import system

    if flag in _WORDS:
        return _WORDS[flag]
    if flag in ("network", "net", "config-from"):
        return _networks(session)
    if flag in ("link", "volumes-from"):
        return _containers(session)
    if flag == "driver" and (group, verb) == ("network", "create"):
        found: list[str] = system.info(session.daemon)["Plugins"]["Network"]
        return sorted(set(found) - {"host", "null"})  # of which there is one each
    return []


def _objects(session: "Session", group: str, verb: str, number: int) -> list[str]:
    """Names that may stand as the argument of that number."""
    from carrack.client import images, volumes

    if group == "network":
        if verb in ("connect", "disconnect") and number == 1:
            return _containers(session)
        return _networks(session) if verb != "create" else []
    if group == "volume":
        return sorted(each["Name"] for each in volumes.listing(session.daemon).get("Volumes") or [])
    if verb in _CONTAINERS and group in ("", "container"):
        return _containers(session)
    if not group and verb in ("login", "logout"):
        return session.credentials.places()
    if (verb in _IMAGES and not group) or (group == "image" and verb not in _UNNAMED):
        return sorted(name for each in images.listing(session.daemon, {}) for name in each.get("RepoTags") or [])
    return []


def _containers(session: "Session") -> list[str]:
    from carrack.client import containers

    found = containers.listing(session.daemon, everything=True)
    return sorted(name.removeprefix("/") for each in found for name in each["Names"])


def _networks(session: "Session") -> list[str]:
    from carrack.client import networks

    return sorted(each["Name"] for each in networks.listing(session.daemon))


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
