"""What each command makes of a stage."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.images import HOST

from carrack.dockerfile import lines, reading
from carrack.dockerfile.problem import DockerfileError
from carrack.engine.build import state
from carrack.engine.build.scope import Scope, global_scope
from carrack.engine.build.state import State
from carrack.engine.build.steps import CopyStep, RunStep, WorkdirStep

NONE = Scope({}, {})


def after(text: str, *, scope: Scope = NONE, config: dict[str, Any] | None = None) -> state.Advanced:
    """The last command of ``text`` on a base of that config."""
    now = state.begin(config or {})  # type: ignore[arg-type]
    for statement in lines.parse(text).statements:
        advanced = state.advance(now, reading.command(statement), scope)
        now = advanced.state
    return advanced


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("ENV A=1 B=$PATH", "Env", [state.DEFAULT_PATH, "A=1", f"B={state.DEFAULT_PATH[5:]}"]),
        ("ENV A=1\nENV A=2 B=$A", "Env", [state.DEFAULT_PATH, "A=2", "B=1"]),
        ("LABEL a=1\nLABEL b=2", "Labels", {"a": "1", "b": "2"}),
        ("CMD x y", "Cmd", ["/bin/sh", "-c", "x y"]),
        ('CMD ["x"]', "Cmd", ["x"]),
        ('SHELL ["s"]\nCMD x', "Cmd", ["s", "x"]),
        ("ENTRYPOINT x", "Entrypoint", ["/bin/sh", "-c", "x"]),
        ("EXPOSE 80 53/udp", "ExposedPorts", {"80/tcp": {}, "53/udp": {}}),
        ("VOLUME /a\nVOLUME /b", "Volumes", {"/a": {}, "/b": {}}),
        ("USER me", "User", "me"),
        ("STOPSIGNAL 9", "StopSignal", "9"),
        ("WORKDIR a\nWORKDIR b/../c", "WorkingDir", "/a/c"),
        ("HEALTHCHECK --retries=2 CMD x", "Healthcheck", {"Test": ["CMD-SHELL", "x"], "Retries": 2}),
        ("HEALTHCHECK NONE", "Healthcheck", {"Test": ["NONE"]}),
        ("ONBUILD RUN x", "OnBuild", ["RUN x"]),
    ],
)
def test_config(text: str, key: str, expected: object) -> None:
    assert after(text).state.config.get(key) == expected


def test_an_entrypoint_drops_the_bases_arguments_but_not_the_stages() -> None:
    assert after("ENTRYPOINT x", config={"Cmd": ["old"]}).state.config["Cmd"] == []
    assert after("CMD new\nENTRYPOINT x", config={"Cmd": ["old"]}).state.config["Cmd"][-1] == "new"


def test_arguments() -> None:
    scope = Scope({"G": "given"}, {"K": "known"})
    now = after("ARG G=default\nARG K\nARG D=1\nARG U", scope=scope).state
    assert now.arguments == {"G": "given", "K": "known", "D": "1"}
    assert now.names == ("G", "K", "D", "U")


def test_environment_goes_before_arguments() -> None:
    step = after("ARG A=1\nENV A=2\nRUN x").step
    assert isinstance(step, RunStep)
    assert "A=2" in step.env
    assert "A=1" not in step.env


def test_run() -> None:
    advanced = after("ARG A=1\nWORKDIR /w\nUSER u\nRUN --network=none --security=insecure x")
    step = advanced.step
    assert isinstance(step, RunStep)
    assert (step.words, step.workdir, step.user, step.network, step.insecure) == (
        ("/bin/sh", "-c", "x"), "/w", "u", "none", True,
    )  # fmt: skip
    assert advanced.created_by == "RUN |1 A=1 /bin/sh -c x"


def test_scripts() -> None:
    plain = after("RUN <<E\necho $x\nE").step
    assert isinstance(plain, RunStep)
    assert plain.words == ("/bin/sh", "-c", "echo $x\n")
    fed = after("RUN cat <<E >/f\nhi\nE").step
    assert isinstance(fed, RunStep)
    assert fed.words == ("/bin/sh", "-c", "cat <<E >/f\nhi\nE")
    tabbed = after("RUN cat <<-E >/f\n\thi\n\tE").step
    assert isinstance(tabbed, RunStep)
    assert tabbed.words == ("/bin/sh", "-c", "cat <<-E >/f\n\thi\nE"), "the shell takes the tabs off"
    program = after("RUN <<E\n#!/usr/bin/python\nprint()\nE").step
    assert isinstance(program, RunStep)
    assert program.scripts == (("/dev/pipes/E", "#!/usr/bin/python\nprint()\n"),)


def test_copy() -> None:
    step = after("WORKDIR /w\nCOPY --from=s --chown=u --chmod=1 --link --parents --exclude=e a b/").step
    assert step == CopyStep(
        ("a",), "/w/b/", "s", owner="u", mode="1", link=True, parents=True, exclude=("e",)
    )  # fmt: skip


def test_add() -> None:
    step = after("ADD --checksum=c --keep-git-dir u .").step
    assert isinstance(step, CopyStep)
    assert (step.destination, step.remote, step.checksum, step.keep_git_dir, step.extract) == (
        "/",
        True,
        "c",
        True,
        None,
    )


def test_workdir_is_a_step() -> None:
    assert after("WORKDIR /w").step == WorkdirStep("/w")


def test_maintainer() -> None:
    assert after("MAINTAINER me").state.author == "me"


def test_a_stage_on_a_stage_keeps_its_arguments() -> None:
    before = after("ARG A=1\nCMD x").state
    now = state.begin(before.config, before)
    assert (now.arguments, now.command_given) == ({"A": "1"}, False)


def test_values() -> None:
    assert State({"Env": ["A=1"]}, arguments={"A": "2", "B": "3"}).values() == {"A": "1", "B": "3"}


def test_of_arguments_and_environment_the_last_counts() -> None:
    advanced = after("ENV A=1\nARG A=2\nENV B=$A\nRUN x")
    assert isinstance(advanced.step, RunStep)
    assert {"A=2", "B=2"} <= set(advanced.step.env)
    assert "A=1" in advanced.state.config["Env"]
    again = after("ENV A=1\nARG A=2\nENV A=3\nRUN x").step
    assert isinstance(again, RunStep)
    assert "A=3" in again.env


def test_a_directory_is_the_user_s() -> None:
    advanced = after("USER me\nWORKDIR /a/b/")
    assert advanced.step == WorkdirStep("/a/b", "me")
    assert advanced.state.config["WorkingDir"] == "/a/b"


def test_triggers_are_not_inherited_by_stages() -> None:
    ended = after("ONBUILD RUN x").state
    assert ended.config["OnBuild"] == ["RUN x"]
    assert "OnBuild" not in state.begin({}, ended).config


def test_variables_that_double_with_each_line() -> None:
    """Four hundred bytes of Dockerfile, and 10 to the power of 20 of environment."""
    scope = global_scope((), {}, HOST, HOST, "", "\\")
    text = "ENV A=0123456789\n" + "".join("ENV A=" + "$A" * 10 + "\n" for _ in range(20))
    with pytest.raises(DockerfileError, match="too much text"):
        after(text, scope=scope)
    text = "ENV A=1\n" + "".join(f"ENV A{number}=$A:$PATH\n" for number in range(2000))
    assert len(after(text, scope=global_scope((), {}, HOST, HOST, "", "\\")).state.config["Env"]) == 2002
