"""crypt(3) against known hashes."""

from __future__ import annotations

import threading

import pytest

from carrack.linux import crypt

KNOWN = [  # public test vectors of bcrypt and of SHA-crypt
    (b"U*U", b"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (b"U*U*U", b"$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    (b"Hello world!", b"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
]


@pytest.mark.parametrize(("password", "kept"), KNOWN)
def test_known_hashes(password: bytes, kept: bytes) -> None:
    function = crypt.load()
    assert function(password, kept) == kept
    assert function(password + b"x", kept) != kept


@pytest.mark.parametrize("setting", [b"", b"$", b"$2y$05$short", b"$nonsense$abc", b"x\0y"])
def test_settings_it_does_not_know(setting: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        crypt.load()(b"password", setting)


def test_threads_do_not_disturb_each_other() -> None:
    function = crypt.load()
    wrong: list[bytes] = []

    def run(password: bytes, kept: bytes) -> None:
        wrong.extend(password for _ in range(5) if function(password, kept) != kept)

    threads = [threading.Thread(target=run, args=known) for known in KNOWN * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_machine_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypt, "_LIBRARIES", ("no-such-library.so",))
    with pytest.raises(OSError, match="install libcrypt"):
        crypt.load()
