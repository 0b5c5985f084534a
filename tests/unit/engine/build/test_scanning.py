"""Scanners that are images: what they are shown, and what is believed of what they leave."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.building import Places, Watcher, Workshop

from carrack.engine.build.progress import Vertex
from carrack.engine.build.request import Files
from carrack.engine.build.running import Job
from carrack.engine.build.scanning import Scanners, Target
from carrack.engine.build.working import Worker
from carrack.errors import InvalidArgument
from carrack.oci import attestation
from carrack.oci.attestation import Claim
from carrack.oci.descriptor import Descriptor

GOOD = json.dumps({"predicateType": attestation.SPDX, "predicate": {"name": "scanned"}})
STATUS = "Package: bash\nStatus: install ok installed\nVersion: 5\nArchitecture: amd64\n"


def scanners(workshop: Workshop) -> Scanners:
    places: Any = Places(workshop.room)
    return Scanners(Worker(workshop.tools), workshop.runner, places, workshop.world.layers)


def scan(workshop: Workshop, leave: Callable[[Path], object], code: int = 0, **config: Any) -> tuple[Claim, ...]:
    """What comes of a scanner that leaves something in its folder."""

    async def program(job: Job, upper: Path) -> int:
        (out,) = [bound for bound in job.mounts if bound.target == "/run/out"]
        assert out.source is not None
        leave(Path(out.source))
        return code

    async def run() -> tuple[Claim, ...]:
        base, _ = await workshop.build("FROM base\n" + "".join(f"{key} {value}\n" for key, value in config.items()))
        result, _ = await workshop.build("FROM base\nCOPY a /a\n", {"a": "1"})
        workshop.runner.program = program
        context = workshop.context({"f": "1"})
        targets = [Target("sbom", result.layers), Target("sbom-one", result.layers), Target("sbom-none"),
                   Target("sbom-build-context", files=Files(context))]  # fmt: skip
        async with workshop.world.layers.hold(result.layers):
            try:
                return await scanners(workshop).by(base, {"A": "b"}, targets, Watcher(), Vertex.make("b", "scan"))
            finally:
                context.close()

    return asyncio.run(run())


def wrote(text: str, name: str = "sbom.spdx.json") -> Callable[[Path], object]:
    return lambda out: (out / name).write_text(text)


def test_what_it_is_shown_and_leaves(workshop: Workshop) -> None:
    (claim,) = scan(workshop, wrote(GOOD), ENTRYPOINT='["/scan"]', CMD='["all"]', USER="7")
    assert (claim.name, claim.predicate_type) == ("sbom.spdx.json", attestation.SPDX)
    assert claim.predicate(lambda _: Descriptor("", "", 0)) == {"name": "scanned"}
    job = workshop.runner.jobs[-1]
    assert (job.words, job.network, job.user) == (("/scan", "all"), "none", "7")
    assert {"BUILDKIT_SCAN_SOURCE=/run/src/core/sbom", "BUILDKIT_SCAN_DESTINATION=/run/out", "BUILDKIT_SCAN_A=b",
            "BUILDKIT_SCAN_SOURCE_EXTRAS=/run/src/extras"} <= set(job.env)  # fmt: skip
    shown = {bound.target: bound.readonly for bound in job.mounts}
    assert shown == {
        "/run/src/core/sbom": True, "/run/out": False, "/run/src/extras/sbom-one": True,
        "/run/src/extras/sbom-build-context": True,
    }  # fmt: skip
    (context,) = [bound for bound in job.mounts if "context" in bound.target]
    assert (context.subpath, len(context.layers)) == ("context", 1)


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (lambda out: None, "has left no"),
        (wrote(GOOD, "sbom.json"), "has left no"),
        (wrote("{"), "sbom.spdx.json"),
        (wrote('{"predicateType": "x", "predicate": {}}'), "no statement"),
        (lambda out: os.symlink("/etc/hostname", out / "sbom.spdx.json"), "is no file"),
        (lambda out: os.mkfifo(out / "sbom.spdx.json"), "is no file"),
        (lambda out: [(out / f"{n}.spdx.json").write_text(GOOD) for n in range(70)], "70 documents"),
    ],
)
def test_what_is_not_believed(workshop: Workshop, leave: Callable[[Path], object], reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        scan(workshop, leave, CMD='["x"]')


def test_one_that_fails(workshop: Workshop) -> None:
    with pytest.raises(InvalidArgument, match="exit code 3"):
        scan(workshop, wrote(GOOD), 3, CMD='["x"]')
    with pytest.raises(InvalidArgument, match="no command"):
        scan(workshop, wrote(GOOD))


def test_our_own(workshop: Workshop) -> None:
    async def run() -> tuple[Claim, ...]:
        result, _ = await workshop.build("FROM base\nCOPY s /var/lib/dpkg/status\n", {"s": STATUS})
        tree = workshop.context({"node_modules/x/package.json": '{"name": "x", "version": "1"}'})
        try:
            async with workshop.world.layers.hold(result.layers):
                targets = [Target("sbom", result.layers), Target("sbom-context", files=Files(tree))]
                return await scanners(workshop).own(targets, 5_500_000_000)
        finally:
            tree.close()

    documents = [claim.predicate(lambda _: Descriptor("", "", 0)) for claim in asyncio.run(run())]
    assert [[row["name"] for row in each["packages"]][:-1] for each in documents] == [["bash"], ["x"]]
    assert documents[0]["creationInfo"]["created"] == "1970-01-01T00:00:05Z"
