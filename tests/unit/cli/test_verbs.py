from __future__ import annotations

import pytest

from carrack.cli.command import Command
from carrack.cli.flags import ALIASES, KINDS
from carrack.cli.main import load
from carrack.cli.verbs import GROUPS, SYNONYMS, TOP, is_refused, names, place

PLACES = sorted({*TOP.values(), *(where for _, verbs in GROUPS.values() for where in verbs.values())})


@pytest.mark.parametrize("where", PLACES)
def test_every_verb_loads_and_explains_itself(where: str) -> None:
    command = load(where)
    assert isinstance(command, Command)
    assert command.short
    shorts = [flag[1] for flag in command.flags if flag[1]]
    assert len(set(shorts)) == len(shorts)
    for name, _, kind, text in command.flags:
        assert kind in KINDS
        assert text or name in ALIASES or name == "name"
    if not where.endswith(":COMPLETE"):
        assert "carrack" in command.example, "help has an example"


def test_names() -> None:
    assert place("", "ps") == place("container", "list") == place("container", "ls") == "ps:PS"
    assert names("", "ps") == ["container ls", "container ps", "container list", "ps"]
    assert place("", "nothing") is None
    assert place("image", "run") is None
    for group, synonyms in SYNONYMS.items():
        assert all(place(group, target) for target in synonyms.values())


def test_what_docker_has_and_we_do_not() -> None:
    for verb in ("compose", "swarm"):
        assert is_refused("", verb)
        assert place("", verb) is None
    assert not is_refused("", "pulll")
