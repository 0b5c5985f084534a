"""Failures of builds: which step failed, in which words, and of several the one that the others came of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from carrack.engine.build.steps import RunStep
from carrack.errors import InvalidArgument

if TYPE_CHECKING:
    from carrack.dockerfile import commands as c
    from carrack.engine.build.steps import Step
    from carrack.engine.build.working import RunFailed


class BuildFailed(InvalidArgument):
    """A step has failed. ``place``: where in the Dockerfile; ``exit_code``: of its program, 0 for other reasons."""

    def __init__(self, message: str, command: c.Command, exit_code: int = 0) -> None:
        super().__init__(message)
        self.place = command.place
        self.exit_code = exit_code


def text(command: c.Command, step: Step, error: RunFailed) -> str:
    """What is told of a program that failed."""
    words = " ".join(step.words) if isinstance(step, RunStep) else command.text
    killed = ": it was killed for want of memory" if error.oom_killed else ""
    return f'process "{words}" did not complete successfully: exit code: {error.exit_code}{killed}'


def first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that the others came of."""
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        real = [each for each in found.exceptions if not isinstance(each, asyncio.CancelledError)]
        found = (real or list(found.exceptions))[0]
    return found
