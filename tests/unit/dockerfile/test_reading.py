"""From statements to commands."""

import pytest

from carrack.dockerfile import commands as c
from carrack.dockerfile import lines, reading
from carrack.dockerfile.commands import Pair, Words
from carrack.dockerfile.problem import DockerfileError


def read(text: str) -> c.Command:
    (statement,) = lines.parse(text).statements
    return reading.command(statement)


def test_every_instruction_is_read() -> None:
    texts = {
        "ADD": "a /b", "ARG": "a", "CMD": "a", "COPY": "a /b", "ENTRYPOINT": "a", "ENV": "a=b", "EXPOSE": "80",
        "FROM": "a", "HEALTHCHECK": "NONE", "LABEL": "a=b", "MAINTAINER": "me", "ONBUILD": "RUN a", "RUN": "a",
        "SHELL": '["a"]', "STOPSIGNAL": "9", "USER": "u", "VOLUME": "/v", "WORKDIR": "/w",
    }  # fmt: skip
    assert set(texts) == set(reading.INSTRUCTIONS)
    for name, rest in texts.items():
        command = read(f"{name.lower()} {rest}")
        assert type(command).__name__.upper() == name
        assert command.text == f"{name.lower()} {rest}"


def test_from() -> None:
    command = read("FROM --platform=$P a:${V} as Name")
    assert isinstance(command, c.From)
    assert (command.base, command.name, command.platform) == ("a:${V}", "Name", "$P")


def test_run() -> None:
    command = read(
        "RUN --mount=type=cache,target=/c --mount=target=/b --network=none --security=insecure --device=x.y/z=1 a"
    )
    assert isinstance(command, c.Run)
    assert [mount.type for mount in command.mounts] == ["cache", "bind"]
    assert (command.network, command.security, command.devices) == ("none", "insecure", ("x.y/z=1",))
    assert command.line == Words(("a",), shell=True)


def test_copy_and_add() -> None:
    copy = read('COPY --from=s --chown=a:b --chmod=755 --link --parents --exclude=x --exclude=y ["a b", "/c"]')
    assert isinstance(copy, c.Copy)
    assert (copy.sources, copy.destination, copy.origin) == (("a b",), "/c", "s")
    assert (copy.chown, copy.chmod, copy.link, copy.parents, copy.exclude) == ("a:b", "755", True, True, ("x", "y"))
    add = read("ADD --checksum=sha256:x --keep-git-dir=true --unpack=false u /c")
    assert isinstance(add, c.Add)
    assert (add.checksum, add.keep_git_dir, add.unpack) == ("sha256:x", True, False)


def test_copy_of_heredocs() -> None:
    copy = read("COPY <<a <<b /c/\n1\na\n2\nb\n")
    assert isinstance(copy, c.Copy)
    assert [doc.content for doc in copy.inline] == ["1\n", "2\n"]
    assert copy.destination == "/c/"


def test_commands_reset_by_nothing() -> None:
    for text in ("CMD []", "CMD", "ENTRYPOINT []"):
        command = read(text)
        assert isinstance(command, c.Cmd | c.Entrypoint)
        assert command.line.words == ()


def test_healthcheck() -> None:
    command = read('HEALTHCHECK --interval=1m --timeout=2s --start-period=3s --start-interval=1s --retries=4 CMD ["a"]')
    assert isinstance(command, c.Healthcheck)
    seconds = 1_000_000_000
    assert (command.interval, command.timeout, command.start_period) == (60 * seconds, 2 * seconds, 3 * seconds)
    assert (command.start_interval, command.retries) == (seconds, 4)
    assert command.line == Words(("a",), shell=False)


def test_onbuild_keeps_its_heredoc() -> None:
    command = read("ONBUILD RUN <<E\nhi\nE")
    assert isinstance(command, c.Onbuild)
    assert command.expression == "RUN <<E\nhi\nE"
    assert isinstance(command.trigger, c.Run)


def test_env_of_old() -> None:
    command = read("ENV a  b c ")
    assert isinstance(command, c.Env)
    assert command.pairs == (Pair("a", "b c", legacy=True),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FORM a", "unknown instruction: FORM .did you mean FROM"),
        ("ZZZ a", "unknown instruction: ZZZ$"),
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b", "either one or three"),
        ("FROM a as 1x", "invalid name for build stage"),
        ("COPY a", "at least two arguments"),
        ("COPY", "at least two arguments"),
        ('COPY ["a"]', "at least two arguments"),
        ("COPY a <<b\n1\nb", "cannot use a here-document as its destination"),
        ("RUN", "RUN requires at least one argument"),
        ("RUN --network=bridge a", "unsupported network mode 'bridge'"),
        ("RUN --mount=type=x a", "unsupported mount type"),
        ("WORKDIR", "exactly one argument"),
        ("SHELL sh -c", "JSON form"),
        ("SHELL []", "JSON form"),
        ("VOLUME []", "at least one argument"),
        ('VOLUME [" "]', "can not be an empty string"),
        ("STOPSIGNAL a b", "exactly one"),
        ("ONBUILD ONBUILD RUN a", "Chaining ONBUILD"),
        ("ONBUILD FROM a", "FROM isn't allowed"),
        ("ONBUILD MAINTAINER a", "MAINTAINER isn't allowed"),
        ("ONBUILD FOO", "unknown instruction: FOO"),
        ("HEALTHCHECK", "at least one argument"),
        ("HEALTHCHECK NONE x", "takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command"),
        ("HEALTHCHECK PING", "Unknown type"),
        ("HEALTHCHECK --interval=1us CMD a", "cannot be less than 1ms"),
        ("HEALTHCHECK --retries=x CMD a", "invalid syntax"),
        ("HEALTHCHECK --retries=-1 CMD a", "negative"),
        ("HEALTHCHECK --retries=99999999999 CMD a", "out of range"),
        ("USER --x=1 a", "unknown flag: --x"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(DockerfileError, match=said):
        read(text)


def test_where() -> None:
    with pytest.raises(DockerfileError) as caught:
        read("COPY   a")
    assert (caught.value.place.line, caught.value.place.column) == (1, 8)
