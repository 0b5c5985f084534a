"""The rules by which the build cache is kept small."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from carrack.engine.build import rules
from carrack.engine.build.cache import Entry
from carrack.engine.build.limits import Limits
from carrack.engine.build.prune import Row
from carrack.errors import InvalidArgument

GB, GIB = 10**9, 1 << 30
HOUR = 3600 * 10**9


def test_dockers_own_are_of_the_disk() -> None:
    cheap, old, usual, every = rules.USUAL.on(252 * GB)
    assert (cheap.unused_for, cheap.limits.most, cheap.limits.reserved) == (48 * HOUR, int(26 * GB * 0.138), 0)
    assert cheap.words == ("type==source.local", "type==exec.cachemount", "type==source.git.checkout")
    assert (old.unused_for, old.limits) == (1440 * HOUR, Limits(False, 26 * GB, 202 * GB, 51 * GB))
    assert (usual.unused_for, usual.limits, every.limits) == (0, old.limits, replace(old.limits, every=True))
    assert rules.NONE.on(252 * GB) == ()


def test_what_is_given() -> None:
    assert rules.parse({}) == rules.USUAL
    assert rules.parse({"enabled": False}).on(GB) == ()
    some = rules.parse({"defaultKeepStorage": "20GB"}).on(GB)
    assert [rule.limits for rule in some[1:]] == [Limits(reserved=20 * GIB)] * 2 + [Limits(True, 20 * GIB)]
    document: dict[str, Any] = {
        "defaultReservedSpace": "1GB",
        "defaultMinFreeSpace": "5GB",
        "policy": [
            {"keepStorage": "512MB", "filter": ["type=source.local,type=exec.cachemount"], "keepDuration": "48h"},
            {"all": True, "maxUsedSpace": "2GB", "minFreeSpace": "0"},
        ],
    }
    first, last = rules.parse(document).on(GB)
    assert (first.limits, first.unused_for) == (Limits(False, GIB // 2, 0, 5 * GIB), 48 * HOUR)
    assert (last.limits, last.unused_for, last.words) == (Limits(True, GIB, 2 * GIB), 0, ())


def test_what_a_rule_is_about() -> None:
    row = Row("a", "regular", "", 1, 1, 100, 1, False, False, (), Entry("k", ""))
    wanted = rules.Rule(Limits(), 50, ("type==regular",)).test(200)
    assert [wanted(replace(row, last_used=at)) for at in (100, 150, 151)] == [True, True, False]
    assert not wanted(replace(row, kind="other"))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "builder.gc is an object"),
        ({"enabled": "yes"}, "true or false"),
        ({"size": 1}, "unknown: size"),
        ({"policy": {}}, "list of rules"),
        ({"policy": ["x"]}, r"builder.gc.policy\[0\] is an object"),
        ({"policy": [{}, {"keepBytes": "1"}]}, r"policy\[1\]: unknown: keepBytes"),
        ({"policy": [{"all": 1}]}, "all is true or false"),
        ({"policy": [{"filter": "x"}]}, "list of texts"),
        ({"policy": [{"filter": ["name=x"]}]}, r"policy\[0\].filter: invalid filter 'name=x'"),
        ({"policy": [{"keepDuration": "2 days"}]}, "keepDuration: time: "),
        ({"policy": [{"keepDuration": 5}]}, "keepDuration: a text is wanted"),
        ({"defaultKeepStorage": "much"}, "defaultKeepStorage: invalid size"),
    ],
)
def test_what_is_refused(document: Any, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        rules.parse(document)
