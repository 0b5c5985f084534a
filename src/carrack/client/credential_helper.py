"""Programs that keep secrets for the docker command: ``docker-credential-NAME get|store|erase|list``.

What they are asked goes to their standard input and never onto their command line; they answer with JSON on standard
output, or with an exit code and a line of text. Source: the protocol of docker-credential-helpers.
"""

from carrack.client import document
from carrack.client.account import TOKEN_USER, Account
from carrack.errors import CarrackError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_FOUND = "credentials not found in native keychain"
_LIMIT = 1 << 20


class HelperError(CarrackError):
    """A helper is not there, or says that it cannot."""


class Helper:
    """One helper by its short name, run in the user's environment, whose PATH has it."""

    def __init__(self, name: str, environment: "Mapping[str, str]") -> None:
        if not name or "/" in name or name.startswith("."):
            raise HelperError(f"{name!r} is no name of a credential helper: the part after docker-credential- is meant")
        self._program = f"docker-credential-{name}"
        self._environment = environment

    def get(self, key: str) -> Account | None:
        """The account kept under ``key``, None when there is none."""
        try:
            answer = self._run("get", key)
        except HelperError as error:
            if _NOT_FOUND in str(error):
                return None
            raise
        user, secret = self._texts(answer, "Username", "Secret")
        return Account(key, identity_token=secret) if user == TOKEN_USER else Account(key, user, secret)

    def store(self, key: str, account: Account) -> None:
        token = account.identity_token
        user, secret = (TOKEN_USER, token) if token else (account.username, account.password)
        self._run("store", document.dumps({"ServerURL": key, "Username": user, "Secret": secret}))

    def erase(self, key: str) -> None:
        """Forget what is kept under ``key``; nothing kept is fine."""
        try:
            self._run("erase", key)
        except HelperError as error:
            if _NOT_FOUND not in str(error):
                raise

    def users(self) -> dict[str, str]:
        """The user of each key that is kept."""
        found = self._parsed(self._run("list", ""))
        return {key: user for key, user in found.items() if isinstance(user, str)}

    def _run(self, verb: str, text: str) -> bytes:
        import subprocess

        try:
            done = subprocess.run(
                [self._program, verb],
                input=text.encode(),
                stdout=subprocess.PIPE,
                env=dict(self._environment),
                executable=self._find(),
                check=False,
            )
        except OSError as error:
            raise HelperError(f"{self._program} cannot be run: {error.strerror}") from error
        if done.returncode:
            told = done.stdout[:1000].decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
            raise HelperError(f"{self._program} {verb}: {told}")
        return done.stdout

    def _find(self) -> str:
        import os

        for folder in (self._environment.get("PATH") or os.defpath).split(":"):
            path = f"{folder or '.'}/{self._program}"
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
        raise HelperError(f"{self._program} is not on the PATH: install it, or take it out of config.json")

    def _texts(self, answer: bytes, *names: str) -> list[str]:
        found = self._parsed(answer)
        texts = [found.get(name) or "" for name in names]
        if not all(isinstance(text, str) for text in texts):
            raise HelperError(f"{self._program} gives an answer that is none")
        return [str(text) for text in texts]

    def _parsed(self, answer: bytes) -> "dict[str, object]":
        try:
            found = document.loads(answer) if len(answer) <= _LIMIT else None
        except Unavailable:
            found = None
        if not isinstance(found, dict):
            raise HelperError(f"{self._program} gives an answer that is not JSON")
        return found
