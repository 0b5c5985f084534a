"""What Docker calls the options of networks (``-o NAME=VALUE``) and of endpoints, and its words for truth. Pure.

The engine checks them, the fabric carries them out: what they are called is said once.
"""

_DOCKER = "com.docker.network."

# of any network
ENABLE = {4: _DOCKER + "enable_ipv4", 6: _DOCKER + "enable_ipv6"}
"""Options that stand for a network's ``--ipv4`` and ``--ipv6``, by IP version."""
MTU = _DOCKER + "driver.mtu"
INTERFACE_PREFIX = _DOCKER + "container_iface_prefix"

# of bridges
BRIDGE = _DOCKER + "bridge."
BRIDGE_NAME = BRIDGE + "name"
DEFAULT_BRIDGE = BRIDGE + "default_bridge"
ICC = BRIDGE + "enable_icc"
MASQUERADE = BRIDGE + "enable_ip_masquerade"
HOST_BINDING = BRIDGE + "host_binding_ipv4"
INHIBIT_IPV4 = BRIDGE + "inhibit_ipv4"
TRUSTED = BRIDGE + "trusted_host_interfaces"
GATEWAY_MODE = {4: BRIDGE + "gateway_mode_ipv4", 6: BRIDGE + "gateway_mode_ipv6"}
SOURCE = {4: _DOCKER + "host_ipv4", 6: _DOCKER + "host_ipv6"}
"""Under which address of the host containers leave, by IP version."""

# of endpoints
ENDPOINT = _DOCKER + "endpoint."
IFNAME = ENDPOINT + "ifname"
SYSCTLS = ENDPOINT + "sysctls"

#: as Go's strconv.ParseBool reads them
TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
