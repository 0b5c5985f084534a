"""The node of a step that is about to be done: how a cache knows it, whoever wrote that cache."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from carrack.dockerfile.ignore import Ignored
from carrack.engine.build.caching import contents, graph, operations
from carrack.engine.build.caching.graph import Link, Node
from carrack.engine.build.caching.operations import BELOW, INLINE, REMOTE, Need
from carrack.engine.build.request import Files
from carrack.engine.build.steps import CopyStep, RunStep
from carrack.storage.trees.picking import pick

if TYPE_CHECKING:
    from carrack.engine.build.copying import Gathered
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.engine.build.solve import FilesOf
    from carrack.engine.build.steps import Step

_USUAL_HOST = "buildkitsandbox"


async def named(
    step: Step, request: Request, below: Result, files: FilesOf, gathered: Gathered | None, own: str
) -> Node:
    """The node of ``step`` on ``below``. ``gathered``: what a copy takes; ``own``: our own key of the step."""
    return await early(step, request, below, files, gathered, own) or Node(graph.rooted(own), own=own)


async def early(
    step: Step, request: Request, below: Result, files: FilesOf, gathered: Gathered | None, own: str = ""
) -> Node | None:
    """The same by what is done alone; None for what has no name but our own."""
    operation = _operation(step, request, below)
    if operation is None:
        return None
    inputs = [await _links(need, below, files, gathered) for need in operation.needs]
    node = Node(graph.rooted(operation.digest), tuple(inputs), own)
    if not operation.linked or below.node is None:
        return node
    node.own = ""
    return Node(graph.rooted(operations.MERGE), (graph.links(below.node), (Link(node),)), own)


def _operation(step: Step, request: Request, below: Result) -> operations.Operation | None:
    scratch = below.node is None
    if isinstance(step, CopyStep):
        return operations.copy(step, scratch)
    if not isinstance(step, RunStep):
        return operations.workdir(step, scratch, request.epoch)
    network = step.network if step.network != "default" else request.network or "default"
    hostname = request.hostname if request.hostname != _USUAL_HOST else ""
    limits = request.limits.host_config
    return operations.run(step, scratch, below.platform, network, request.extra_hosts, hostname, limits)


async def _links(need: Need, below: Result, files: FilesOf, gathered: Gathered | None) -> tuple[Link, ...]:
    if need.kind == BELOW:
        assert below.node is not None
        return graph.links(below.node, need.selector)
    if need.kind == INLINE:
        return (Link(Node(graph.rooted(need.made)), need.selector),)
    if need.kind == REMOTE:
        assert gathered is not None
        return (Link(graph.contents(await asyncio.to_thread(_fetched, need, gathered))),)
    source = await files(need.origin)
    links: list[Link] = []
    if not isinstance(source, Files) and source.node is not None:
        links += graph.links(source.node, need.selector)
    digest = await asyncio.to_thread(_contents, need, source, gathered)
    return (*links, Link(graph.contents(digest))) if digest else tuple(links)


def _fetched(need: Need, gathered: Gathered) -> str:
    """The digest of what came from elsewhere."""
    (path,), group = need.paths, gathered.groups[gathered.step.sources.index(need.origin)]
    return contents.selected([(path, *group)], context=False)


def _contents(need: Need, source: Files | Result, gathered: Gathered | None) -> str:
    """The digest of what is taken; "" when only another name of it is known."""
    if gathered is not None:
        groups = [(path, *group) for path, group in zip(need.paths, gathered.groups, strict=True)]
    elif isinstance(source, Files):
        nothing = Ignored([]).__contains__
        groups = [
            (path, source.tree, pick(source.tree, path, nothing, hidden=source.hidden))
            for path in need.paths
        ]  # fmt: skip
    else:
        return ""
    return contents.selected(groups, context=isinstance(source, Files), filtered=need.filtered)
