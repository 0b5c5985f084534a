"""The golden answers: where they are, and how a scenario is played."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.cli.busybox import IMAGE
from tests.cli.play import BLOCK, PORTS, Play, Scenario, clear, scenarios
from tests.cli.scenarios import MODULES

FOLDER = Path(__file__).parents[1] / "golden" / "cli"
SCENARIOS = scenarios(MODULES)


def pools(program: str) -> list[str]:
    """The option by which a daemon's networks are as large as those recorded, and nobody else's."""
    number = 150 + (os.getpid() + len(program)) % 49
    return ["--default-address-pool", f"base=10.{number}.0.0/16,size=24"]


def path_of(name: str) -> Path:
    module, _, function = name.partition(".")
    return FOLDER / module / f"{function}.txt"


def block(program: str) -> int:
    """The number of the addresses that networks of a play by this program have, and nobody else's."""
    return 100 + os.getpid() % 25 * 2 + (program == "docker")


def play(
    scenario: Scenario,
    program: list[str],
    environment: Mapping[str, str],
    folder: Path,
    ports: int = PORTS,
    block: int = BLOCK,
) -> Play:
    """Play on a daemon that holds nothing but the image, and leave it so."""
    played = Play(program, environment, folder, ports, block)
    try:
        scenario(played)
    finally:
        clear(environment["DOCKER_HOST"].removeprefix("unix://"), IMAGE)
    return played


def golden(name: str) -> str:
    """The recorded answer without its first line, which says who gave it."""
    return path_of(name).read_text().partition("\n\n")[2]
