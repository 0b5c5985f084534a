"""Builds that begin with what others have built."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.images import HOST

from carrack.api.buildkit import linking
from carrack.api.buildkit.linking import Results
from carrack.engine.build.product import Part, Product
from carrack.errors import InvalidArgument, NotFound, NotSupported


def test_graphs() -> None:
    made = linking.definition("b.result-0/linux/arm64")
    assert linking.meant(made) == "b.result-0/linux/arm64"
    assert len(made["metadata"]) == 1


@pytest.mark.parametrize(
    "graph", [[], [b"x"], [b"\xff"], [b"\x1a\x09\n\x07image:a", b""], linking.definition("a")["definition"] * 2]
)
def test_graphs_of_others(graph: list[bytes]) -> None:
    with pytest.raises(NotSupported):
        linking.meant({"definition": graph})


def test_results(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build("FROM base\nRUN x\nENV B=2")
        known, product = Results(), Product((Part(result),), {"l": "1"})
        known.add("b.result-0", product)
        given: dict[str, Any] = {
            "base": linking.definition("b.result-0"),
            "p": linking.definition("b.result-0/linux/amd64"),
        }
        found = known.inputs(given, {"base": "input:base", "p": "input:p", "other": "local:other"})
        assert found.keys() == {"base", "p"}
        begun = await found["base"].open(HOST)
        assert (begun.layers, begun.history) == (result.layers, result.history)
        assert "B=2" in begun.state.config["Env"]
        assert begun.image["config"]["Labels"] == {"l": "1"}
        with pytest.raises(InvalidArgument, match="did not come"):
            known.inputs({}, {"base": "input:base"})
        known.remove("b.result-0")
        with pytest.raises(NotFound, match="is over"):
            known.inputs(given, {"p": "input:p"})

    asyncio.run(run())
