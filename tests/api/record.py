"""Records the golden answers: plays every scenario on a real dockerd that is empty and ours alone.

    python -m tests.api.record --host /path/to/docker.sock [SCENARIO ...]

Needs dockerd 28 on Linux with cgroup v1 or v2, and the distribution's static busybox. The daemon's containers,
volumes and images are removed between scenarios, so it must not be one that anybody uses.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.api.compare import packed
from tests.api.play import Player
from tests.api.requests import SCENARIOS
from tests.api.steps import Step

GOLDEN = Path(__file__).parents[1] / "golden" / "api"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True, help="the socket of an empty dockerd")
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], help="only these")
    options = parser.parse_args()
    player = Player(options.host.removeprefix("unix://"))
    player.prepare()
    version = json.loads(player.request(Step("version", "GET", "/version")).body)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    engine = {"engine": version["Version"], "go": version["GoVersion"]}
    for name in options.scenario or SCENARIOS:
        answers = {step: packed(found) for step, found in player.play(SCENARIOS[name]()).items()}
        text = json.dumps({"recorded": engine, "answers": answers}, indent=1, ensure_ascii=False)
        (GOLDEN / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {len(answers)} steps")


if __name__ == "__main__":
    main()
