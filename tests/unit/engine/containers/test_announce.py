"""Events of a container's volumes."""

from __future__ import annotations

from types import SimpleNamespace

from carrack.engine.containers.announce import tell_mounts


def test_volumes_are_told_and_binds_are_not() -> None:
    told: list[tuple[object, ...]] = []
    events = SimpleNamespace(publish=lambda *words: told.append(words))
    c = SimpleNamespace(
        id="c1",
        mounts=[
            {"Type": "volume", "Name": "data", "Destination": "/d", "RW": False, "Propagation": ""},
            {"Type": "bind", "Source": "/x", "Destination": "/b", "RW": True, "Propagation": "rprivate"},
        ],
    )
    tell_mounts(events, c, "mount")  # type: ignore[arg-type]
    tell_mounts(events, c, "unmount")  # type: ignore[arg-type]
    assert told == [
        (
            "volume",
            "mount",
            "data",
            {"container": "c1", "driver": "local", "destination": "/d", "propagation": "", "read/write": "false"},
        ),
        ("volume", "unmount", "data", {"container": "c1", "driver": "local"}),
    ]
