"""Checks of a Dockerfile: what is allowed in it and yet most likely not meant, or no longer good form. Pure."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from carrack.dockerfile import commands as c
from carrack.dockerfile import directives, expansion, ports, suggest
from carrack.dockerfile.file import Dockerfile, Stage
from carrack.dockerfile.ignore import Ignored
from carrack.dockerfile.problem import DockerfileError, Place
from carrack.dockerfile.rules import RULES, Rule
from carrack.dockerfile.words import Budget, Lexer, WordError

#: the build argument that says what the ``check`` directive says, and more than it
ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
PREDEFINED = tuple(
    f"{prefix}{word}" for prefix in ("BUILD", "TARGET") for word in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
)
_PATH = "PATH"
_RESERVED = ("context", "scratch")
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)", re.I
)
_PUBLIC = re.compile(r"(?:_|^)public(?:_|$)", re.I)
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::\w[\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?"
)
_LAST_ONE_COUNTS = (c.Cmd, c.Entrypoint, c.Healthcheck)

#: the names of an image's environment; None when they are not known, and so nothing is said about undefined variables
Environment = Callable[[str], Collection[str] | None]


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a Dockerfile does not keep, where and how."""

    rule: Rule
    detail: str
    place: Place


def unknown(image: str) -> None:
    """The environment of images when nobody can tell."""


def settings(file: Dockerfile, given: Mapping[str, str]) -> directives.Checks:
    """What the file, or above it the build arguments, say about checks. Raises DockerfileError."""
    return directives.parse_checks(given[ARGUMENT]) if ARGUMENT in given else file.directives.checks


def check(
    file: Dockerfile,
    given: Mapping[str, str] | None = None,
    environment: Environment = unknown,
    ignored: Ignored | None = None,
) -> list[Breach]:
    """All breaches of the rules that are in force, by line.

    ``given`` are the build arguments, ``ignored`` what of the context is left out. Raises DockerfileError for words
    that cannot be expanded.
    """
    given = given or {}
    chosen = settings(file, given)
    found = _Checker(file, given, environment, ignored).breaches()
    kept = [breach for breach in found if in_force(breach.rule, chosen)]
    return sorted(kept, key=lambda breach: breach.place.line)


def wrong_platform(stage: Stage, image: str, found: str, expected: str) -> Breach:
    """The breach of a stage whose image is for another platform than it was asked for, both as ``os/architecture``."""
    rule = RULES["InvalidBaseImagePlatform"]
    return Breach(rule, rule.told.format(image, found, expected), stage.base.place)


def of_stages(found: Sequence[Breach], file: Dockerfile, needed: Collection[int]) -> list[Breach]:
    """Without those that a build does not come by, for they are in what other stages do."""
    begins = [stage.base.place.line for stage in file.stages]

    def stage(line: int) -> int:
        return sum(begin <= line for begin in begins) - 1

    return [each for each in found if not each.rule.done or stage(each.place.line) in needed]


def in_force(rule: Rule, chosen: directives.Checks) -> bool:
    """Whether a rule counts."""
    if "all" in chosen.skip or rule.name in chosen.skip:
        return False
    return not rule.experimental or "all" in chosen.experimental or rule.name in chosen.experimental


