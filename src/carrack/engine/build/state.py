"""What a stage has become so far, and what each command makes of it. Pure.

``advance`` takes a state and a command and gives the next state, the step that has to be done to files (if any), and
the line of history. Source: Dockerfile reference; OCI image specification, config.md, for the config's members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from carrack.dockerfile import commands as c
from carrack.dockerfile import expansion, ports
from carrack.dockerfile.mounts import Mount
from carrack.dockerfile.words import Lexer
from carrack.engine.build import giturl, told, told_classic
from carrack.engine.build.scope import PROXIES, Scope, proxies
from carrack.engine.build.steps import CopyStep, RunStep, Step, WorkdirStep
from carrack.engine.images import configuring
from carrack.engine.images.configuring import shell
from carrack.errors import InvalidArgument
from carrack.oci.image_config import RunConfig

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class State:
    """``config`` is the image's run configuration up to here; ``arguments`` the build arguments that have been declared
    and have a value; ``names`` those declared at all; ``over`` those declared after an ENV of the same name, which they
    hide; ``command_given``: a CMD has been met in this stage; ``said``: names of variables, the last said last."""

    config: RunConfig
    author: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    command_given: bool = False
    over: frozenset[str] = frozenset()
    said: tuple[str, ...] = ()

    def values(self) -> dict[str, str]:
        """What variables stand for: of the environment and the arguments, what was said last."""
        return {**self.arguments, **self.environment()}

    def environment(self) -> dict[str, str]:
        """The environment as far as no argument hides it."""
        words = dict(split_env(word) for word in self.config.get("Env", []))
        return {name: value for name, value in words.items() if name not in self.over}


@dataclass(frozen=True, slots=True)
class Advanced:
    """``step`` None: only the config changed. ``created_by``: the line of history."""

    state: State
    step: Step | None
    created_by: str


def split_env(word: str) -> tuple[str, str]:
    """``NAME=value`` in two."""
    name, _, value = word.partition("=")
    return name, value


def begin(config: RunConfig, inherited: State | None = None) -> State:
    """The state of a stage at its FROM: on an image's config, or where the stage it is made from has ended."""
    if inherited is not None:
        own: Any = {key: value for key, value in inherited.config.items() if key != "OnBuild"}
        return replace(inherited, config=own, command_given=False)
    result: dict[str, Any] = {key: value for key, value in config.items() if key != "OnBuild"}
    environment = list(config.get("Env", []))
    if not any(word.startswith("PATH=") for word in environment):
        environment.append(DEFAULT_PATH)
    result["Env"] = environment
    return State(result, said=tuple(split_env(word)[0] for word in environment))  # type: ignore[arg-type]


def advance(state: State, command: c.Command, scope: Scope, escape: str = "\\") -> Advanced:
    """What ``command`` makes of ``state``. Raises DockerfileError."""
    expanded = expansion.expand(command, Lexer(escape, budget=scope.budget), state.values())
    after, step, line = _RULES[type(expanded)](state, expanded, scope)
    if scope.classic:
        line = told_classic.line(state, after, expanded, step, line)
    return Advanced(after, step, line)


_Result = tuple[State, Step | None, str]


def _with(state: State, **members: Any) -> State:
    return replace(state, config={**state.config, **members})  # type: ignore[typeddict-item]


def _configured(state: State, command: c.Command) -> State:
    return replace(state, config=configuring.after(state.config, command))


def _arg(state: State, command: c.Arg, scope: Scope) -> _Result:
    arguments = dict(state.arguments)
    shown = []
    for pair in command.pairs:
        value = scope.given.get(pair.key, pair.value)
        if value is None:
            value = scope.default(pair.key)
        shown.append(pair.key if value is None else f"{pair.key}={value}")
        if value is not None:
            arguments[pair.key] = value
        else:
            arguments.pop(pair.key, None)
    given = {pair.key for pair in command.pairs} & arguments.keys()
    hidden = set() if scope.classic else given & {split_env(word)[0] for word in state.config.get("Env", [])}
    names = tuple(dict.fromkeys((*state.names, *(pair.key for pair in command.pairs))))
    said = _said(state, [pair.key for pair in command.pairs if pair.key in arguments])
    after = replace(state, arguments=arguments, names=names, over=state.over | hidden, said=said)
    return after, None, f"ARG {' '.join(shown)}"


def _env(state: State, command: c.Env, scope: Scope) -> _Result:
    names = [pair.key for pair in command.pairs]
    after = replace(_configured(state, command), over=state.over - set(names), said=_said(state, names))
    return after, None, f"ENV {told.pairs(command.pairs)}"


def _said(state: State, names: Iterable[str]) -> tuple[str, ...]:
    """The names of variables when these have just been said, one after the other."""
    said = list(state.said)
    for name in names:
        said = [each for each in said if each != name] + [name]
    return tuple(said)


def _label(state: State, command: c.Label, scope: Scope) -> _Result:
    return _configured(state, command), None, f"LABEL {told.pairs(command.pairs)}"


def _maintainer(state: State, command: c.Maintainer, scope: Scope) -> _Result:
    return replace(state, author=command.name), None, f"MAINTAINER {command.name}"


def _words(state: State, line: c.Words) -> list[str]:
    return configuring.words(state.config, line)


def _cmd(state: State, command: c.Cmd, scope: Scope) -> _Result:
    line = f"CMD {told.quoted(_words(state, command.line))}"
    return replace(_configured(state, command), command_given=True), None, line


def _entrypoint(state: State, command: c.Entrypoint, scope: Scope) -> _Result:
    after = _configured(state, command)
    if not state.command_given:
        after = _with(after, Cmd=[])  # the base's arguments were meant for another program
    return after, None, f"ENTRYPOINT {told.quoted(_words(state, command.line))}"


