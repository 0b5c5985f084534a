"""Volumes of the local driver, and the resolving of a container's mounts to places on the host."""
