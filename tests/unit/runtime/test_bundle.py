from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.runtime import bundle
from carrack.runtime.commands.documents import template


def check(**changes: Any) -> Any:
    document = template()
    for path, value in changes.items():
        *parents, last = path.split("__")
        at = document
        for name in parents:
            at = at[name]
        at[last] = value
    return bundle.parse(json.dumps(document).encode())


def test_the_template_is_sound() -> None:
    assert check() == template()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ociVersion": "2.0"}, "ociVersion"),
        ({"ociVersion": 1}, "ociVersion must be a string, not 1"),
        ({"root": {}}, r"root.path must be given"),
        ({"process__args": []}, r"process.args must name a program"),
        ({"process__args": "sh"}, r"process.args must be an array, not \"sh\""),
        ({"process__args": ["sh", 1]}, r"process.args\[1\] must be a string, not 1"),
        ({"process__args": ["s\0h"]}, r"process.args\[0\]"),
        ({"process__cwd": "tmp"}, r"process.cwd: 'tmp' is not an absolute path"),
        ({"process__terminal": 1}, r"process.terminal must be true or false, not 1"),
        ({"process__user": {"uid": 2**32 - 1}}, r"process.user.uid: 4294967295 is out of range"),
        ({"process__user": {"uid": -1}}, r"process.user.uid"),
        ({"process__user": {"uid": 1.5}}, r"process.user.uid must be an integer, not 1.5"),
        ({"process__user": {"additionalGids": [True]}}, r"additionalGids\[0\] must be an integer"),
        ({"process__capabilities": {"bounding": ["CAP_FLY"]}}, r"unknown capability 'CAP_FLY'"),
        ({"process__rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2}, "given twice"),
        ({"process__ioPriority": {"class": "IOPRIO_CLASS_RT"}}, "process.ioPriority is not supported"),
        ({"linux__namespaces": [{"type": "moon"}]}, r"linux.namespaces\[0\].type: unknown type 'moon'"),
        ({"linux__namespaces": [{"type": "pid"}, {"type": "pid"}, {"type": "uts"}]}, "pid is given twice"),
        ({"linux__namespaces": [{"type": "pid"}]}, "unable to set hostname without a private UTS namespace"),
        ({"linux__uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}, "user namespace not enabled"),
        ({"linux__namespaces": [{"type": "user"}, {"type": "uts"}]}, "needs uidMappings"),
        ({"linux__timeOffsets": {"monotonic": {"secs": 1}}}, "only a new time namespace"),
        ({"linux__sysctl": {"kernel.panic": "1"}}, "not in a separate kernel namespace"),
        ({"linux__personality": {"domain": "LINUX32"}}, "linux.personality is not supported"),
        ({"linux__intelRdt": {"closID": "x"}}, "linux.intelRdt is not supported"),
        ({"linux__resources": {"memory": {"limit": "1G"}}}, r"linux.resources.memory.limit must be an integer"),
        ({"linux__resources": {"pids": {"limit": 2**64}}}, "64 bits"),
        ({"mounts": [{"type": "proc"}]}, r"mounts\[0\].destination must be given"),
        ({"hooks": {"poststop": [{"path": "hook"}]}}, r"hooks.poststop\[0\].path: must be an absolute path"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        check(**changes)


def test_null_is_absence_and_unknown_names_are_ignored() -> None:
    document = check(process__capabilities=None, linux__seccomp=None, somethingNew={"a": 1})
    assert "capabilities" not in document["process"]
    assert document["somethingNew"] == {"a": 1}


def test_a_syntax_error_has_line_and_column() -> None:
    with pytest.raises(InvalidArgument, match=r"^here:2:7: "):
        bundle.parse(b'{"a": 1,\n "b": tru}', "here")


def test_a_bundle_is_read_with_absolute_paths(tmp_path: Path) -> None:
    document = template()
    document["mounts"] = [{"destination": "data", "type": "bind", "source": "volume"}]
    (tmp_path / "config.json").write_text(json.dumps(document))
    spec = bundle.load(str(tmp_path))
    assert spec["root"]["path"] == f"{tmp_path}/rootfs"
    assert spec["mounts"] == [{"destination": "/data", "type": "bind", "source": f"{tmp_path}/volume"}]


def test_a_missing_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"config.json not found"):
        bundle.load(str(tmp_path))


def test_a_process_of_its_own_is_checked_too() -> None:
    assert bundle.process(b'{"args": ["x"], "cwd": "/"}', "p")["args"] == ["x"]
    for text in (b"{}", b"[]", b"{", b'{"args": ["x"]}'):
        with pytest.raises(InvalidArgument):
            bundle.process(text, "p")


KEYS = "ociVersion process root path args user uid linux namespaces type mounts hooks".split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_any_document_is_refused_cleanly_or_taken(document: Any) -> None:
    try:
        bundle.parse(json.dumps(document).encode())
    except InvalidArgument:
        pass
