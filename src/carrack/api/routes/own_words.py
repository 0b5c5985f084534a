"""What only our own command asks of ``POST /build``, and docker's classic request has no words for.

Query: ``nocachefilter`` (a stage, or several with commas between them) and ``allow`` (``network.host``,
``security.insecure``, ``device`` or ``device=NAME``), each as often as wanted; ``contexts`` (see named_contexts);
``ssh``: an agent of the client's that offers ``folders`` (see carrack.api.agents).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from carrack.api.routes import named_contexts
from carrack.errors import InvalidArgument

if TYPE_CHECKING:
    from carrack.api.request import Query
    from carrack.engine.build.order import Asked


def read(query: Query, asked: Asked) -> Asked:
    """The request with them. Raises InvalidArgument."""
    listed = ",".join(query.texts("nocachefilter")).split(",")
    stages = frozenset(each.strip().lower() for each in listed if each.strip())
    allow = frozenset(filter(None, query.texts("allow")))
    named = named_contexts.read(query.text("contexts"))
    keys = frozenset(filter(None, query.texts("ssh")))
    if (stages or allow or named or keys) and asked.style != "buildkit":
        raise InvalidArgument("nocachefilter, allow, ssh and contexts need style=buildkit, or buildx")
    if stages and asked.no_cache:
        raise InvalidArgument("nocachefilter names some stages, and nocache means all of them: leave out one of both")
    return replace(asked, no_cache_stages=stages, allow=allow, named=named, keys=keys)
