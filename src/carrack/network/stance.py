"""How far one daemon goes on its host: a value that the operator decides on and the firewall keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stance:
    """``forward``: the host's forwarding is switched on where networks need it; ``guard``: where that was off before,
    packets between other links of the host are dropped as if it were off still. ``relay``: a process does what the
    kernel cannot, see `relay`. ``direct_routing``: whoever can route to a container may use its published ports.
    ``mark``: packets of this (mark, mask) are let in to any container. Docker calls these ``ip-forward``,
    ``ip-forward-no-drop`` (the opposite of guard), ``userland-proxy``, ``allow-direct-routing`` and
    ``bridge-accept-fwmark``.
    """

    forward: bool = True
    guard: bool = True
    relay: bool = True
    direct_routing: bool = False
    mark: tuple[int, int] | None = None


USUAL = Stance()
