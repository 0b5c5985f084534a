"""Launcher of the resolver, run by its path: ``python -I -S -E .../network/names/__main__.py FD``.

It makes this package importable without putting its folder on the search path, so that nothing else can be imported.
"""

import os
import sys
import types


def main(descriptor: str) -> None:
    """Serve the daemon at the other end of the descriptor."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    module = types.ModuleType("carrack")
    module.__path__ = [package]
    sys.modules["carrack"] = module
    from carrack.network.names import server

    server.main(int(descriptor))


if __name__ == "__main__":
    main(*sys.argv[1:])
