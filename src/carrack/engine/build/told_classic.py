"""Lines of history as Docker's classic builder writes them: a command of the shell, or a remark of the shell's. Pure.

What was copied is named by what it is and by a digest, which is put in where ``FILES`` stands once it is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from carrack.dockerfile import commands as c
from carrack.engine.build.steps import CopyStep, RunStep, Step, WorkdirStep
from carrack.engine.build.told import duration
from carrack.engine.images.configuring import shell

if TYPE_CHECKING:
    from carrack.engine.build.state import State

#: stands for what a step copied
FILES = "\0"


def line(before: State, after: State, command: c.Command, step: Step | None, told: str) -> str:
    """The line of a command whose variables have been replaced; ``told`` is how BuildKit tells it."""
    if isinstance(step, RunStep):
        return _run(before, step)
    begin = f"{' '.join(shell(after.config))} #(nop) "
    if isinstance(step, WorkdirStep):
        return f"{begin}WORKDIR {step.path}"
    if isinstance(command, c.Transfer) and isinstance(step, CopyStep):
        verb = "ADD" if step.remote else "COPY"
        owner = f"--chown={command.chown} " if command.chown else ""
        return f"{begin}{verb} {owner}{FILES} in {command.destination} "
    if isinstance(command, c.Arg):
        told = " ".join(("ARG", *(p.key if p.value is None else f"{p.key}={p.value}" for p in command.pairs)))
    if isinstance(command, c.Expose):
        told = f"EXPOSE {' '.join(command.ports)}"
    if isinstance(command, c.Healthcheck):
        told = _healthcheck(after.config["Healthcheck"]["Test"], command)
    return f"{begin} {told}"


def _healthcheck(test: Sequence[str], command: c.Healthcheck) -> str:
    """As Go's ``%v`` shows the structure, where BuildKit's way is ``%q``."""
    times = (command.interval, command.timeout, command.start_period, command.start_interval)
    return f"HEALTHCHECK &{{[{' '.join(test)}] {' '.join(duration(each) for each in times)} {command.retries}}}"


def _run(before: State, step: RunStep) -> str:
    """Arguments are counted before it, those that are proxies and not declared only by their being there."""
    own = before.arguments.keys() - before.environment().keys()
    counted = sorted(f"{name}={before.arguments[name]}" for name in own)
    prefix = [f"|{len(counted)}", *counted] if counted or step.hidden else []
    return " ".join((*prefix, *step.words))


def files(kinds: Sequence[bool], digest: str) -> str:
    """What was copied: ``kinds`` says of each source whether it is a directory."""
    kind = "multi" if len(kinds) != 1 else "dir" if kinds[0] else "file"
    return f"{kind}:{digest.rpartition(':')[2]}"
