"""How steps are called. The names are dockerd 28.5's of the same files."""

from __future__ import annotations

import pytest

from carrack.dockerfile import file
from carrack.engine.build import stages, state
from carrack.engine.build.scope import Scope
from carrack.engine.build.vertices import Vertices, full

HERE = "linux/amd64"
TEXT = "FROM a AS one\nRUN x\nFROM b\nCOPY --from=c f /\n"


def made(text: str, prefix: str = "", known: dict[str, str] | None = None) -> Vertices:
    return Vertices("build", stages.plan(file.parse(text), Scope({}, known or {})), HERE, prefix)


def names(text: str, prefix: str = "") -> list[str]:
    """Those of all steps, in the order of the file."""
    parsed = file.parse(text)
    scope = Scope({}, {})
    plan = stages.plan(parsed, scope)
    vertices, found = Vertices("build", plan, HERE, prefix), list[str]()
    ends: dict[int, state.State] = {}
    for planned in plan.stages:
        now = state.begin({}) if planned.parent is None else state.begin({}, ends[planned.parent])
        vertices.begin(planned.stage)
        for ordinal, command in enumerate(planned.stage.commands, 1):
            advanced = state.advance(now, command, scope)
            if advanced.step is not None:
                found.append(vertices.of(planned.stage, command, ordinal, now).name)
            now = advanced.state
        ends[planned.stage.index] = now
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\nCOPY a /\nCOPY b /", ["[1/2] COPY a /", "[2/2] COPY b /"]),
        ("FROM a AS name\nENV q=1\nCOPY a /", ["[2/2] COPY a /"]),
        (
            "FROM a AS one\nRUN x\nFROM one\nRUN y\nFROM scratch\nCOPY --from=one /x /",
            ["[one 2/2] RUN x", "[stage-1 1/1] RUN y", "[stage-2 1/1] COPY --from=one /x /"],
        ),
        ("FROM scratch\nCOPY --from=a /x /", ["[stage-0 1/1] COPY --from=a /x /"]),
        ("FROM a\nRUN --mount=type=cache,target=/c x", ["[stage-0 2/2] RUN --mount=type=cache,target=/c x"]),
        ("FROM a\n" + "run x\n" * 9, [*(f"[{number:>2}/10] RUN x" for number in range(2, 11))]),
        (
            'FROM a\nARG A=b\nRUN echo $A \'$A\' \\$A "$A c" $no\nCOPY a /$A$no/\nWORKDIR "/$A"',
            ["[2/4] RUN echo b '$A' $A \"b c\" $no", "[3/4] COPY a /b/", "[4/4] WORKDIR /b"],
        ),
        ("FROM a\nRUN it's", ["[2/2] RUN it's"]),
        (
            "FROM a\nENV S=x\nRUN --mount=type=secret,id=i,env=S echo $S",
            ["[stage-0 2/2] RUN --mount=type=secret,id=i,env=S echo ****"],
        ),
        ("FROM a\nRUN <<E\necho a\necho b\nE\nRUN <<E cat\na\nE", ["[2/3] RUN <<E (echo a...)", "[3/3] RUN <<E cat"]),
    ],
)
def test_names(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_several_platforms() -> None:
    text = "FROM --platform=linux/arm64 a AS one\n{}RUN x\nFROM one\nRUN y\nFROM a\nRUN z"
    expected = ["[linux/arm64{} one 2/2] RUN x", "[linux/arm64{} stage-1 1/1] RUN y", "[linux/amd64 stage-2 2/2] RUN z"]
    cases = {"": "", "ARG TARGETARCH=amd64\n": "->amd64", "ARG TARGETPLATFORM=linux/arm/v7\n": "->arm/v7",
             "ARG TARGETOS=plan9\n": "->plan9/arm64", "ARG TARGETPLATFORM=/\n": ""}  # fmt: skip
    for given, shown in cases.items():
        assert names(text.format(given), "linux/amd64 ") == [each.format(shown) for each in expected]


def test_what_tells_them_apart() -> None:
    plan = stages.plan(file.parse(TEXT), Scope({}, {}))
    stage, digests = plan.stages[0].stage, set()
    for build in ("build", "other"):
        vertices = Vertices(build, plan, HERE)
        vertices.begin(stage)
        digests.add(vertices.of(stage, stage.commands[0], 1).digest)
        assert vertices.of(stage, stage.commands[0], 1, quiet=True).name == "RUN x"
    assert len(digests) == 2


def test_triggers_are_counted_all() -> None:
    plan = stages.plan(file.parse("FROM scratch\nCOPY a /"), Scope({}, {}))
    stage, triggers = plan.stages[0].stage, [file.parse_trigger("ENV a=b"), file.parse_trigger("RUN x")]
    vertices = Vertices("build", plan, HERE)
    vertices.begin(stage, triggers)
    assert vertices.of(stage, triggers[1], -1).name == "[1/3] ONBUILD RUN x"
    assert vertices.of(stage, stage.commands[0], 1).name == "[2/3] COPY a /"


def test_images() -> None:
    """One is called as the last stage on the way to it calls it."""
    vertices = made("FROM a AS one\nFROM a\nCOPY --from=one f /\nCOPY --from=c f /\nFROM d\n")
    assert vertices.image("d", HERE).name == "[stage-2 1/1] FROM docker.io/library/d:latest"
    vertices = made("FROM a AS one\nFROM a\nCOPY --from=one f /\nCOPY --from=c f /\n")
    assert vertices.image("a", HERE).name == "[one 1/1] FROM docker.io/library/a:latest"
    assert vertices.image("c", HERE).name == "FROM docker.io/library/c:latest"
    assert made("FROM a\nRUN x", "linux/amd64 ").image("a", HERE).name.startswith("[linux/amd64 1/2] FROM ")
    assert vertices.metadata("a").name == "[internal] load metadata for docker.io/library/a:latest"
    assert made(TEXT, "x ").metadata("a", HERE).name.startswith("[linux/amd64 internal] load metadata for ")


def test_where_an_image_is_named() -> None:
    places = [made(TEXT).metadata(name).place for name in ("a", "c", "none")]
    assert [place and place.line for place in places] == [1, 4, None]


def test_full_names() -> None:
    assert full("host:5000/a@sha256:" + "0" * 64) == "host:5000/a@sha256:" + "0" * 64
    assert [full(name) for name in ("sha256:" + "1" * 64, "NO")] == ["sha256:" + "1" * 64, "NO"]


def test_variables_do_not_fill_the_memory() -> None:
    text = f"FROM a\nARG A={'x' * 60_000}\nRUN echo {'$A' * 20}\nRUN $A"
    assert names(text)[0].endswith(f"echo {'$A' * 20}")
