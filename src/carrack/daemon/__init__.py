"""The program carrackd: reads its configuration once, wires the services, listens, and stops cleanly."""
