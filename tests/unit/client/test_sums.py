import hashlib

import pytest

from carrack.client import sums


@pytest.mark.parametrize("data", [b"", b"default", b"x" * 1000])
def test_it_is_that_of_hashlib(data: bytes) -> None:
    assert sums.sha256(data) == hashlib.sha256(data).hexdigest()
