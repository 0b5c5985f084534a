"""What instructions make of a run configuration. (All of them, with variables: the golden Dockerfiles.)"""

from __future__ import annotations

from typing import Any

import pytest

from carrack.dockerfile import file
from carrack.engine.images import configuring
from carrack.oci.image_config import RunConfig


def applied(config: RunConfig, text: str) -> RunConfig:
    return configuring.after(config, file.parse(f"FROM scratch\n{text}\n").stages[0].commands[0])


@pytest.mark.parametrize(
    ("before", "text", "changed"),
    [
        ({}, "CMD a b", {"Cmd": ["/bin/sh", "-c", "a b"]}),
        ({"Shell": ["/bin/bash", "-c"]}, "ENTRYPOINT a", {"Entrypoint": ["/bin/bash", "-c", "a"]}),
        ({"Env": ["A=1", "B=2"]}, "ENV B=3 C=4", {"Env": ["A=1", "B=3", "C=4"]}),
        ({"Labels": {"a": "b"}}, "LABEL c=d", {"Labels": {"a": "b", "c": "d"}}),
        ({"ExposedPorts": {"1/tcp": {}}}, "EXPOSE 2-3/udp", {"ExposedPorts": {"1/tcp": {}, "2/udp": {}, "3/udp": {}}}),
        ({"Volumes": {"/a": {}}}, 'VOLUME ["/b c"]', {"Volumes": {"/a": {}, "/b c": {}}}),
        ({"OnBuild": ["RUN a"]}, "ONBUILD RUN b", {"OnBuild": ["RUN a", "RUN b"]}),
        ({}, 'SHELL ["x"]', {"Shell": ["x"]}),
        ({}, "HEALTHCHECK --timeout=2s CMD x", {"Healthcheck": {"Test": ["CMD-SHELL", "x"], "Timeout": 2 * 10**9}}),
        ({"WorkingDir": "/a"}, "WORKDIR b/../c/", {"WorkingDir": "/a/c"}),
        ({"User": "a"}, "USER b", {"User": "b"}),
        ({}, "STOPSIGNAL 9", {"StopSignal": "9"}),
    ],
)
def test_after(before: Any, text: str, changed: dict[str, Any]) -> None:
    kept = dict(before)
    assert applied(before, text) == {**before, **changed}
    assert before == kept


def test_absolute() -> None:
    assert configuring.absolute({"WorkingDir": "/w"}, "a/") == "/w/a/"
    assert configuring.absolute({"WorkingDir": "/w"}, ".") == "/w/"
    assert configuring.absolute({}, "../..") == "/"
