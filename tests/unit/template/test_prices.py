"""What a call may cost is paid before it runs: every function with its worst inputs, at the price of the loop.

No time is measured here. e2e/bench/prices.py holds the prices against the clock: one step is a microsecond or two, so
that CHEAP is a matter of a few milliseconds whatever the template says.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import tracemalloc
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from eso.gocompat import regexp
from eso.template import Limits, TemplateError, render
from eso.template.apply import CHEAP
from eso.template.bounds import Account, BoundsExceeded, Budget
from eso.template.cache import ALL
from eso.template.functions import BYTES_PER_STEP, keys
from eso.template.values import FunctionError, Param, StringList, StringMap
from eso.template.world import WORLD
from tests.unit.template.worst import KINDS, MEMBERS, SIZE, SMALL, TEXTS, drawn


def calls(name: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Arguments with one worst text at each place that takes a text."""
    function = ALL[name]
    params = [*function.params, *([function.params[-1]] if function.variadic else [])]
    if not all(param in SMALL for param in params):
        return
    for place, (label, text) in itertools.product(range(len(params)), TEXTS.items()):
        if params[place] is Param.STRING or (params[place] is Param.ANY and function.pace):
            yield label, tuple(text if i == place else SMALL[param] for i, param in enumerate(params))


def spent(name: str, arguments: tuple[Any, ...], limits: Limits) -> int:
    """Steps of one call; all of them where a bound ended it."""
    function = ALL[name]
    budget = Budget(limits, WORLD)
    try:
        function.call(*([budget] if function.budget else []), *arguments)
    except BoundsExceeded:
        return limits.steps
    except (FunctionError, ValueError, TypeError, AttributeError, OverflowError, UserWarning):
        pass
    return budget.steps


READS_ITS_TEXTS = sorted(
    name
    for name, function in ALL.items()
    if not function.refuse and not function.picks and (function.pace or Param.STRING in function.params)
)


@pytest.mark.parametrize("name", READS_ITS_TEXTS)
def test_a_function_pays_for_the_worst_of_its_texts_before_it_reads_it(name: str) -> None:
    """A step for 256 bytes at least, which is the pace of code in C."""
    for label, arguments in calls(name):
        steps = spent(name, arguments, Limits(steps=20_000, seconds=60))
        assert steps >= SIZE // BYTES_PER_STEP, (label, steps)


PICKS_ONE = {
    # what they do takes the same for a list of three and one of a million
    *("all", "and", "any", "call", "coalesce", "default", "dig", "empty", "first", "get", "hasKey", "index", "kindIs"),
    *(
        "kindOf",
        "last",
        "len",
        "mustFirst",
        "mustLast",
        "not",
        "or",
        "set",
        "ternary",
        "typeIs",
        "typeIsLike",
        "typeOf",
    ),
    *(
        "unset",
        "pluck",
        "ago",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "list",
        "tuple",
        "dict",
        "append",
        "push",
        "prepend",
    ),
    *("mustAppend", "mustPush", "mustPrepend", "slice", "mustSlice", "pick", "add1", "add1f", "duration"),
    *("durationRound", "htmlDate", "htmlDateInZone"),
}
"""Functions of lists and maps that do not walk through them. Those that copy references pay bytes for that."""
ELEMENTS = 40_000
LISTS: dict[str, Any] = {
    "numbers": list(range(ELEMENTS)),
    "texts": StringList(b"%d" % n for n in range(ELEMENTS)),
    "a map": {b"k%d" % n: b"" for n in range(ELEMENTS)},
    "a map of texts": StringMap({b"k%d" % n: b"" for n in range(ELEMENTS)}),
}
WALKS = sorted(
    name
    for name, function in ALL.items()
    if not function.refuse
    and name not in PICKS_ONE
    and any(param in (Param.ANY, Param.LIST, Param.DICT) for param in function.params)
)


@pytest.mark.parametrize("name", WALKS)
def test_a_function_pays_for_the_elements_that_it_walks_through(name: str) -> None:
    """A step for sixteen at least. What refuses a list at once need not pay for it."""
    function = ALL[name]
    for place, (label, shape) in itertools.product(range(len(function.params)), LISTS.items()):
        match function.params[place], shape:
            case (Param.ANY, _) | (Param.DICT, dict()) | (Param.LIST, list()):
                arguments = [shape if at == place else SMALL.get(param) for at, param in enumerate(function.params)]
                assert not walked(name, arguments) or spent(name, tuple(arguments), Limits()) >= ELEMENTS // 16, label


