"""Password: random letters, digits and symbols, drawn with the operating system's generator.

Neighbours: registry.py names it.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.providers.contract import CredentialReader
from eso.providers.env import Env

LENGTH: Final = 24
SYMBOLS: Final = '~!@#$%^&*()_+`-={}|[]\\:"<>?,./'
LONGEST: Final = 1 << 20  # characters of all passwords together; a Secret takes 1 MiB
MOST_SYMBOLS: Final = 1 << 12  # characters to choose from
MOST_WORK: Final = 1 << 22  # characters that are looked at for one object, half a second in a thread
QUICK: Final = 1 << 12  # characters that are looked at or drawn at once, without a thread
ENCODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "raw": bytes,
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "base32": base64.b32encode,
    "hex": lambda raw: raw.hex().encode(),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How many characters of which set. `repeat`: a character may come twice."""

    letters: int
    digits: int
    symbols: int
    alphabet: str
    symbol_set: str
    repeat: bool

    @property
    def length(self) -> int:
        """Digits and symbols below zero are letters more."""
        return self.letters + max(self.digits, 0) + max(self.symbols, 0)

    @property
    def work(self) -> int:
        """Characters that one password takes a look at: without `repeat` every set is gone through."""
        return self.length + (0 if self.repeat else len(self.alphabet) + len(self.symbol_set))


class Password(Stateless):
    kind: ClassVar[str] = "Password"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        keys = spec.get("secretKeys")
        names = ["password"] if keys is None else [str(key) for key in keys]
        if not all(names) or len(set(names)) != len(names):
            raise GeneratorFailed("secretKeys must be non-empty and unique", fix="give each key a name of its own")
        encoding = str(spec.get("encoding") or "raw")
        if encoding not in ENCODINGS:
            raise GeneratorFailed(f"unsupported encoding: {encoding}", fix=f"use one of {', '.join(ENCODINGS)}")
        plan = recipe(spec)
        if plan.length * len(names) > LONGEST:
            raise GeneratorFailed(
                f"passwords of more than {LONGEST} characters together fit into no Secret",
                fix="write a smaller length, or fewer secretKeys",
            )
        if len(plan.symbol_set) > MOST_SYMBOLS:
            raise GeneratorFailed(f"symbolCharacters has more than {MOST_SYMBOLS} characters", fix="write each once")
        if plan.work * len(names) > MOST_WORK:
            raise GeneratorFailed("these are too many passwords", fix="write fewer secretKeys, or set allowRepeat")
        if plan.work * len(names) <= QUICK:
            return Generated(passwords(plan, names, encoding))
        return Generated(await env.offload.run_for(credentials.namespace, passwords, plan, names, encoding))


def passwords(plan: Recipe, names: list[str], encoding: str) -> dict[str, bytes]:
    """Each of its own. Raises GeneratorFailed."""
    return {name: ENCODINGS[encoding](drawn(plan).encode()) for name in names}


def recipe(spec: Json) -> Recipe:
    """Raises GeneratorFailed for numbers that cannot be satisfied."""
    length = number(spec.get("length"), 0)
    length = length if length > 0 else LENGTH
    digits, symbols = number(spec.get("digits"), length // 4), number(spec.get("symbols"), length // 4)
    alphabet = string.ascii_lowercase + ("" if spec.get("noUpper") else string.ascii_uppercase)
    symbol_set = str(spec.get("symbolCharacters") or SYMBOLS)
    repeat, letters = bool(spec.get("allowRepeat")), length - digits - symbols
    if letters < 0:
        raise GeneratorFailed("number of digits and symbols must be less than total length")
    if not repeat:
        for name, wanted, available in (
            ("letters", letters, len(alphabet)),
            ("digits", digits, len(string.digits)),
            ("symbols", symbols, len(symbol_set)),
        ):
            if wanted > available:
                text = f"number of {name} exceeds available {name} and repeats are not allowed"
                raise GeneratorFailed(text, fix="shorten the password, or set allowRepeat")
    return Recipe(letters, digits, symbols, alphabet, symbol_set, repeat)


def number(value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise GeneratorFailed("unable to parse spec: a number is expected")
    return value


def drawn(plan: Recipe) -> str:
    """Characters of each set, in an order in which every one is equally likely. Raises GeneratorFailed."""
    found: list[str] = []
    for wanted, characters in (
        (plan.letters, plan.alphabet),
        (plan.digits, string.digits),
        (plan.symbols, plan.symbol_set),
    ):
        found += picked(wanted, characters, plan.repeat, found)
    secrets.SystemRandom().shuffle(found)
    return "".join(found)


def picked(wanted: int, characters: str, repeat: bool, taken: list[str]) -> list[str]:
    """`wanted` characters, drawn evenly; without `repeat` each at most once, and none that is in `taken`. The draw
    always ends: the reference redraws for ever where the characters of the symbol set repeat themselves or are
    letters."""
    if wanted <= 0:
        return []
    if repeat:
        return [secrets.choice(characters) for _ in range(wanted)]
    free = sorted(set(characters) - set(taken))
    if len(free) < wanted:
        raise GeneratorFailed(
            "number of symbols exceeds available symbols and repeats are not allowed",
            fix="symbolCharacters has characters twice, or letters and digits: add others, or set allowRepeat",
        )
    return secrets.SystemRandom().sample(free, wanted)


GENERATOR: Final = Password()
