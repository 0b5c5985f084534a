"""Requests to one registry in one user's name: its scheme is found, its challenges met, passing faults outlived."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from carrack.errors import CarrackError, Unavailable
from carrack.registry import challenge, dial, failures, limits
from carrack.registry import origin as origins
from carrack.registry.challenge import Challenge
from carrack.registry.channel import TlsFailed
from carrack.registry.credentials import Credentials
from carrack.registry.dial import NotReached
from carrack.registry.exchange import Answer, Body, Broken
from carrack.registry.head import Malformed
from carrack.registry.settings import RegistrySettings, bare
from carrack.registry.tokens import Service, Tokens, basic
from carrack.registry.transport import Transport

HUB = "registry-1.docker.io"
_HOSTS = {"docker.io": HUB}
"""Registries whose API is not at the host that stands in names."""
_PASSING = (429, 500, 502, 503, 504)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_NO_CONNECTION = (NotReached, TlsFailed)
_PATIENT = 60.0
"""A `Retry-After` of more seconds is told instead of waited for."""
_NO_HINT_ATTEMPTS = 2
"""How often a 429 that does not say for how long is tried."""


@dataclass(slots=True)
class Host:
    """What is known of one registry. `name` is host[:port] as in image names; `base` is "" until it is found."""

    name: str
    insecure: bool = False
    base: str = ""
    verify: bool = True
    greeted: bool = False
    """Whether it has been asked what it wants to be convinced with."""
    challenges: list[Challenge] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def address(self) -> str:
        """host[:port] of the API."""
        return _HOSTS.get(self.name, self.name)


class Session:
    """Requests to `host`. Paths begin with `/v2/`."""

    def __init__(
        self, transport: Transport, tokens: Tokens, settings: RegistrySettings, host: Host, credentials: Credentials
    ) -> None:
        self.host = host
        self.credentials = credentials
        self._transport = transport
        self._tokens = tokens
        self._settings = settings

    async def ask(
        self,
        method: str,
        path: str,
        what: str,
        *,
        scopes: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Body] = bytes,
        attempts: int = 1,
        passed: tuple[int, ...] = (),
        limit: int = 0,
    ) -> Answer:
        """The answer to a request that succeeds, or has one of the statuses in `passed`.

        `what` is the action for texts ("pull of alpine:3"); `path` may be an absolute URL of this registry. Tried
        `attempts` times as long as what fails may pass. With a `limit` its body is read, too, to Answer.data. Raises
        errors by meaning, see failures.
        """
        tried = 1
        while True:
            try:
                answer = await self._authorized(method, path, scopes, headers or {}, body)
                if answer.status < 300 or answer.status in passed:
                    return await answer.load(limit) if limit else answer
                failure = await self._refused(answer, what)
                last = answer.status not in _PASSING
            except Unavailable as error:  # of the server that gives tokens
                failure, last = error, isinstance(error, failures.Untrue)
            except OSError as error:
                failure, last = self._failed(error, what), isinstance(error, (Malformed, *_NO_CONNECTION))
            if last or tried >= attempts:
                raise failure
            await asyncio.sleep(_pause(failure, tried))
            tried += 1

    async def base(self) -> str:
        """`https://host[:port]`, or http where that is declared insecure and all there is. Raises OSError."""
        host = self.host
        async with host.lock:
            if not host.base and (host.insecure or self._settings.declared_insecure(host.address)):
                await self._probe()
            base = host.base or f"https://{host.address}"
            if self.credentials and not host.greeted:
                # Some registries say "not found" to a stranger instead of asking who he is.
                await self._greet(base, verify=host.verify)
            host.base = base
        return base

    async def _greet(self, base: str, *, verify: bool) -> None:
        """Ask what the registry wants to be convinced with."""
        hosts = (self.host.name,)
        async with await self._transport.ask("GET", f"{base}/v2/", {}, verify=verify, hosts=hosts) as answer:
            self._learn(answer, base)
            await answer.read(failures.ERROR_LIMIT)
        self.host.greeted = True

    async def _probe(self) -> None:
        """Find whether the registry speaks TLS, which need not be trusted, or plain HTTP."""
        host = self.host
        try:
            await self._greet(f"https://{host.address}", verify=False)
            host.base, host.verify = f"https://{host.address}", False
        except (NotReached, TlsFailed) as error:
            other_port = bare(host.address) == host.address.strip("[]")
            if not getattr(error, "plain", False) and not other_port:
                raise
            host.base = f"http://{host.address}"

    async def _authorized(
        self, method: str, path: str, scopes: tuple[str, ...], headers: Mapping[str, str], body: Callable[[], Body]
    ) -> Answer:
        try:
            return await self._convinced(method, path, scopes, headers, body)
        except (NotReached, TlsFailed):
            # A host that does not speak trusted TLS may yet lie in a network that is declared insecure.
            if self.host.insecure or not await self._insecure_by_address():
                self._forget()
                raise
        except OSError:
            self._forget()
            raise
        self.host.insecure, self.host.base, self.host.greeted = True, "", False
        return await self._convinced(method, path, scopes, headers, body)

    def _forget(self) -> None:
        """Look again next time whether an insecure registry speaks TLS: it may have hung up for other reasons."""
        if self.host.base.startswith("http:"):
            self.host.base, self.host.greeted = "", False

    async def _convinced(
        self, method: str, path: str, scopes: tuple[str, ...], headers: Mapping[str, str], body: Callable[[], Body]
    ) -> Answer:
        base = await self.base()
        url = path if "://" in path else base + path
        if origins.split(url)[0] != origins.split(base)[0]:
            return await self._elsewhere(method, url, headers, body)
        for attempt in range(3):
            authorization = await self._authorization(scopes)
            sent = {**headers, "Authorization": authorization} if authorization else headers
            answer = await self._transport.ask(
                method, url, sent, body(), verify=self.host.verify, hosts=(self.host.name,)
            )
            if attempt == 2 or not self._learn(answer, base):
                break
            self._tokens.drop(authorization.removeprefix("Bearer "))
            if not self._can_answer(authorization):
                break
            if authorization:
                scopes = (*scopes, *(scope for scope in self._wanted_scopes() if scope not in scopes))
            await answer.close()
        return answer

    async def _elsewhere(self, method: str, url: str, headers: Mapping[str, str], body: Callable[[], Body]) -> Answer:
        """A request that the registry leads to another server: without credentials."""
        there, _ = origins.split(url)
        origins.may_lead(origins.split(self.host.base)[0], there)
        return await self._transport.ask(
            method, url, headers, body(), verify=not self._settings.declared_insecure(there.authority)
        )

    def _can_answer(self, authorization: str) -> bool:
        """Whether trying again with what the challenges ask for is of any use."""
        if any(_is_bearer(one) for one in self.host.challenges):
            return not self.credentials.registry_token
        if any(c.scheme == "basic" for c in self.host.challenges):
            return bool(self.credentials.password) and not authorization
        return False

    def _wanted_scopes(self) -> list[str]:
        scopes = (c.parameters.get("scope", "") for c in self.host.challenges if c.scheme == "bearer")
        return [word for scope in scopes for word in scope.split()]

    async def _insecure_by_address(self) -> bool:
        """Whether its name leads into a network declared insecure; then it is reached there only from now on."""
        name = bare(self.host.address)
        try:
            found = await dial.addresses(name, 443)
        except OSError:
            return False
        if not any(self._settings.insecure_address(str(address[0]), loopback=False) for _, address in found):
            return False
        self._transport.confine(origins.split(f"https://{self.host.address}")[0].host)
        return True

    def _learn(self, answer: Answer, base: str) -> bool:
        """Take up what the registry wants to be convinced with; whom it redirects to has no say in that."""
        if answer.status != 401 or origins.split(answer.url)[0] != origins.split(base)[0]:
            return False
        self.host.challenges = challenge.parse(answer.headers.all("www-authenticate"))
        self.host.greeted = True
        return True

    async def _authorization(self, scopes: tuple[str, ...]) -> str:
        """The value of `Authorization` for what is known of the registry, "" for none."""
        if self.credentials.registry_token:
            return f"Bearer {self.credentials.registry_token}"
        if service := self.bearer():
            return f"Bearer {await self._tokens.get(service, self.credentials, scopes)}"
        if self.credentials.password and any(one.scheme == "basic" for one in self.host.challenges):
            return basic(self.credentials)
        return ""

    def bearer(self) -> Service | None:
        """Where tokens are got, once the registry has said so."""
        return next((self._service(one) for one in self.host.challenges if _is_bearer(one)), None)

    def _service(self, one: Challenge) -> Service:
        realm, secure = one.parameters["realm"], self.host.base.startswith("https:")
        there, _ = origins.split(realm, f"{self.host.name} sends for tokens to")
        base, _ = origins.split(self.host.base)
        if there.scheme == "https":  # of others says tokens.py that nothing is sent there
            origins.may_lead(base, there)
        own = there == base
        verify = self.host.verify if own else not self._settings.declared_insecure(there.authority)
        return Service(realm, one.parameters.get("service", ""), self.host.name, secure, verify)

    def _failed(self, error: OSError, what: str) -> CarrackError:
        text = self.credentials.hidden(f"{what} from {self.host.name}: {error.strerror or error}")
        if isinstance(error, TlsFailed):
            return failures.Unreachable(f"{text}: {_tls_remedy(self.host.address, error)}")
        if isinstance(error, NotReached):
            return failures.Unreachable(f"{text}: check the registry's name, the network and the proxy")
        if isinstance(error, Malformed):
            return failures.Untrue(f"{text}: this is no registry that keeps to the protocol")
        if isinstance(error, Broken):
            return failures.Interrupted(f"{text}: try again")
        return Unavailable(text)

    async def _refused(self, answer: Answer, what: str) -> CarrackError:
        try:
            body = await answer.read(failures.ERROR_LIMIT)
        except OSError:
            body = b""
        finally:
            await answer.close()
        failure = failures.refusal(answer.status, body, what, self.host.name, limits.retry_after(answer.headers))
        failure.args = (self.credentials.hidden(str(failure)),)
        return failure


def _is_bearer(one: Challenge) -> bool:
    return one.scheme == "bearer" and bool(one.parameters.get("realm"))


def _pause(failure: CarrackError, tried: int) -> float:
    """Seconds until the next try; raises the failure when that would be too long, or of no use."""
    usual = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tried - 1)) * random.uniform(0.75, 1.25)
    after = getattr(failure, "retry_after", None)
    hopeless = isinstance(failure, failures.TooManyRequests) and after is None and tried >= _NO_HINT_ATTEMPTS
    if hopeless or (after or 0) > _PATIENT:
        raise failure
    return usual if after is None else float(after)


def _tls_remedy(address: str, error: TlsFailed) -> str:
    if "certificate" in error.alert:
        return f"put a certificate that it trusts, and its key, into certs.d/{address}/client.cert and client.key"
    if error.plain:
        return f"if it speaks plain HTTP, name {address} in insecure-registries of the daemon's configuration"
    return f"put its authority's certificate into certs.d/{address}/ca.crt, or name it in insecure-registries"
