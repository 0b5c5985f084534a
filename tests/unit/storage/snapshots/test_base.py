"""The drivers' contract is in tests/suites/snapshotter.py."""

from __future__ import annotations

import hashlib

from carrack.storage.snapshots.base import chain_id


def test_chain_ids() -> None:
    a, b, c = ("sha256:" + letter * 64 for letter in "abc")
    ab = "sha256:" + hashlib.sha256(f"{a} {b}".encode()).hexdigest()
    assert chain_id([a]) == a
    assert chain_id([a, b]) == ab
    assert chain_id([a, b, c]) == "sha256:" + hashlib.sha256(f"{ab} {c}".encode()).hexdigest()
    assert chain_id([]) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
