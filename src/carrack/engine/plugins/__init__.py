"""Docker's plugin protocol: programs of the host that answer JSON over a socket, found in directories by their name."""
