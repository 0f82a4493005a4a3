"""The library: every function a template can call besides the language's own.

Neighbours: the evaluator looks names up in FUNCTIONS; each module here fills a TABLE of its own. `impure` is what World
is for: only functions that take the budget can reach the clock and entropy, and only through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from eso.template.bounds import Budget
from eso.template.functions import (
    certificates,
    ciphers,
    dates,
    dicts,
    encoding,
    flow,
    jsons,
    jwk,
    keys,
    lists,
    mathematics,
    passwords,
    paths,
    pem,
    pkcs12,
    reflection,
    regex,
    semver,
    strings,
    urls,
    x509,
    yamls,
)
from eso.template.values import Function, Param, Value

_MODULES = (
    strings,
    lists,
    dicts,
    mathematics,
    flow,
    reflection,
    encoding,
    paths,
    regex,
    dates,
    jsons,
    yamls,
    semver,
    urls,
    passwords,
    ciphers,
    keys,
    certificates,
    pem,
    x509,
    jwk,
    pkcs12,
)
BYTES_PER_STEP = 256
"""What a function pays for that hands its texts to a library in C."""

SLOW = frozenset(name for module in (passwords, certificates, keys, pkcs12) for name in module.SLOW)
"""Functions that take milliseconds to seconds of pure computation: a template that names one should not be rendered on
the event loop."""


def _metered(function: Function) -> Function:
    """A function pays a step per 256 bytes of the texts it is given, so that cheap calls on huge texts count.

    A function whose bytes are looked at one by one has a `pace` of its own. What works harder pays on top.
    """
    pace = function.pace or (BYTES_PER_STEP if Param.STRING in function.params and not function.picks else 0)
    if not pace:
        return function
    call, takes_budget = function.call, function.budget

    def metered(budget: Budget, *arguments: Value) -> Value:
        size = 0
        for argument in arguments:
            if isinstance(argument, bytes):
                size += len(argument)
        if size >= pace:
            budget.spend(size // pace)
        return call(budget, *arguments) if takes_budget else call(*arguments)

    made: Callable[..., Value] = metered
    return replace(function, call=made, budget=True)


def _joined() -> dict[str, Function]:
    joined: dict[str, Function] = {}
    for module in _MODULES:
        for name, function in module.TABLE.items():
            if name in joined:
                raise AssertionError(f"two functions are called {name}")
            joined[name] = _metered(function)
    return joined


FUNCTIONS: dict[str, Function] = _joined()
"""Name → function."""
