"""Keys, and what differs between two of them."""

from dataclasses import replace

from carrack.dockerfile.mounts import Mount
from carrack.engine.build import keys
from carrack.engine.build.steps import CopyStep, RunStep

RUN = RunStep(("sh", "-c", "x"), ("A=1", "B=2"), "/", "")


def inputs(step: object = RUN, base: str = "sha256:b", files: dict[str, str] | None = None) -> dict[str, object]:
    return keys.inputs(step, base, files or {}, "linux/amd64")  # type: ignore[arg-type]


def test_everything_that_matters_is_in_it() -> None:
    first = keys.key(inputs())
    others = [
        inputs(base="sha256:c"),
        inputs(files={"context": "sha256:f"}),
        inputs(replace(RUN, words=("sh", "-c", "y"))),
        inputs(replace(RUN, env=("A=1",))),
        inputs(replace(RUN, user="u")),
        inputs(replace(RUN, workdir="/w")),
        inputs(replace(RUN, network="none")),
        inputs(replace(RUN, insecure=True)),
        inputs(replace(RUN, scripts=(("/f", "x"),))),
        inputs(replace(RUN, mounts=(Mount("cache", "/c"),))),
        keys.inputs(RUN, "sha256:b", {}, "linux/arm64"),
        inputs(CopyStep(("a",), "/")),
    ]
    found = [keys.key(other) for other in others]
    assert len({first, *found}) == len(found) + 1


def test_what_has_no_influence_is_not() -> None:
    assert keys.key(inputs(replace(RUN, hidden=("HTTP_PROXY=x",)))) == keys.key(inputs())


def test_difference() -> None:
    assert keys.difference(inputs(), inputs()) == ""
    assert keys.difference(inputs(), inputs(base="c")).startswith("what it is built on")
    assert keys.difference(inputs(), inputs(replace(RUN, env=("A=1", "B=3")))) == "the variable B was '2', is '3'"
    assert keys.difference(inputs(), inputs(replace(RUN, env=("A=1",)))) == "the variable B was '2', is not there"
    assert keys.difference(inputs(), inputs(replace(RUN, words=("y",)))) == "the command was 'sh -c x', is 'y'"
    assert keys.difference(inputs(files={"s": "1"}), inputs(files={"s": "2"})) == "the files of s are different"
    assert keys.difference(inputs(), inputs(replace(RUN, user="u"))) == "user was '', is 'u'"
