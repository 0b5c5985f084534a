"""A credential helper for tests: it keeps what it is given in a file beside it, and notes how it was called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, os, sys
folder, text = os.path.dirname(os.path.abspath(__file__)), sys.stdin.read()
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps({{"words": sys.argv[1:], "text": text}}) + "\\n")
kept_in = folder + "/kept.json"
kept = json.load(open(kept_in)) if os.path.exists(kept_in) else {{}}
verb = sys.argv[1]
if verb == "store":
    asked = json.loads(text)
    kept[asked["ServerURL"]] = asked
elif verb == "list":
    print(json.dumps({{key: value["Username"] for key, value in kept.items()}}))
elif text not in kept:
    print("credentials not found in native keychain")
    sys.exit(1)
elif verb == "get":
    print(json.dumps(kept[text]))
else:
    del kept[text]
json.dump(kept, open(kept_in, "w"))
"""


def install(folder: Path, name: str) -> dict[str, str]:
    """Put ``docker-credential-NAME`` into a folder; gives an environment whose PATH begins with it."""
    program = folder / f"docker-credential-{name}"
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.defpath}"}
