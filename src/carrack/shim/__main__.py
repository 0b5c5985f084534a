"""Launcher of the zygote, run by its path: ``python -I -S -E .../shim/__main__.py seal|zygote FD [RUN_ROOT]``; and of
loggers: ``… logger FD``.

It makes this package importable without putting its folder on the search path: where the package is installed among
others, none of those can be imported.
"""

import importlib.util
import os
import sys


def load_package() -> str:
    """Import ``carrack`` from the folder two levels up; returns that folder."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    init = os.path.join(package, "__init__.py")
    spec = importlib.util.spec_from_file_location("carrack", init, submodule_search_locations=[package])
    if spec is None or spec.loader is None:
        raise SystemExit(f"carrack zygote: no package at {package}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["carrack"] = module
    spec.loader.exec_module(module)
    return package


def main(mode: str, descriptor: str, run_root: str = "/run/carrack") -> None:
    """``seal``: make the files read-only and execute again as ``zygote``, which serves on the descriptor; ``logger``:
    be a container's logger."""
    package = load_package()
    if mode == "logger":
        from carrack.shim.logs import process

        process.main(int(descriptor))
    from carrack.linux.syscalls import LINUX
    from carrack.shim import seal, zygote

    if mode == "seal":
        os.set_inheritable(int(descriptor), True)
        seal.execute(LINUX, package, run_root, ["zygote", descriptor])
    zygote.main(int(descriptor))


if __name__ == "__main__":
    main(*sys.argv[1:])
