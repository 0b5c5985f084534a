"""How an image came to be."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.images import HOST
from tests.unit.engine.build.test_trace import TEXT, traced

from carrack.engine.build import provenance
from carrack.engine.build.trace import Base
from carrack.errors import InvalidArgument
from carrack.oci import media_types
from carrack.oci.descriptor import Descriptor

ATTRIBUTES = {
    "filename": "Dockerfile", "build-arg:SECRET": "s3cret", "label:a": "b", "target": "x", "platform": "linux/amd64",
    "attest:provenance": "mode=max", "vcs:source": "https://me:token@git/x", "vcs:revision": "abc",
    "context:other": "https://me:token@host/x.tar",
}  # fmt: skip
SECRETS = "FROM base\nRUN --mount=type=secret,id=key --mount=type=ssh,required x\n"


def said(workshop: Workshop, text: str = TEXT, attributes: Mapping[str, str] = ATTRIBUTES, **words: str) -> Any:
    _, trace = traced(workshop, text)
    trace.bases.update({"pinned linux/amd64": Base("pinned:1", "linux/amd64", "sha256:" + "a" * 64)})
    trace.fetched["https://me:token@host/f"] = "sha256:" + "b" * 64
    facts = provenance.Facts(trace, attributes, "build-1", 1_600_000_000_000_000_000, HOST, text.encode())
    wanted = provenance.asked({name.replace("_", "-"): value for name, value in words.items()})
    assert wanted is not None
    claim = provenance.claim(wanted, facts)
    made = claim.predicate(lambda diff_id: Descriptor(media_types.OCI_LAYER, diff_id, 5))
    assert claim.predicate_type == f"https://slsa.dev/provenance/{wanted.version}"
    assert "token" not in json.dumps(made)
    return made


def test_little_of_it(workshop: Workshop) -> None:
    made = said(workshop)
    assert made["buildType"] == "https://mobyproject.org/buildkit@v1"
    assert made["invocation"]["configSource"] == {"entryPoint": "Dockerfile"}
    assert made["invocation"]["environment"] == {"platform": "linux/amd64"}
    assert made["invocation"]["parameters"] == {
        "frontend": "dockerfile.v0",
        "args": {"context:other": "https://me:xxxxx@host/x.tar", "target": "x"},
        "locals": [{"name": "context"}, {"name": "dockerfile"}],
    }
    metadata = made["metadata"]
    assert metadata["completeness"] == {"parameters": False, "environment": True, "materials": False}
    assert (metadata["buildInvocationID"], metadata["reproducible"]) == ("build-1", False)
    assert metadata["buildFinishedOn"] == "2020-09-13T12:26:40Z"
    assert metadata["buildStartedOn"] > metadata["buildFinishedOn"]
    own = metadata["https://mobyproject.org/buildkit@v1#metadata"]
    assert own == {"vcs": {"revision": "abc", "source": "https://me:xxxxx@git/x"}}
    assert "buildConfig" not in made
    assert "s3cret" not in json.dumps(made)


def test_materials(workshop: Workshop) -> None:
    base, pinned, fetched = said(workshop)["materials"]
    assert base == {"uri": "pkg:docker/base@latest?platform=linux%2Famd64"}
    assert pinned == {"uri": "pkg:docker/pinned@1?platform=linux%2Famd64", "digest": {"sha256": "a" * 64}}
    assert fetched == {"uri": "https://me:xxxxx@host/f", "digest": {"sha256": "b" * 64}}


def test_all_of_it(workshop: Workshop) -> None:
    made = said(workshop, mode="max", builder_id="https://ci/1", reproducible="true")
    assert made["builder"] == {"id": "https://ci/1"}
    assert made["invocation"]["parameters"]["args"]["build-arg:SECRET"] == "s3cret"
    assert made["metadata"]["completeness"]["parameters"]
    assert made["metadata"]["reproducible"]
    assert len(made["buildConfig"]["llbDefinition"]) == 7
    own = made["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]
    (source,) = own["source"]["infos"]
    assert base64.b64decode(source["data"]).decode() == TEXT
    assert own["source"]["locations"]["step3"]
    assert own["layers"]["step5:0"]


def test_secrets_are_named_and_not_told(workshop: Workshop) -> None:
    made = said(workshop, SECRETS, mode="max")
    parameters = made["invocation"]["parameters"]
    assert parameters["secrets"] == [{"id": "key", "optional": True}]
    assert parameters["ssh"] == [{"id": "default"}]
    assert "secrets" not in said(workshop, SECRETS, {})["invocation"]["parameters"]
    assert not said(workshop, SECRETS, {})["metadata"]["completeness"]["parameters"]


def test_version_1(workshop: Workshop) -> None:
    made = said(workshop, version="v1", mode="max", builder_id="me")
    definition, details = made["buildDefinition"], made["runDetails"]
    assert definition["buildType"].endswith("slsa-definitions.md")
    assert definition["externalParameters"]["configSource"] == {"path": "Dockerfile"}
    assert definition["externalParameters"]["request"]["args"]["label:a"] == "b"
    assert definition["internalParameters"]["builderPlatform"] == "linux/amd64"
    assert definition["internalParameters"]["buildConfig"]["llbDefinition"]
    assert len(definition["resolvedDependencies"]) == 3
    assert details["builder"] == {"id": "me"}
    assert details["metadata"]["invocationId"] == "build-1"
    assert details["metadata"]["buildkit_completeness"] == {"request": True, "resolvedDependencies": False}
    assert "buildConfig" not in json.dumps(said(workshop, version="v1"))


def test_hermetic(workshop: Workshop) -> None:
    _, trace = traced(workshop, "FROM base\nRUN --network=none x\n")
    facts = provenance.Facts(trace, {"context": "https://me:pw@host/r.git"}, "b", 0, HOST, b"", ())
    made = provenance.claim(provenance.Asked(), facts).predicate(lambda _: Descriptor("", "", 0))
    assert made["metadata"]["https://mobyproject.org/buildkit@v1#hermetic"]
    assert made["materials"][-1] == {"uri": "https://me:xxxxx@host/r.git"}
    assert made["invocation"]["configSource"]["uri"] == "https://me:xxxxx@host/r.git"
    online = provenance.Facts(traced(workshop, "FROM base\nRUN x\n")[1], {}, "b", 0, HOST, b"", ())
    assert online.online
    assert not provenance.Facts(online.trace, {"force-network-mode": "none"}, "b", 0, HOST, b"").online


def test_what_is_asked() -> None:
    assert provenance.asked({"disabled": "true"}) is None
    assert provenance.asked({"inline-only": "true", "mode": "max"}) == provenance.Asked("max", inline_only=True)
    for words in ({"mode": "some"}, {"version": "v2"}, {"what": "x"}):
        with pytest.raises(InvalidArgument):
            provenance.asked(words)
