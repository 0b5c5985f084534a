"""Changes typed as Dockerfile instructions."""

from typing import Any

import pytest

from carrack.engine.images.changes import apply
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (["CMD echo $HOME"], {"Cmd": ["/bin/sh", "-c", "echo $HOME"]}),
        (['cmd ["a", "b c"]'], {"Cmd": ["a", "b c"]}),
        (["CMD [not json"], {"Cmd": ["/bin/sh", "-c", "[not json"]}),
        (['ENTRYPOINT ["/x"]', "CMD y"], {"Entrypoint": ["/x"], "Cmd": ["/bin/sh", "-c", "y"]}),
        (["ENV A=1 B='2 3' A=4"], {"Env": ["A=4", "B=2 3"]}),
        (["ENV A the rest"], {"Env": ["A=the rest"]}),
        (["ENV A="], {"Env": ["A="]}),
        (
            ["EXPOSE 80 53/udp 9000-9001/TCP"],
            {"ExposedPorts": {p: {} for p in ("80/tcp", "53/udp", "9000/tcp", "9001/tcp")}},
        ),
        (['LABEL a=b "c d"="e"'], {"Labels": {"a": "b", "c d": "e"}}),
        (["ONBUILD RUN x", "ONBUILD COPY . ."], {"OnBuild": ["RUN x", "COPY . ."]}),
        (["USER 1000:1000"], {"User": "1000:1000"}),
        (["VOLUME /a /b", 'VOLUME ["/c d"]'], {"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}),
        (["WORKDIR /a", "WORKDIR b/../c"], {"WorkingDir": "/a/c"}),
        (["STOPSIGNAL SIGINT"], {"StopSignal": "SIGINT"}),
        (["HEALTHCHECK NONE"], {"Healthcheck": {"Test": ["NONE"]}}),
        (['HEALTHCHECK CMD ["x"]'], {"Healthcheck": {"Test": ["CMD", "x"]}}),
        (["USER a\n# comment\n\nWORKDIR \\\n /x"], {"User": "a", "WorkingDir": "/x"}),
        (["", "# nothing"], {}),
        (["ENV A=1", "ENV B=$A-${C:-2}", "USER $B"], {"Env": ["A=1", "B=1-2"], "User": "1-2"}),
        (["EXPOSE 127.0.0.1:8080:80"], {"ExposedPorts": {"80/tcp": {}}}),
        (["CMD []"], {"Cmd": []}),
        (
            ["HEALTHCHECK --interval=1s --retries=2 CMD x"],
            {"Healthcheck": {"Test": ["CMD-SHELL", "x"], "Interval": 10**9, "Retries": 2}},
        ),
        ([], {}),
    ],
)
def test_apply(changes: list[str], wanted: dict[str, Any]) -> None:
    assert apply({}, changes) == wanted


def test_what_there_was_is_kept_and_not_touched() -> None:
    before: Any = {"Env": ["A=1", "B=2"], "Cmd": ["sh"], "Labels": {"x": "y"}}
    assert apply(before, ["ENV B=3", "LABEL x=z"]) == {"Env": ["A=1", "B=3"], "Cmd": ["sh"], "Labels": {"x": "z"}}
    assert apply(before, ['ENTRYPOINT ["e"]']) == {"Env": ["A=1", "B=2"], "Labels": {"x": "y"}, "Entrypoint": ["e"]}
    assert before == {"Env": ["A=1", "B=2"], "Cmd": ["sh"], "Labels": {"x": "y"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("RUN x", "RUN is not a valid change command"),
        ("FROM scratch", "FROM is not a valid change command"),
        ("NOPE x", "NOPE is not a valid change command"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", 'can\'t find = in "B"'),
        ("ENV =x", "names can not be blank"),
        ("ENV A='x", "looking for matching single-quote"),
        ("EXPOSE http", "Invalid containerPort: http"),
        ("EXPOSE 70000", "Invalid containerPort: 70000"),
        ("EXPOSE 90-80", "Invalid containerPort: 90-80"),
        ("ONBUILD ONBUILD RUN x", "isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed"),
        ("STOPSIGNAL a b", "exactly one argument"),
        ('VOLUME [""]', "can not be an empty string"),
        ("CMD [1]", "strings only"),
        ("HEALTHCHECK --retries=x CMD a", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("HEALTHCHECK --interval=x CMD x", "invalid duration"),
    ],
)
def test_refused(change: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        apply({}, [change])
