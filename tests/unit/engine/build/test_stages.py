"""Which stages are needed."""

import pytest

from carrack.dockerfile import file
from carrack.dockerfile.problem import DockerfileError
from carrack.engine.build import stages
from carrack.engine.build.scope import Scope
from carrack.errors import InvalidArgument


def plan(text: str, target: str = "", known: dict[str, str] | None = None) -> stages.Plan:
    return stages.plan(file.parse(text), Scope({}, known or {}), target)


def test_needed() -> None:
    text = "FROM a AS x\nFROM b AS y\nFROM x AS z\nCOPY --from=1 q /\nFROM c AS unused\nFROM z\n"
    text += "RUN --mount=from=z,target=/m q"
    found = plan(text)
    assert found.needed() == [0, 1, 2, 4]
    assert found.stages[2].parent == 0
    assert found.find("Y") == 1
    assert found.find("3") == 3
    assert found.find("none") is None


def test_a_later_stage_can_be_copied_from_but_not_begun_with() -> None:
    found = plan("FROM late AS a\nCOPY --from=late x /\nFROM b AS late", "a")
    assert found.stages[0].parent is None
    assert found.needed() == [0, 1]


def test_the_last_of_a_name_counts() -> None:
    assert plan("FROM a AS x\nFROM b AS x\nFROM x").stages[2].parent == 1


def test_base_with_variables() -> None:
    assert plan("FROM --platform=$P a:$V", known={"V": "1", "P": "linux/arm64"}).stages[0].base == "a:1"
    with pytest.raises(DockerfileError, match="should not be blank; V is not set"):
        plan("FROM $V")


@pytest.mark.parametrize("text", ["FROM a AS x\nCOPY --from=x q /", "FROM a AS x\nCOPY --from=y q /\nFROM x AS y"])
def test_circles(text: str) -> None:
    with pytest.raises(DockerfileError, match="circular dependency detected on stage: x"):
        plan(text, "x")


def test_circles_of_unused_stages_do_not_matter() -> None:
    assert plan("FROM a AS x\nCOPY --from=x q /\nFROM b").needed() == [1]


def test_no_such_target() -> None:
    with pytest.raises(InvalidArgument, match="the stages are: none has a name"):
        plan("FROM a", "t")


def test_the_number_of_no_stage() -> None:
    with pytest.raises(DockerfileError, match="line 3: invalid stage index 7"):
        plan("FROM a\nCOPY --from=0x7 a /\nCOPY --from=7 x /")


def standing(text: str, contexts: dict[str, str]) -> stages.Plan:
    return stages.plan(file.parse(text), Scope({}, {"TARGETPLATFORM": "linux/amd64"}), "", contexts)


def test_contexts_in_place_of_images() -> None:
    found = standing("FROM a:latest AS x\nRUN q\nFROM x\nCOPY --from=a f /\nFROM d", {"a": "b:2", "d": ""})
    assert (found.stages[0].base, len(found.stages[0].stage.commands)) == ("b:2", 1)
    assert (found.stages[1].parent, found.stages[1].needs) == (0, frozenset({0}))
    last = found.stages[2]
    assert (last.base, last.stage.commands[0].text) == ("scratch", "COPY --from=d . /")
    assert standing("FROM --platform=linux/s390x a", {"a::linux/s390x": "b", "a": "c"}).stages[0].base == "b"


def test_contexts_in_place_of_stages() -> None:
    found = standing("FROM a AS x\nRUN q\nFROM x\nCOPY --from=x f /\nCOPY --from=0 g /", {"x": "b"})
    first, second = found.stages
    assert (first.base, first.stage.commands, first.replaced) == ("b", (), True)
    assert (second.parent, second.needs, second.replaced) == (0, frozenset({0}), False)
    assert standing("FROM a AS x\nRUN q", {"x": ""}).stages[0].needs == frozenset()


def test_stages_on_each_other_are_bounded() -> None:
    def chain(count: int) -> str:
        return "FROM scratch AS s0\n" + "".join(f"FROM s{number - 1} AS s{number}\n" for number in range(1, count))

    assert len(plan(chain(stages.DEPTH_LIMIT)).needed()) == stages.DEPTH_LIMIT
    with pytest.raises(DockerfileError, match="more than 200 stages on each other"):
        plan(chain(stages.DEPTH_LIMIT + 1))
    assert plan(chain(3000) + "FROM s9\n").needed() == [*range(10), 3000]
