"""How steps are called."""

from __future__ import annotations

from carrack.dockerfile import file
from carrack.engine.build import stages
from carrack.engine.build.scope import Scope
from carrack.engine.build.vertices import Vertices

TEXT = "FROM a AS one\nRUN x\nFROM b\nCOPY --from=c f /\n"


def test_names() -> None:
    plan = stages.plan(file.parse(TEXT), Scope({}, {}))
    made = Vertices("build", plan, "linux/arm64 ")
    one, two = (planned.stage for planned in plan.stages)
    first = made.of(one, one.commands[0], (1, 2, 2))
    assert first.name == "[linux/arm64 one 2/2] RUN x"
    assert made.of(two, two.commands[0], (1, 2, 2)).name == "[linux/arm64 stage-1 2/2] COPY --from=c f /"
    assert made.of(one, one.commands[0], (1, 2, 2), quiet=True).name == "RUN x"
    assert Vertices("other", plan, "linux/arm64 ").of(one, one.commands[0], (1, 2, 2)).digest != first.digest
    alone = stages.plan(file.parse("FROM a\nRUN x"), Scope({}, {}))
    stage = alone.stages[0].stage
    assert Vertices("build", alone, "").of(stage, stage.commands[0], (1, 2, 2)).name == "[2/2] RUN x"


def test_where_an_image_is_named() -> None:
    made = Vertices("build", stages.plan(file.parse(TEXT), Scope({}, {})), "")
    places = [made.naming(name) for name in ("a", "c", "none")]
    assert [place and place.line for place in places] == [1, 4, None]
    assert made.metadata("a").name == "[internal] load metadata for a"
