"""The daemon imports no HTTP client, and whoever wants one gets it."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_services_need_no_client_and_no_routes_of_aiohttp() -> None:
    program = (
        "import sys; from carrack.daemon.imports import without_client; without_client()\n"
        "import carrack.daemon.wiring, carrack.http.server, carrack.api.app\n"
        "print(*(f'aiohttp.{name}' in sys.modules for name in ('client', 'web', 'web_protocol')))"
    )
    assert run(program) == "False False True\n"


def test_a_name_of_the_package_brings_the_whole_of_it() -> None:
    program = (
        "from carrack.daemon.imports import without_client; without_client()\n"
        "import aiohttp\n"
        "from aiohttp import web\n"
        "request = web.Request\n"
        "from aiohttp import ClientSession\n"
        "import aiohttp.client, aiohttp.web\n"
        "print(aiohttp.client.ClientSession is ClientSession, web.Request is request, bool(aiohttp.__version__))"
    )
    assert run(program) == "True True True\n"


def test_what_is_imported_already_stays() -> None:
    program = (
        "import aiohttp; from carrack.daemon.imports import without_client; without_client()\n"
        "import sys; without_client('no-such-package'); print(sys.modules['aiohttp'] is aiohttp)"
    )
    assert run(program) == "True\n"


def test_the_list_can_be_answered_without_aiohttp() -> None:
    program = (
        "import sys, carrack.daemon.main, carrack.daemon.survey, carrack.api.early, carrack.http.porch\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('aiohttp', 'yarl', 'attr')])"
    )
    assert run(program) == "[]\n"
