"""The user's settings: only read where they are, and refused by name where they are of another kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carrack.client.settings import Settings
from carrack.errors import InvalidArgument


def settings(folder: Path, **values: Any) -> Settings:
    (folder / "config.json").write_text(json.dumps(values))
    return Settings(str(folder))


def test_nothing_where_there_is_no_file(tmp_path: Path) -> None:
    none = Settings(str(tmp_path))
    assert (none.text("psFormat"), none.proxies("x"), none.headers(), none.prune_filters()) == ("", [], [], [])


def test_what_is_not_needed_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{ not JSON")
    assert Settings(str(tmp_path)).text("psFormat") == ""
    (tmp_path / "config.json").write_text('{ "psFormat"')
    with pytest.raises(InvalidArgument, match=r"config\.json is not JSON: mend or remove it"):
        Settings(str(tmp_path)).text("psFormat")


def test_proxies_are_those_of_the_daemon_or_the_default_ones(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        proxies={"default": {"httpProxy": "http://one:1"}, "tcp://two:2375": {"noProxy": "a,b", "ftpProxy": ""}},
    )
    assert found.proxies("unix:///x") == ["HTTP_PROXY=http://one:1", "http_proxy=http://one:1"]
    assert found.proxies("tcp://two:2375") == ["NO_PROXY=a,b", "no_proxy=a,b"]


def test_headers_and_filters(tmp_path: Path) -> None:
    found = settings(tmp_path, HttpHeaders={"X-Meta": "a", "User-Agent": "b"}, pruneFilters=["label=a=b", "label!=c"])
    assert found.headers() == [("X-Meta", "a")]
    assert found.prune_filters() == [("label", "a=b"), ("label!", "c")]


def test_plugins(tmp_path: Path) -> None:
    found = settings(tmp_path, aliases={"builder": "buildx"}, cliPluginsExtraDirs=["/x"])
    assert (found.aliases(), found.plugin_places()) == ({"builder": "buildx"}, ["/x"])


def both(found: Settings) -> tuple[object, object]:
    return found.aliases(), found.plugin_places()


@pytest.mark.parametrize(
    "values",
    [{"psFormat": 1}, {"proxies": []}, {"proxies": {"default": 1}}, {"HttpHeaders": {"a": 1}},
     {"HttpHeaders": {"a": "b\r\nc: d"}}, {"pruneFilters": ["x"]}, {"aliases": {"a": 1}}, {"cliPluginsExtraDirs": [1]}],
)  # fmt: skip
def test_values_of_another_kind_are_refused_by_name(tmp_path: Path, values: dict[str, Any]) -> None:
    found = settings(tmp_path, **values)
    with pytest.raises(InvalidArgument, match=next(iter(values))):
        found.text("psFormat"), found.proxies("x"), found.headers(), found.prune_filters(), both(found)
