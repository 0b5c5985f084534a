"""Where Carrack answers otherwise than Docker on purpose: the whole list, each with its reason.

A line of a golden answer that matches ``docker`` is expected as ``ours`` (with groups, as in :func:`re.sub`; None: the
line is not there). An entry that matches nothing any more fails a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True)
class Difference:
    """``scenario`` is a pattern of names; ``cli`` restricts it to our own command line."""

    scenario: str
    docker: str
    ours: str | None
    reason: str
    cli: bool = False

    def meets(self, scenario: str, ours: bool) -> bool:
        return fnmatch(scenario, self.scenario) and (ours or not self.cli)


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "*",
        "(failed to create shim task: )?OCI runtime create failed: runc create failed: "
        "(unable to start container process: )?(error during container init: )?",
        "OCI runtime create failed: unable to start container process: ",
        "neither containerd's shim nor runc is there to fail; what clients look for follows",
    ),
    Difference(
        "run.commands_that_cannot_run",
        "Cannot mkdir: /etc/passwd is not a directory",
        "failed to create task for container: OCI runtime create failed: unable to start container process: "
        'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory',
        "the working directory is made in the mounted root, when the container starts, and not by its creation",
    ),
    Difference(
        "run_options.names_of_the_host",
        "nameserver 9.9.9.9",
        "nameserver 127.0.0.11",
        "names resolve on the default bridge too: the resolver asks the servers that were given",
    ),
    Difference(
        "images.*",
        r"^err\| open <scratch>/repositories: no such file or directory$",
        "err| invalid archive: it has neither a manifest.json nor an index.json",
        "Docker shows a path of its own; ours says what the file lacks",
    ),
    Difference(
        "images.*",
        r"^err\| open <scratch>/(\S+): no such file or directory$",
        r"err| invalid archive: it has no file '\1'",
        "as above",
    ),
    Difference(
        "images.saving_and_loading",
        r"^err\| unexpected EOF$",
        "err| truncated archive: it ends in the middle of a member, after 9 bytes",
        "it says where",
    ),
    Difference(
        "copy.out",
        r"lstat /etc/group/: not a directory",
        "Could not find the file /etc/group/ in container one",
        "what would be below a file is not there, as elsewhere",
    ),
    Difference(
        "images.tags_and_removal",
        r"^out\| <id 2 short>$",
        "out| made:one",
        "a container shows the name it was made with, also when the image has lost it",
    ),
    Difference(
        "*",
        "Error response from daemon: unexpected EOF",
        "Error response from daemon: truncated archive: it ends in the middle of a member, after 9 bytes",
        "it says where",
    ),
    Difference(
        "*",
        r"^(err\| (docker: )?Cannot connect to the Docker daemon at .*)$",
        r"\1\nerr| Start it with: docker system start   (or, under systemd: systemctl start docker)",
        "it says what to do next",
        cli=True,
    ),
    Difference(
        "refusals.wrong_words",
        "^err\\| Usage:  docker volume COMMAND$",
        "err| Usage:  docker volume",
        "docker's other groups leave the word out",
        cli=True,
    ),
    Difference("refusals.wrong_words", r"^err\| SRun ", "err| Run ", "a slip of the docker command", cli=True),
    Difference(
        "contexts.choosing",
        r"^err\| accepts 1 arg\(s\), received 0$",
        "err| docker: 'docker context use' requires 1 argument\nerr|\nerr| Usage:  docker context use CONTEXT\nerr|\n"
        "err| Run 'docker context use --help' for more information",
        "said as all other commands say it",
        cli=True,
    ),
    Difference(
        "terminal.detaching",
        r"^tty\| unable to upgrade to tcp, received 400",
        "tty| Error response from daemon: Invalid detach keys (nonsense-key) provided",
        "the daemon's reason instead of the status alone",
        cli=True,
    ),
    Difference(
        "run_options.networks",
        r"port is already allocated$",
        "port is already allocated to container two; port <port> is free",
        "it says whose, and what to take instead",
    ),
    Difference(
        "networks.ports",
        r"(Bind for (?:127.0.0.1|::1):<port> failed: port is already allocated)$",
        r"\1 to container one; port <port> is free",
        "as above",
    ),
    Difference(
        "networks.ports",
        r"(Bind for 0.0.0.0:<port> failed: port is already allocated)$",
        r"\1 to container two; port <port> is free",
        "as above",
    ),
    Difference(
        "networks.ports",
        r"failed to bind host port for 192.0.2.77:<port>:<address 1>:80/tcp: ",
        "failed to bind host port 192.0.2.77:<port>/tcp: ",
        "the host's address is what is wrong, wherever the port was to lead",
    ),
    Difference(
        "networks.connecting_the_stopped",
        r"network <id 1> not found",
        "network back not found",
        "a name says more than the id of what is gone",
    ),
    Difference(
        "networks.refused",
        r'plugin "nosuch" not found$',
        'plugin "nosuch" not found: the network drivers here are bridge, macvlan and ipvlan',
        "it says what there is",
    ),
    Difference(
        "networks.refused",
        r'plugin "nothere" not found$',
        'plugin "nothere" not found: the one IPAM driver here is default',
        "it says what there is",
    ),
    Difference(
        "networks.refused",
        r"(failed to allocate secondary ip address .*: Address already in use)$",
        r"\1: it is that of the gateway",
        "it says whose",
    ),
    Difference(
        "networks.refused",
        r"^err\| Error response from daemon: numerical result out of range$",
        "err| Error response from daemon: invalid com.docker.network.bridge.name 'a_name_that_is_far_too_long': an "
        "interface's name has 1 to 15 characters, no /, : or %",
        "the kernel's number out of range is the length of a name",
    ),
    Difference(
        "registry.pulling_for_a_platform",
        "(in the manifest list entries)$",
        r"\1 of <registry>/app",
        "it says of what",
    ),
    Difference(
        "registry.pulling_for_a_platform",
        '"(nonsense/of/many/words)": cannot parse platform specifier: invalid argument',
        r"'\1' is an invalid platform: expected os, architecture or os/architecture[/variant]",
        "it says what one looks like",
    ),
    Difference(
        "registry.pulls_refused",
        r"manifest for (.+) not found: manifest unknown: (manifest unknown: .+)$",
        r"manifest of \1 from <registry>: manifest unknown: \2: check the name and the tag",
        "it says who said so, and what to do",
    ),
    Difference(
        "registry.runs_that_pull",
        r"manifest for (\S+) not found: manifest unknown: manifest unknown: \S+$",
        r"manifest of \1 from <registry>: status 404: check the name and the tag",
        "as above; of a repository that is known one asks by HEAD, whose answer has no words",
    ),
    Difference(
        "registry.pulls_refused",
        'Get "http://<registry>/v2/": dial tcp <registry>: connect: connection refused',
        "manifest of <registry>/app:1 from <registry>: connect to <registry>: connection refused: check the registry's "
        "name, the network and the proxy",
        "it says what was wanted, and what to do",
    ),
    Difference(
        "registry.images_in_use_when_they_are_pulled",
        r"^out\| <id 3 short>$",
        "out| <registry>/app:1",
        "a container shows the name it was made with, also when the image has lost it",
    ),
    Difference(
        "registry.logging_in",
        r'Head "http://<registry>/v2/app/manifests/1": no basic auth credentials$|pull access denied for .*$',
        "pull access denied for <registry>/app, repository does not exist or may require 'docker login': "
        "manifest of <registry>/app:1 from <registry>: unauthorized: authentication required: "
        "log in with `docker login <registry>`, or check that the account may do this",
        "it says what to do",
    ),
    Difference(
        "registry.logging_in",
        "login attempt to http://<registry>/v2/ failed with status: 401 Unauthorized",
        "login attempt to <registry> failed with status: 401 Unauthorized: check name and password",
        "it says what to do",
    ),
    Difference(
        "registry.logging_in",
        'Get "http://<registry>/v2/": unauthorized: incorrect username or password',
        "<registry>: http://<registry> gives no token: unauthorized: incorrect username or password: "
        "check the user name and password, or log in",
        "it says what to do",
    ),
    Difference(
        "registry.logging_in",
        r"^err\| (no basic auth credentials|denied: requested access to the resource is denied)$",
        "err| blob <id 1 short> of <registry>/other from <registry>: status 401: "
        "log in with `docker login <registry>`, or check that the account may do this",
        "it says what to do",
    ),
    Difference(
        "registry.*",
        "^out\\| 1: digest: sha256:<id 4> size: <bytes>$",
        "out| 1: digest: sha256:<id 2> size: <bytes>",
        "what was pulled is pushed with the same manifest; Docker makes a new one",
    ),
)


def expected(scenario: str, golden: str, ours: bool) -> str:
    """The golden answer with what we mean to say otherwise."""
    lines: list[str] = []
    for line in golden.splitlines():
        told: str | None = line
        for difference in DIFFERENCES:
            if told is not None and difference.meets(scenario, ours) and re.search(difference.docker, told):
                told = None if difference.ours is None else re.sub(difference.docker, difference.ours, told)
        if told is not None:
            lines.append(told)
    return "\n".join(lines) + "\n"