class _Values(dict[str, str]):
    """Variables, and which others were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.missed: list[str] = []

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """The value; who asks for what is not there is remembered."""
        if name not in self:
            self.missed.append(name)
        return super().get(name, default)


@dataclass
class _Reached:
    """How far a stage has come: its variables, whether all of them are known, and what it has set."""

    values: dict[str, str] = field(default_factory=dict)
    known: bool = True
    shell: bool = False
    workdir: bool = False


class _Checker:
    def __init__(
        self, file: Dockerfile, given: Mapping[str, str], environment: Environment, ignored: Ignored | None
    ) -> None:
        self._file = file
        self._given = given
        self._environment = environment
        self._ignored = ignored
        self._budget = Budget()
        self._found: list[Breach] = []
        self._ends: dict[int, _Reached] = {}
        self._globals = dict.fromkeys((*PREDEFINED, "TARGETSTAGE"), "")
        self._defaults = dict.fromkeys(self._globals, "x")  # something it will be

    def breaches(self) -> list[Breach]:
        """Every breach, also of rules that are not in force."""
        self._continuations()
        self._cases()
        self._global_arguments()
        for stage in self._file.stages:
            self._name(stage)
            self._base(stage)
            self._ends[stage.index] = self._stage(stage)
        return self._found

    def _tell(self, rule: str, place: Place, *words: str) -> None:
        self._found.append(Breach(RULES[rule], RULES[rule].told.format(*words), place))

    def _continuations(self) -> None:
        for statement in self._file.statements:
            line, end = statement.place.line, statement.place.end
            after = bisect.bisect_left(self._file.empty_continuations, line)
            if any(empty <= end for empty in self._file.empty_continuations[after : after + 1]):
                end -= sum(doc.content.count("\n") + 1 for doc in statement.heredocs)
                self._tell("NoEmptyContinuation", Place(end, end))

    def _cases(self) -> None:
        first = self._file.stages[0].base.place.line
        statements = [each for each in self._file.statements if each.place.line >= first]
        lower = sum(each.keyword.islower() for each in statements)
        upper = sum(each.keyword.isupper() for each in statements)
        for each in statements:
            if not (each.keyword.islower() if lower > upper else each.keyword.isupper()):
                majority = "lowercase" if lower > upper else "uppercase"
                self._tell("ConsistentInstructionCasing", each.place, each.keyword, majority)

    def _global_arguments(self) -> None:
        lexer = Lexer(self._file.directives.escape)
        for argument in self._file.globals:
            self._described(argument, *(pair.key for pair in argument.pairs))
            for values, given in ((self._globals, self._given), (self._defaults, {})):
                expanded = expansion.expand(argument, lexer, values)
                assert isinstance(expanded, c.Arg)
                values.update({pair.key: given.get(pair.key, pair.value or "") for pair in expanded.pairs})

    def _described(self, command: c.From | c.Arg, *names: str) -> None:
        comments = [each for each in command.comments if not re.match(r"(?:syntax|escape|check)\s*=", each)]
        if comments and not any(each.split(None, 1)[:1] == [name] for each in comments for name in names):
            self._tell("InvalidDefinitionDescription", command.place, type(command).__name__.upper(), names[0])

    def _name(self, stage: Stage) -> None:
        base, words = stage.base, stage.base.text.split()
        if not base.name:
            return
        name = base.name.lower()
        if base.name != name:
            self._tell("StageNameCasing", base.place, base.name)
        if name in _RESERVED:
            self._tell("ReservedStageName", base.place, name)
        if name in (other.name for other in self._file.stages[: stage.index]):
            self._tell("DuplicateStageName", base.place, name)
        keyword, word = words[0], words[-2]
        if (keyword.islower() and not word.islower()) or (keyword.isupper() and not word.isupper()):
            self._tell("FromAsCasing", base.place, word, keyword)
        self._described(base, name)

    def _base(self, stage: Stage) -> None:
        base, escape = stage.base, self._file.directives.escape
        values = _Values(self._globals)
        try:
            Lexer(escape).word(base.base, values)
            by_default = Lexer(escape).word(base.base, self._defaults)
            values_before = len(values.missed)
            platform = _Values(self._globals)
            Lexer(escape).word(base.platform, platform)
        except WordError as error:
            raise DockerfileError(f"failed to process {base.text!r}: {error}", base.place) from None
        for name in dict.fromkeys((*values.missed, *platform.missed)):
            self._tell("UndefinedArgInFrom", base.place, name, _meant(name, "", self._globals))
        if not values_before and "$" in base.base and not _IMAGE.fullmatch(by_default):
            self._tell("InvalidDefaultArgInFrom", base.place, base.base)
        if re.match(r"\$\{?TARGETPLATFORM\b", base.platform):
            self._tell("RedundantTargetPlatform", base.place, base.platform)
        elif (
            base.platform
            and "$" not in base.platform
            and not any(part in base.name.lower() for part in base.platform.lower().split("/"))
        ):
            self._tell("FromPlatformFlagConstDisallowed", base.place, base.platform)

    def _begun(self, stage: Stage) -> _Reached:
        name = Lexer(self._file.directives.escape).word(stage.base.base, self._globals)
        for other in reversed(self._file.stages[: stage.index]):
            if name.lower() in (other.name, str(other.index)):
                end = self._ends[other.index]
                return _Reached(dict(end.values), end.known, end.shell, end.workdir)
        names = () if name == "scratch" else self._environment(name)
        return _Reached({_PATH: "", **dict.fromkeys(names or (), "")}, names is not None)

    def _stage(self, stage: Stage) -> _Reached:
        at = self._begun(stage)
        for command in stage.commands:
            self._command(command, at)
        for kind in _LAST_ONE_COUNTS:
            for command in [each for each in stage.commands if isinstance(each, kind)][:-1]:
                self._tell("MultipleInstructionsDisallowed", command.place, kind.__name__.upper())
        return at

    def _command(self, command: c.Command, at: _Reached) -> None:
        values = _Values(at.values)
        expanded = expansion.expand(command, Lexer(self._file.directives.escape, budget=self._budget), values)
        if at.known and not isinstance(command, c.Expose):
            for name in values.missed:
                self._tell("UndefinedVar", command.place, name, _meant(name, "$", at.values))
        match expanded:
            case c.Env() | c.Arg() | c.Label():
                self._pairs(expanded, at)
            case c.Shell():
                at.shell = True
            case c.Cmd() | c.Entrypoint() if expanded.line.shell and not at.shell:
                self._tell("JSONArgsRecommended", command.place, type(command).__name__.upper())
            case c.Maintainer():
                self._tell("MaintainerDeprecated", command.place)
            case c.Workdir():
                if not at.workdir and not expanded.path.startswith("/"):
                    self._tell(
                        "WorkdirRelativePath", command.place, json.dumps(expanded.path, ensure_ascii=False)[1:-1]
                    )
                at.workdir = True
            case c.Expose():
                self._ports(expanded)
            case c.Copy(origin="") | c.Add():
                self._copied(expanded)

    def _pairs(self, command: c.Env | c.Arg | c.Label, at: _Reached) -> None:
        keyword = command.text.split(None, 1)[0]
        if any(pair.legacy for pair in command.pairs):
            self._tell("LegacyKeyValueFormat", command.place, keyword)
        if isinstance(command, c.Label):
            return
        for pair in command.pairs:
            if _SECRET.search(pair.key) and not _PUBLIC.search(pair.key):
                self._tell("SecretsUsedInArgOrEnv", command.place, keyword.upper(), pair.key)
            if isinstance(command, c.Env):
                at.values[pair.key] = pair.value or ""
            else:
                default = pair.value if pair.value is not None else self._globals.get(pair.key, "")
                at.values.setdefault(pair.key, self._given.get(pair.key, default))
        if isinstance(command, c.Arg):
            self._described(command, *(pair.key for pair in command.pairs))

    def _ports(self, command: c.Expose) -> None:
        for word in command.ports:
            _, _, protocol = word.partition("/")
            if protocol != protocol.lower():
                self._tell("ExposeProtoCasing", command.place, word)
            if ports.MAPPED.match(word):
                self._tell("ExposeInvalidFormat", command.place, word)

    def _copied(self, command: c.Copy | c.Add) -> None:
        for source in _local(command):
            if self._ignored and source in self._ignored:
                self._tell("CopyIgnoredFile", command.place, type(command).__name__, source)


def _local(command: c.Copy | c.Add) -> Iterator[str]:
    """The sources that are of the context."""
    for source in command.sources:
        if "://" in source or source.startswith(("<<", "git@")):
            continue
        path = source.removeprefix("./").strip("/")
        if path not in ("", "."):
            yield path


def _meant(name: str, sign: str, known: Collection[str]) -> str:
    near = suggest.nearest(name, known)
    return f" (did you mean {sign}{near}?)" if near else ""
