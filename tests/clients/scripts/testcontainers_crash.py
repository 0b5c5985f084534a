"""A test that dies: it makes a container and a volume with testcontainers, and removes nothing."""

from __future__ import annotations

import os

from testcontainers.core.container import DockerContainer

container = DockerContainer("busybox").with_command("sleep 600").start()
labels = container.get_wrapped_container().labels
container.get_docker_client().client.volumes.create("left", labels=labels)
print(container.get_wrapped_container().id, flush=True)
os._exit(1)
