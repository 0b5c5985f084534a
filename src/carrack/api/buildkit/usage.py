"""What BuildKit's Control tells of the build cache, and removes of it: DiskUsage, Prune, and a worker's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carrack.api.buildkit import messages as m
from carrack.engine.build import sieve
from carrack.engine.build.limits import Limits
from carrack.http.grpc import ANSWERS, UNARY, Method
from carrack.model import times

if TYPE_CHECKING:
    from carrack.engine.build.prune import BuildCache, Row


class Usage:
    """Answers for one cache."""

    def __init__(self, cache: BuildCache) -> None:
        self._cache = cache

    def methods(self) -> dict[str, Method]:
        """By path, what is answered."""
        control = "/moby.buildkit.v1.Control/"
        return {
            f"{control}DiskUsage": Method(self._disk_usage, UNARY, m.DISK_USAGE_REQUEST, m.DISK_USAGE),
            f"{control}Prune": Method(self._prune, ANSWERS, m.PRUNE, m.USAGE),
        }

    def rules(self) -> list[dict[str, Any]]:
        """The rules by which the cache is kept small, as a worker shows them."""
        return [
            {
                "all": rule.limits.every,
                "keepDuration": rule.unused_for,
                "filters": [",".join(rule.words)] if rule.words else [],
                "reservedSpace": rule.limits.reserved,
                "maxUsedSpace": rule.limits.most,
                "minFreeSpace": rule.limits.free,
            }
            for rule in self._cache.rules
        ]

    async def _disk_usage(self, call: Any) -> None:
        asked = await call.recv_message()
        wanted = sieve.of_words(asked["filter"], times.now())
        await call.send_message({"record": [_usage(row) for row in await self._cache.rows() if wanted(row)]})

    async def _prune(self, call: Any) -> None:
        asked = await call.recv_message()
        limits = Limits(asked["all"], asked["reservedSpace"], asked["maxUsedSpace"], asked["minFreeSpace"])
        meant, unused_since = sieve.of_words(asked["filter"], times.now()), times.now() - asked["keepDuration"]
        for row in await self._cache.prune(limits, lambda row: meant(row) and row.last_used <= unused_since):
            await call.send_message(_usage(row))


def _usage(row: Row) -> dict[str, Any]:
    return {
        "ID": row.id, "Mutable": row.mutable, "InUse": row.in_use, "Size": row.size, "CreatedAt": _time(row.created),
        "LastUsedAt": _time(row.last_used) if row.last_used else None, "UsageCount": row.uses,
        "Description": row.description, "RecordType": row.kind, "Shared": row.shared, "Parents": list(row.parents),
    }  # fmt: skip


def _time(moment: int) -> dict[str, int]:
    seconds, nanos = divmod(moment, 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}
