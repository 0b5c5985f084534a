"""Container names: their rule, and inventing one for a container that was given none."""

from __future__ import annotations

import re
import secrets
from collections.abc import Container

from carrack.errors import InvalidArgument

_RULE = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_ADJECTIVES = (
    "able agile amber ample bold brave breezy bright brisk calm candid careful cheery civil clear clever cosy"
    " crisp daring dashing deft eager early earnest easy even fair fast fearless fine firm fond frank free"
    " fresh gentle glad golden grand handy happy hardy hearty honest humble jolly jovial keen kind lively loyal"
    " lucid lucky mellow merry mighty mild modest neat nimble noble patient placid plucky polite proud quick"
    " quiet ready robust rosy serene sharp shiny silent sleek smart smooth snug sober solid spry stable stout"
    " sturdy sunny swift tidy trim trusty upbeat valiant vivid warm wise witty zealous"
).split()
# Ships and those who sailed, drew, or reckoned with them.
_SAILORS = (
    "amundsen anson baffin barents beagle bering bligh bougainville bounty cabot cabral cartier chichester"
    " cook dampier davis diaz discovery drake elcano endeavour endurance erebus fram franklin frobisher fury"
    " gama grace gudrid hawke heyerdahl hudson jason jewel kupe leif lovelace magellan mercator nansen nelson"
    " nina odysseus piailug pinta ptolemy pytheas raleigh resolute ross santiago scoresby shackleton slocum"
    " sturt tasman terror tupaia victoria vancouver vespucci victory wegener zheng"
).split()


def check(name: str) -> str:
    """The name without a leading slash. Raises InvalidArgument when it breaks Docker's rule."""
    if not _RULE.fullmatch(name):
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return name.lstrip("/")


def invent(taken: Container[str]) -> str:
    """A name like ``brisk_magellan`` that is not taken."""
    for _ in range(32):
        name = f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_SAILORS)}"
        if name not in taken:
            return name
    while (name := f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_SAILORS)}{secrets.randbelow(10**6)}") in taken:
        pass
    return name
