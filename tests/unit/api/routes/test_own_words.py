"""What only our own command asks of builds."""

from __future__ import annotations

import pytest

from carrack.api.request import Query
from carrack.api.routes import own_words
from carrack.engine.build.order import Asked, attributes
from carrack.errors import InvalidArgument

OURS = Asked(style="buildkit")
ALL = Asked(style="buildkit", no_cache=True)


def test_stages_and_entitlements() -> None:
    query = Query("nocachefilter=One,two&nocachefilter=&nocachefilter=three&allow=device%3Da&allow=network.host")
    read = own_words.read(query, OURS)
    assert read.no_cache_stages == {"one", "two", "three"}
    assert read.allow == {"device=a", "network.host"}
    assert attributes(read)["no-cache"] == "one,three,two"
    assert own_words.read(Query(""), OURS) == OURS


@pytest.mark.parametrize(
    ("asked", "query"),
    [(Asked(), "allow=network.host"), (Asked(), "nocachefilter=a"), (ALL, "nocachefilter=a")],
)
def test_refused(asked: Asked, query: str) -> None:
    with pytest.raises(InvalidArgument, match="nocachefilter"):
        own_words.read(Query(query), asked)
