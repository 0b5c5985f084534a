"""Which fields of which commands are expanded."""

import pytest

from carrack.dockerfile import commands as c
from carrack.dockerfile import expansion, lines, reading
from carrack.dockerfile.commands import Pair
from carrack.dockerfile.problem import DockerfileError
from carrack.dockerfile.words import Lexer

VALUES = {"v": "V", "two": "1 2"}


def expand(text: str) -> c.Command:
    (statement,) = lines.parse(text).statements
    return expansion.expand(reading.command(statement), Lexer(), VALUES)


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("FROM $v", "base", "V"),
        ("FROM --platform=$v a", "platform", "V"),
        ("ENV $v=$v", "pairs", (Pair("V", "V"),)),
        ("ENV a 'x $v' $v", "pairs", (Pair("a", "x $v V", legacy=True),)),
        ('LABEL "a b"="$v"', "pairs", (Pair("a b", "V"),)),
        ("ARG a=$v b", "pairs", (Pair("a", "V"), Pair("b", None))),
        ("EXPOSE $two", "ports", ("1", "2")),
        ("VOLUME $v /x", "paths", ("V", "/x")),
        ("USER $v", "user", "V"),
        ("WORKDIR /$v", "path", "/V"),
        ("STOPSIGNAL $v", "signal", "V"),
        ("COPY $v 'ab' /$v", "sources", ("V", "ab")),
        ("COPY a /$v", "destination", "/V"),
        ("COPY --chown=$v a /b", "chown", "V"),
        ("COPY --chmod=$v a /b", "chmod", "V"),
        ("COPY --exclude=$v a /b", "exclude", ("V",)),
        ("COPY --from=$v a /b", "origin", "$v"),
        ("ADD --checksum=$v a /b", "checksum", "V"),
    ],
)
def test_expanded(text: str, field: str, expected: object) -> None:
    assert getattr(expand(text), field) == expected


def test_heredocs() -> None:
    command = expand("COPY <<a <<'b' /c\n'$v'\na\n$v\nb")
    assert isinstance(command, c.Copy)
    assert [doc.content for doc in command.inline] == ["'V'\n", "$v\n"]


def test_run_keeps_its_line_and_expands_its_mounts() -> None:
    command = expand("RUN --mount=target=/$v,source=$v,from=$v echo $v")
    assert isinstance(command, c.Run)
    assert command.line.words == ("echo $v",)
    (mount,) = command.mounts
    assert (mount.target, mount.source, mount.origin) == ("/V", "V", "V")


def test_others_stay() -> None:
    for text in ("CMD $v", "ENTRYPOINT $v", "MAINTAINER $v", "ONBUILD RUN $v", 'SHELL ["$v"]'):
        assert "$v" in str(expand(text))


def test_failure_says_which() -> None:
    with pytest.raises(DockerfileError, match=r"failed to process 'USER \$\{x:\?gone\}': x: gone"):
        expand("USER ${x:?gone}")
