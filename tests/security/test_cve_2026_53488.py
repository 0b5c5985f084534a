"""CVE-2026-53488: what an image says in its labels and variables is only text to the log drivers: it chooses no driver
or option, is evaluated by no template, and adds no entry, field or line of its own."""

from __future__ import annotations

import json

import pytest
from tests.cli.busybox import root_file_system
from tests.cli.running import Cli
from tests.cli.test_logs import document, folder
from tests.fakes import log_servers

pytestmark = pytest.mark.root
LABELS = {
    "com.docker.log-driver": "none",
    "tag": "{{.ContainerEnv}}",
    "log-opt": "max-size=1",
    "evil": '{{.FullID}}"},"time":"1970-01-01T00:00:00Z"}\n<0>Jan  1 00:00:00 root: forged',
    "_SYSTEMD_UNIT": "forged",
}


@pytest.fixture
def hostile(docker: Cli) -> str:
    archive = root_file_system()
    assert archive is not None
    changes = [f"LABEL {json.dumps(key)}={json.dumps(value)}" for key, value in LABELS.items()]
    words = [word for change in changes for word in ("-c", change)]
    docker("import", *words, "-c", "ENV EVIL={{.ID}}", "-", "hostile:logs", stdin=archive)
    return "hostile:logs"


def test_labels_of_an_image_are_text(docker: Cli, hostile: str) -> None:
    options = ["--log-opt", "labels=evil,tag", "--log-opt", "env=EVIL", "--log-opt", "tag={{.Name}}"]
    docker("run", "--name", "held", *options, hostile, "echo", "out")
    assert document(docker, "held")["HostConfig"]["LogConfig"]["Type"] == "json-file"
    (log,) = folder(docker, "held").glob("*-json.log")
    (entry,) = [json.loads(line) for line in log.read_text().splitlines()]
    shown = document(docker, "held")["Config"]["Labels"]["evil"]
    assert entry["attrs"] == {"EVIL": "{{.ID}}", "evil": shown, "tag": "held"}
    assert docker("logs", "held").stdout == "out\n"
    assert docker("logs", "--details", "held").stdout.count("\n") == 1
    docker("rm", "held")


def test_labels_of_an_image_add_no_line_to_a_servers_log(docker: Cli, hostile: str) -> None:
    with log_servers.tcp() as server:
        where = ["--log-opt", f"gelf-address=tcp://127.0.0.1:{server.port}"]
        options = ["--log-opt", "labels=evil,_SYSTEMD_UNIT", "--log-opt", "env=EVIL"]
        docker("run", "--name", "held", "--log-driver", "gelf", *where, *options, hostile, "echo", "out")
        (data,) = server.wait(lambda got: bool(got) and got[0].endswith(b"\0"))
    (message,) = [json.loads(text) for text in data.split(b"\0") if text]
    assert (message["short_message"], message["_EVIL"]) == ("out", "{{.ID}}")
    assert message["_container_name"] == "held"
    docker("rm", "held")
