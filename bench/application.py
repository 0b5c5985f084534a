"""An application of six services, brought up and taken down by the real Compose."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bench.target import Target

FILE = Path(__file__).with_suffix(".yaml")


class Application:
    """The application; ``compose`` is the program docker-compose, the same for both daemons."""

    def __init__(self, compose: Path) -> None:
        self._compose = compose

    def up(self, target: Target) -> None:
        """`up -d`."""
        self._run(target, "up", "-d")

    def down(self, target: Target) -> None:
        """`down`."""
        self._run(target, "down", "--volumes")

    def _run(self, target: Target, *words: str) -> None:
        composing = dataclasses.replace(target, command=str(self._compose))
        composing.run("--progress", "quiet", "-f", str(FILE), "-p", target.name("application"), *words)
