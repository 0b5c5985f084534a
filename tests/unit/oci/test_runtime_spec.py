"""The types of the runtime spec: every key is one of the specification's, and a real document fits."""

from __future__ import annotations

import re
from typing import get_type_hints, is_typeddict

from tests.fakes.containers import FACTS, container

from carrack.engine import spec
from carrack.oci import runtime_spec


def test_names_are_the_specifications() -> None:
    kinds = [kind for kind in vars(runtime_spec).values() if is_typeddict(kind)]
    assert len(kinds) > 25
    for kind in kinds:
        for name in get_type_hints(kind):
            assert re.fullmatch(r"[a-z][A-Za-z]*", name), f"{kind.__name__}.{name}"


def test_what_the_engine_writes_has_no_other_keys() -> None:
    document = spec.build(container(), FACTS, [], "/carrack/x")
    assert set(document) <= set(get_type_hints(runtime_spec.Spec))
    assert set(document["linux"]) <= set(get_type_hints(runtime_spec.Linux))
    assert set(document["process"]) <= set(get_type_hints(runtime_spec.Process))
    assert document["ociVersion"] == runtime_spec.OCI_VERSION
