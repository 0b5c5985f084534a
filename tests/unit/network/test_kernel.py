import os

from carrack.network.kernel import Kernel


def test_the_sockets_are_opened_and_closed() -> None:
    before = len(os.listdir("/proc/self/fd"))
    kernel = Kernel.open("crk-test")
    assert kernel.firewall.table == "crk-test"
    assert len(os.listdir("/proc/self/fd")) > before
    kernel.abandon()
    assert len(os.listdir("/proc/self/fd")) == before
