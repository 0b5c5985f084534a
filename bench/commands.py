"""Single containers: `run --rm`, `exec`, and the same through the API."""

from __future__ import annotations

from bench.target import IMAGE, Target


def run_bridge(target: Target) -> None:
    """`run --rm` on the default bridge."""
    target.run("run", "--rm", IMAGE, "true")


def run_none(target: Target) -> None:
    """`run --rm` without a network."""
    target.run("run", "--rm", "--network", "none", IMAGE, "true")


def cycle(target: Target) -> None:
    """create, start, wait and delete on one raw connection, default bridge."""
    with target.connect() as api:
        identity = api.request("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["true"]})["Id"]
        api.request("POST", f"/containers/{identity}/start")
        api.request("POST", f"/containers/{identity}/wait")
        api.request("DELETE", f"/containers/{identity}")


def sleeper(target: Target) -> None:
    """A running container for the others."""
    target.run("run", "-d", "--name", target.name("exec-" + target.key), IMAGE, "sleep", "36000")


def no_sleeper(target: Target) -> None:
    """Take it away."""
    target.run("rm", "-f", target.name("exec-" + target.key))


def execute(target: Target) -> None:
    """`exec` of true in the running container."""
    target.run("exec", target.name("exec-" + target.key), "true")


def list_all(target: Target) -> None:
    """`ps -a`."""
    target.run("ps", "-a")


def version(target: Target) -> None:
    """`version`: a client's own start and one request."""
    target.run("version")
