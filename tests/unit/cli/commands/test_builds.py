"""The graph of a build as it is drawn."""

from __future__ import annotations

from typing import Any

from carrack.cli.commands.builds import graph


def step(digest: str, at: int, seconds: int, *inputs: str, **more: Any) -> dict[str, Any]:
    return {
        "Digest": digest, "Name": f"step  {digest}", "Inputs": list(inputs),
        "Started": f"2026-01-01T00:00:{at:02}Z", "Completed": "2026-01-01T00:01:00Z",
        "Nanoseconds": seconds * 1_000_000_000, "Cached": False, "Error": "", **more,
    }  # fmt: skip


def test_graph() -> None:
    steps = [
        step("a", 0, 4), step("b", 4, 4, "a", "unknown", Cached=True), step("c", 4, 4, "a", "b", Error="no"),
        step("d", 8, 0, Completed="", Name="x" * 100),
    ]  # fmt: skip
    first, second, third, last = graph(steps)
    assert first.startswith("#1 step a ")
    assert first.endswith("   4.00s  ▕" + "█" * 16 + " " * 16 + "▏")
    assert "#2 step b < #1 " in second
    assert " CACHED  ▕" + " " * 16 + "·" * 16 + "▏" in second
    assert "#3 step c < #1, #2" in third
    assert third.endswith("▏  ERROR")
    assert "…" in last
    assert "running" in last
    assert graph([]) == []
