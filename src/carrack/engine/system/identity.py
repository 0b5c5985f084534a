"""The daemon's own id: made once per data root, so that clients can tell two daemons apart across restarts.

On disk: `<data root>/engine-id`, a UUID in text, as dockerd keeps it.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def engine_id(data_root: Path) -> str:
    """The id of the daemon that owns `data_root`; a missing or damaged file is replaced. Raises OSError."""
    path = data_root / "engine-id"
    try:
        return str(uuid.UUID(path.read_text().strip()))
    except (FileNotFoundError, ValueError):
        pass
    made = str(uuid.uuid4())
    temporary = path.with_name("engine-id.tmp")
    with open(temporary, "w") as file:
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    directory = os.open(data_root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return made
