"""What the containers of a network hang on, whatever its kind."""

from collections.abc import Sequence
from typing import Protocol

from carrack.linux.netlink import Netlink
from carrack.linux.rtnetlink import Link
from carrack.network.endpoint import Endpoint, ParkedVeth
from carrack.network.ipam import Addresses
from carrack.network.sandbox import Sandbox


class Wire(Protocol):
    """Life: `lay`, `open` behind the firewall, per container `plug` (or `adopt`) and `pull`, `remove`.

    All take the host's rtnetlink socket and are for one thread at a time. What fails raises OSError, or a CarrackError
    that names the network's option to change.
    """

    index: int
    """The interface on the host that all hang on; 0 as long as it could not be laid."""

    @property
    def what(self) -> str:
        """In words: ``bridge br0``."""
        ...

    @property
    def followed(self) -> int:
        """The interface whose end must be noticed, 0 for none: that which is ours."""
        ...

    def check(self, others: Sequence["Wire"]) -> None:
        """Conflict when it cannot be beside the other networks'."""
        ...

    def lay(self, host: Netlink) -> None:
        """Make what is needed on the host, or bring what is there into shape."""
        ...

    def open(self) -> None:
        """Let in what the host's own programs send; the firewall must stand before."""
        ...

    def plug(
        self, host: Netlink, sandbox: Sandbox, container_id: str, inside: Endpoint, cable: ParkedVeth | None
    ) -> None:
        """Connect a sandbox, with the cable that was parked there or without; on failure no interface is left."""
        ...

    def pull(self, host: Netlink, container_id: str, addresses: Addresses, sandbox: Sandbox | None) -> None:
        """Forget a container, whose interface dies with its sandbox; one that lives on, given here, loses it now."""
        ...

    def adopt(self, container_id: str, cable: Link) -> None:
        """Remember the host's end of a surviving container's cable."""
        ...

    def replug(self, host: Netlink) -> None:
        """Connect all containers again; one that has ended meanwhile is no error."""
        ...

    def restore(self, host: Netlink) -> str:
        """Mend what somebody has done to it; what was wrong, in words, empty when nothing."""
        ...

    def retire(self, host: Netlink) -> None:
        """Put what is ours on the host out of use at once, to be deleted by `graves`; gone already is no error."""
        ...