def _shell(state: State, command: c.Shell, scope: Scope) -> _Result:
    return _configured(state, command), None, f"SHELL [{' '.join(command.words)}]"


def _expose(state: State, command: c.Expose, scope: Scope) -> _Result:
    named = sorted(port for word in command.ports for port in ports.each(word, command))
    return _configured(state, command), None, f"EXPOSE [{' '.join(named)}]"


def _volume(state: State, command: c.Volume, scope: Scope) -> _Result:
    return _configured(state, command), None, f"VOLUME [{' '.join(command.paths)}]"


def _user(state: State, command: c.User, scope: Scope) -> _Result:
    return _configured(state, command), None, f"USER {command.user}"


def _stopsignal(state: State, command: c.Stopsignal, scope: Scope) -> _Result:
    return _configured(state, command), None, f"STOPSIGNAL {command.signal}"


def _workdir(state: State, command: c.Workdir, scope: Scope) -> _Result:
    after = _configured(state, command)
    path = after.config["WorkingDir"]
    line = f"WORKDIR {command.path if command.path.startswith('/') else path}"
    return after, WorkdirStep(path, "" if scope.classic else state.config.get("User", "")), line


def absolute(state: State, path: str) -> str:
    """A path of the stage, from its working directory; the slash at its end stays."""
    return configuring.absolute(state.config, path)


def _healthcheck(state: State, command: c.Healthcheck, scope: Scope) -> _Result:
    after = _configured(state, command)
    return after, None, told.healthcheck(after.config["Healthcheck"]["Test"], command)


def _onbuild(state: State, command: c.Onbuild, scope: Scope) -> _Result:
    return _configured(state, command), None, f"ONBUILD {command.expression}"


def _run(state: State, command: c.Run, scope: Scope) -> _Result:
    words, scripts = _script(state, command)
    environment = state.environment()
    own = {name: value for name, value in state.arguments.items() if name not in environment}
    visible = {name: value for name, value in own.items() if name not in PROXIES}
    hidden = {**scope.given, **{name: value for name, value in own.items() if name in PROXIES}}
    values = {**visible, **environment}
    step = RunStep(
        words=tuple(words),
        env=tuple(sorted(f"{name}={value}" for name, value in values.items())),
        workdir=state.config.get("WorkingDir") or "/",
        user=state.config.get("User", ""),
        hidden=proxies(hidden, scope.classic),
        mounts=tuple(_placed(state, mount) for mount in command.mounts),
        network=command.network,
        insecure=command.security == "insecure",
        devices=command.devices,
        scripts=tuple(scripts),
        sequence=tuple(f"{name}={values[name]}" for name in state.said if name in values),
    )
    seen = state.values()
    counted = [f"{name}={seen.get(name, '')}" for name in state.names]
    prefix = f"|{len(counted)} {' '.join(counted)} " if counted else ""
    return state, step, f"RUN {prefix}{' '.join(words)}"


def _placed(state: State, mount: Mount) -> Mount:
    """A mount whose target counts from the working directory."""
    return replace(mount, target=absolute(state, mount.target)) if mount.target else mount


def _script(state: State, command: c.Run) -> tuple[list[str], list[tuple[str, str]]]:
    """The program of a RUN: a heredoc that stands alone is the script itself; others are read by the shell."""
    line, docs = command.line, command.heredocs
    if not docs:
        return _words(state, line), []
    first = docs[0]
    alone = len(docs) == 1 and line.shell and line.words[0].split() == [line.words[0].strip()]
    if alone and first.content.startswith("#!"):
        name = f"/dev/pipes/{first.name}"
        return [*shell(state.config), name], [(name, first.stripped().content)]
    if alone:
        return [*shell(state.config), first.stripped().content], []
    text = line.words[0] if line.shell else " ".join(line.words)
    text += "".join(f"\n{doc.content}{doc.name}" for doc in docs)
    return [*shell(state.config), text], []


def _transfer(state: State, command: c.Transfer, verb: str, **more: Any) -> _Result:
    step = CopyStep(
        sources=command.sources,
        destination=absolute(state, command.destination),
        inline=command.inline,
        owner=command.chown,
        mode=command.chmod,
        link=command.link,
        exclude=command.exclude,
        **more,
    )
    return state, step, told.transfer(verb, command)


def _copy(state: State, command: c.Copy, scope: Scope) -> _Result:
    return _transfer(state, command, "COPY", origin=command.origin, parents=command.parents)


def _add(state: State, command: c.Add, scope: Scope) -> _Result:
    keep = command.keep_git_dir
    if keep is None:
        keep = scope.given.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "") in ("1", "true")
    after, step, told = _transfer(
        state, command, "ADD", extract=command.unpack, remote=True, checksum=command.checksum, keep_git_dir=keep,
        archives_keep_owners=scope.classic,
    )  # fmt: skip
    assert isinstance(step, CopyStep)
    for wanted in (giturl.parse(source) for source in step.sources if giturl.is_git(source)):
        if command.keep_git_dir is not None and wanted.keep not in (None, command.keep_git_dir):
            raise InvalidArgument("inconsistent keep-git-dir configuration")
    return after, step, told


_RULES: dict[type[c.Command], Any] = {
    c.Add: _add,
    c.Arg: _arg,
    c.Cmd: _cmd,
    c.Copy: _copy,
    c.Entrypoint: _entrypoint,
    c.Env: _env,
    c.Expose: _expose,
    c.Healthcheck: _healthcheck,
    c.Label: _label,
    c.Maintainer: _maintainer,
    c.Onbuild: _onbuild,
    c.Run: _run,
    c.Shell: _shell,
    c.Stopsignal: _stopsignal,
    c.User: _user,
    c.Volume: _volume,
    c.Workdir: _workdir,
}
