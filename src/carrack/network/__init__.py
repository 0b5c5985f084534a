"""Container networking: the bridge, addresses, endpoints, published ports and the firewall that guards them."""