def walked(name: str, arguments: list[Any]) -> bool:
    """Whether it gives a result, other than what it was given and than a description of its type."""
    try:
        made = ALL[name].call(*([Budget(Limits(), WORLD)] if ALL[name].budget else []), *arguments)
    except (FunctionError, BoundsExceeded, ValueError, TypeError, AttributeError, OverflowError):
        return False
    return not any(made is argument for argument in arguments) and made not in (None, b"", 0, 0.0)


HUNDREDS = {
    "a list": [b"a" * 900_000] * 300,
    "texts": StringList([b"a" * 900_000] * 300),
    "lists": [[b"a" * 900_000]] * 300,
    "a map": {b"k%d" % n: value for n, value in enumerate([b"a" * 900_000] * 300)},
}


@pytest.mark.parametrize("name", sorted(name for name, function in ALL.items() if not function.refuse))
def test_one_text_three_hundred_times_is_paid_before_it_is_put_together(name: str) -> None:
    """A line of template with a value of a megabyte took hundreds, between two events of the loop."""
    function = ALL[name]
    tries = [
        [shape if at == place else SMALL.get(param) for at, param in enumerate(function.params)]
        for place, shape in itertools.product(range(len(function.params)), HUNDREDS.values())
        if function.params[place] in (Param.ANY, Param.LIST, Param.DICT)
    ]
    if function.variadic:
        tries.append([*(SMALL.get(param) for param in function.params[:-1]), *HUNDREDS["a list"]])
    for arguments in tries:
        tracemalloc.start()
        try:
            spent(name, tuple(arguments), CHEAP)
            assert tracemalloc.get_traced_memory()[1] < 6 * CHEAP.value_bytes
        finally:
            tracemalloc.stop()


def test_every_function_and_every_member_of_a_value_has_worst_inputs() -> None:
    dice = random.Random(1)
    for name in (*ALL, *MEMBERS):
        function, arguments = drawn(name, dice)
        assert all(param in KINDS for param in function.params), name
        assert len(arguments) >= len(function.params) - 1


@pytest.mark.parametrize(
    ("source", "data", "steps"),
    [
        pytest.param("{{ 1 }}", {f"k{n}": b"" for n in range(40_000)}, 5_000, id="making dot of many keys"),
        pytest.param("{{ range $k, $v := . }}{{ end }}", {f"k{n}": b"" for n in range(40_000)}, 15_000, id="sorting"),
        pytest.param(
            "{{ eq .a .b }}", {"a": b"x" * (8 << 20), "b": b"x" * (8 << 20)}, 1_000, id="texts that are alike"
        ),
        pytest.param(
            "{{ $l := list .a .b }}{{ has .a $l }}", {"a": b"x" * (8 << 20), "b": b"y"}, 1_000, id="in a list"
        ),
        pytest.param("{{ $n := now }}{{ print $n $n $n }}", {}, 24, id="printing times"),
        pytest.param("{{ $n := now }}{{ $n.String }}{{ $n.GoString }}", {}, 16, id="methods of times"),
        pytest.param("{{ $n := now }}{{ toJson (list $n $n) }}", {}, 16, id="times in JSON"),
        pytest.param("{{ $n := now }}{{ $m := now }}{{ eq $n $m }}", {}, 8, id="comparing times"),
    ],
)
def test_the_language_itself_pays(source: str, data: dict[str, bytes], steps: int) -> None:
    limits = Limits().together(WORLD)
    render(source, data, limits=limits)
    assert limits.account is not None and limits.pass_steps - limits.account.left >= steps


@pytest.mark.parametrize("name", ["regexMatch", "regexFind", "regexFindAll", "regexReplaceAll", "regexSplit"])
def test_an_expression_pays_its_program_times_the_bytes(name: str) -> None:
    pattern, text = b"(?:x?y?){100}$q", b"xy" * 20_000
    size = regexp.compile(pattern).size
    rest = {"regexFindAll": (-1,), "regexReplaceAll": (b"",), "regexSplit": (-1,)}.get(name, ())
    steps = spent(name, (pattern, text, *rest), Limits())
    assert steps >= size * len(text) / regexp.UNITS_PER_STEP
    assert spent(name, (pattern, text, *rest), CHEAP) == CHEAP.steps


