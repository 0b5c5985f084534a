"""What is played: each public function of these modules is a scenario, named ``module.function``.

The names of containers need be unique within a scenario only: each begins and ends on an empty daemon.
"""

from __future__ import annotations

from tests.cli.scenarios import (
    attach,
    contexts,
    copy,
    events,
    exec,
    images,
    inspect,
    lifecycle,
    listings,
    logs,
    networks,
    refusals,
    registry,
    run,
    run_options,
    signals,
    system,
    terminal,
    volumes,
)

MODULES = [
    run,
    run_options,
    refusals,
    terminal,
    exec,
    attach,
    logs,
    contexts,
    copy,
    lifecycle,
    signals,
    listings,
    inspect,
    events,
    images,
    volumes,
    networks,
    system,
    registry,
]
