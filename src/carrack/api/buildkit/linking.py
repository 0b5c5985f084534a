"""Builds that begin with what others have built: bake's ``contexts = {base = "target:base"}``.

buildx takes a result as BuildKit's graph and gives that graph to the next build as one of its inputs. Ours is of
one source, whose address names the result; nothing but such a graph is taken back. Source: BuildKit, pb.Op; buildx.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carrack.engine.build import results, state
from carrack.engine.build.request import Elsewhere
from carrack.engine.build.results import Result
from carrack.errors import InvalidArgument, NotFound, NotSupported
from carrack.http import protobuf
from carrack.http.protobuf import table
from carrack.oci import digest as digests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.engine.build.product import Part, Product
    from carrack.oci.platform import Platform

_OP = table(
    inputs=(1, table(digest=(1, "text"), index=(2, "int")), "list"), source=(3, table(identifier=(1, "text"))),
)  # fmt: skip
_ADDRESS = "carrack-result://"
_INPUT = "input"


def definition(name: str) -> dict[str, Any]:
    """The graph that means the result of that name."""
    source = protobuf.encode({"source": {"identifier": _ADDRESS + name}}, _OP)
    digest = digests.of(source)
    end = protobuf.encode({"inputs": [{"digest": digest, "index": 0}]}, _OP)
    return {"definition": [source, end], "metadata": {digest: {}}}


def meant(graph: Mapping[str, Any]) -> str:
    """The name of the result that a graph means. Raises NotSupported for every other graph."""
    try:
        found = [protobuf.decode(each, _OP)["source"] for each in graph["definition"]]
    except InvalidArgument:
        found = []
    names = [each["identifier"] for each in found if each is not None]
    if len(found) != 2 or len(names) != 1 or not names[0].startswith(_ADDRESS):
        raise NotSupported("builds of another frontend's graph are not supported by this version of Carrack")
    return str(names[0].removeprefix(_ADDRESS))


@dataclass(slots=True)
class Results:
    """What builds that go on have given so far, by names that tell all of them apart; each is held by its build."""

    _all: dict[str, Part] = field(default_factory=dict)
    _products: dict[str, Product] = field(default_factory=dict)

    def add(self, name: str, product: Product) -> None:
        """Name what a build gave; its parts are called by their platforms, too."""
        self._products[name] = product
        for part in product.parts:
            self._all[f"{name}/{part.result.platform}"] = part
        self._all[name] = product.parts[0]

    def remove(self, name: str) -> None:
        """Forget it, as its build is over."""
        self._products.pop(name, None)
        for each in [each for each in self._all if each == name or each.startswith(f"{name}/")]:
            del self._all[each]

    def inputs(self, given: Mapping[str, Mapping[str, Any]], contexts: Mapping[str, str]) -> dict[str, Elsewhere]:
        """The contexts of a build that are results of others, by name. Raises NotFound, NotSupported."""
        found = {}
        for context, text in contexts.items():
            kind, _, key = text.partition(":")
            if kind == _INPUT:
                if key not in given:
                    raise InvalidArgument(f"the build context {context} is an input {key} that did not come")
                found[context] = self._open(meant(given[key]))
        return found

    def _open(self, name: str) -> Elsewhere:
        part, product = self._all.get(name), self._products.get(name.partition("/")[0])
        if part is None or product is None:
            raise NotFound("a build whose result another build begins with is over")

        async def opened(platform: Platform) -> Result:
            result = part.result
            image = results.config(result, product.created(part), product.labels)
            begun = state.begin(image.get("config", {}))
            return Result(begun, result.platform, result.layers, result.history, dict(image), result.base)

        return Elsewhere(opened)