def number(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def jwk(p: int, q: int) -> bytes:
    exponent, order = 65537, math.lcm(p - 1, q - 1)
    while math.gcd(exponent, order) != 1:
        exponent += 2
    private = pow(exponent, -1, order)
    return json.dumps(
        {"kty": "RSA", "n": number(p * q), "e": number(exponent), "d": number(private), "p": number(p), "q": number(q)}
    ).encode()


def test_no_key_is_proven_prime_and_none_is_larger_than_8192_bits() -> None:
    """Factors of the form 2^n - 1 make the proof take minutes, during which the whole process stands still."""
    made = render("{{ jwkPrivateKeyPem .k }}", {"k": jwk(2**4253 - 1, 2**3217 - 1)})
    assert made.startswith(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(TemplateError, match="the key is larger than 8192 bits"):
        render("{{ jwkPrivateKeyPem .k }}", {"k": jwk(2**4423 - 1, 2**4253 - 1)})


def test_a_key_pays_for_being_read_and_used_by_the_cube_of_its_size() -> None:
    paid = []
    for bits in (1024, 2048, 4096, 8192):
        budget = Budget(Limits(), WORLD)
        keys.pay_for_rsa(budget, bits)
        paid.append(budget.steps)
    assert paid[3] - keys.CURVE_STEPS > 5 * (paid[2] - keys.CURVE_STEPS) > 20 * (paid[1] - keys.CURVE_STEPS)


@pytest.mark.parametrize("change", ["modulus", "exponent", "factor"])
def test_a_key_whose_parts_do_not_belong_together_is_refused(change: str) -> None:
    parts = json.loads(jwk(2**521 - 1, 2**607 - 1))
    parts |= {
        "modulus": {"n": number((2**521 - 1) * (2**607 - 1) + 2)},
        "exponent": {"d": number(2**1200 + 1)},
        "factor": {"p": number(2**521 + 1)},
    }[change]
    with pytest.raises(TemplateError, match="invalid RSA key"):
        render("{{ jwkPrivateKeyPem .k }}", {"k": json.dumps(parts).encode()})


def test_renderings_of_one_pass_spend_from_one_account() -> None:
    limits = Limits(steps=10_000, pass_steps=25_000).together(WORLD)
    source = "{{ range 4000 }}{{ end }}"
    for _ in range(6):
        render(source, {}, limits=limits)
    with pytest.raises(TemplateError, match="limit of 25000 steps of one pass"):
        render(source, {}, limits=limits)


def test_limits_that_belong_together_already_stay_together() -> None:
    limits = Limits().together(WORLD)
    assert limits.together(WORLD).account is limits.account
    assert Limits().account is None and isinstance(limits.account, Account)


def test_a_rendering_that_fails_has_spent_all_the_same() -> None:
    limits = Limits().together(WORLD)
    with pytest.raises(TemplateError):
        render("{{ range 500 }}{{ end }}{{ .nope }}", {}, limits=limits)
    assert limits.account is not None and limits.account.left < limits.pass_steps - 500


def test_header_lines_of_a_pem_block_are_paid_one_by_one() -> None:
    text = TEXTS["header lines"]
    assert spent("filterPEM", (b"x", text), Limits()) >= text.count(b"\n")
    assert spent("certSANs", (text,), Limits()) >= text.count(b"\n")
    assert spent("buildCustomCert", (b64encode(text), b"eA=="), Limits()) >= text.count(b"\n")


@pytest.mark.parametrize(
    "directive",
    [
        '{{ printf "%1000000d" (until 300) }}',
        '{{ printf "%.1000000d" (until 300) }}',
        '{{ printf "%*d" 1000000 (until 300) }}',
        '{{ printf "%900000v" (dict "a" (until 100) "b" (until 100)) }}',
        '{{ printf "%.100000f" 1.5 }}',
        '{{ printf "%.2000g" (list 1.5 1.5 1.5 1.5 1.5 1.5 1.5 1.5 1.5) }}',
    ],
)
def test_width_and_precision_are_paid_for_each_value_before_any_is_made(directive: str) -> None:
    """A line of template made 800 MB of blanks before it was refused."""
    render("{{ 1 }}", {}, limits=CHEAP)
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError, match="exceeds the limit of"):
            render(directive, {}, limits=CHEAP)
        assert tracemalloc.get_traced_memory()[1] < 4 * CHEAP.value_bytes
    finally:
        tracemalloc.stop()
