"""Lines of history as the classic builder writes them, and what it does otherwise than BuildKit."""

import pytest

from carrack.dockerfile import file
from carrack.engine.build import state, told_classic
from carrack.engine.build.scope import Scope
from carrack.engine.build.state import Advanced, State
from carrack.engine.build.steps import CopyStep, RunStep, WorkdirStep

GIVEN = {"P": "1", "HTTP_PROXY": "http://p"}


def after(text: str, given: dict[str, str] | None = None) -> list[Advanced]:
    """What the commands of a stage become, one after the other."""
    found: list[Advanced] = []
    current: State = state.begin({})
    for command in file.parse(f"FROM x\n{text}").stages[0].commands:
        found.append(state.advance(current, command, Scope(given or {}, {}, classic=True)))
        current = found[-1].state
    return found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("RUN a  b", "/bin/sh -c a  b"),
        ('RUN ["a", "b"]', "a b"),
        ("ENV A=1 B=2", "/bin/sh -c #(nop)  ENV A=1 B=2"),
        ("ARG A=1 B", "/bin/sh -c #(nop)  ARG A=1 B"),
        ('SHELL ["/bin/x", "-y"]', "/bin/x -y #(nop)  SHELL [/bin/x -y]"),
        ("EXPOSE 80 90/udp", "/bin/sh -c #(nop)  EXPOSE 80 90/udp"),
        ("WORKDIR a", "/bin/sh -c #(nop) WORKDIR /a"),
        ("COPY --chown=1:2 a b /c/", "/bin/sh -c #(nop) COPY --chown=1:2 \0 in /c/ "),
        (
            'HEALTHCHECK --interval=90s --retries=39 CMD ["x", "a b"]',
            "/bin/sh -c #(nop)  HEALTHCHECK &{[CMD x a b] 1m30s 0s 0s 0s 39}",
        ),
        ("HEALTHCHECK NONE", "/bin/sh -c #(nop)  HEALTHCHECK &{[NONE] 0s 0s 0s 0s 0}"),
        ("ADD a b", "/bin/sh -c #(nop) ADD \0 in b "),
    ],
)
def test_lines(text: str, line: str) -> None:
    assert after(text)[-1].created_by == line


def test_arguments_are_counted() -> None:
    assert after("ARG P\nARG Q\nENV R=1\nARG R=2\nRUN x", GIVEN)[-1].created_by == "|1 P=1 /bin/sh -c x"
    assert after("RUN x", GIVEN)[-1].created_by == "|0 /bin/sh -c x"
    assert after("ARG HTTP_PROXY\nRUN x", GIVEN)[-1].created_by == "|1 HTTP_PROXY=http://p /bin/sh -c x"


def test_the_environment_hides_arguments_and_proxies_are_as_given() -> None:
    step = after("ENV A=1\nARG A=2\nRUN x", GIVEN)[-1].step
    assert isinstance(step, RunStep)
    assert "A=1" in step.env
    assert step.hidden == ("HTTP_PROXY=http://p",)


def test_whose_things_are() -> None:
    assert after("USER 5\nWORKDIR /w")[-1].step == WorkdirStep("/w", "")
    step = after("ADD --chown=5 a.tar /")[-1].step
    assert isinstance(step, CopyStep)
    assert step.archives_keep_owners


@pytest.mark.parametrize(
    ("kinds", "word"), [([False], "file"), ([True], "dir"), ([True, False], "multi"), ([], "multi")]
)
def test_what_was_copied(kinds: list[bool], word: str) -> None:
    assert told_classic.files(kinds, "sha256:abc") == f"{word}:abc"
