"""The worst inputs of the functions of the template language: texts, lists, maps and numbers that take them long.

Neighbours: test_prices.py holds that they are paid for; e2e/bench/prices.py looks for worse ones against the clock. A
function whose parameters have no inputs here fails a test.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from eso.template.cache import ALL
from eso.template.functions import certificates, dates, semver
from eso.template.functions.dates import unix
from eso.template.values import Function, GoInt, Int64, IntList, Opaque, Param, StringList, Uint64

SIZE: Final = 300_000
"""Bytes of the worst inputs: more than CHEAP pays for, whatever is done with them."""


def filled(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return (raw * (SIZE // len(raw) + 1))[:SIZE]


TEXTS: Final = {
    "letters": filled("a"),
    "capitals": filled("A"),
    "digits": filled("9"),
    "blanks": filled(" "),
    "lines": filled("\n"),
    "words": filled("aB_- "),
    "accents": filled("e\u0301"),
    "sharp s": filled("ß"),
    "not UTF-8": filled(b"\xff"),
    "controls": filled("\x01"),
    "brackets": filled("["),
    "lists": b"[" + filled("[],") + b"1]",
    "objects": filled('{"a":'),
    "escapes": b'"' + filled("\\u00e9")[: SIZE // 6 * 6] + b'"',
    "dashes": filled("- "),
    "dates": filled("- 2001-1-1\n"),
    "aliases": filled("- &a [*a]\n"),
    "percent": filled("%41"),
    "directives": filled("%+[1]d"),
    "dollars": filled("$1"),
    "slashes": filled("/.."),
    "durations": filled("1h"),
    "layouts": filled("Jan"),
    "versions": filled("1.2.3 || "),
    "header lines": b"-----BEGIN X-----\n" + filled(":\n") + b"\nAAAA\n-----END X-----\n",
    "blocks": filled("-----BEGIN X-----\nAAAA\n-----END X-----\n"),
    "ends": filled("\n-----END X-----\n"),
    "DER": filled(b"\x02\x01\x01"),
    "base 64": filled("QUFB"),
    "quotes": filled('"'),
    "backslashes": filled("\\"),
    "emoji": filled("\U0001f600"),
    "commas": filled("a,"),
    "dots": filled("a."),
    "marks": filled("e\u0301\u0327"),
    "zeros": filled("0"),
    "an exponent": b"1e" + filled("9"),
    "negative digits": b"-" + filled("9"),
    "hexadecimal": filled("ff"),
    "HTML": filled("<&>"),
    "anchors": filled("a: &a [*a,*a]\n"),
    "verbs": filled("%s%d%q%x"),
    "an address": b"http://" + filled("a@:/?#"),
    "false percents": filled("%zz"),
    "line ends": filled("\r\n"),
    "tabs": filled("\t"),
    "nulls": filled("\0"),
    "a layout": filled("2006-01-02T15:04:05.999999999Z07:00 "),
    "ranges": filled(">=1.2.3-a.b "),
    "a prerelease": b"1.2.3-" + filled("a."),
    "almost base 64": filled("QUFB")[:-1] + b"!",
}
SMALL: Final[dict[Param, Any]] = {
    Param.STRING: b"x",
    Param.BOOL: True,
    Param.INT: 3,
    Param.INT64: Int64(3),
    Param.UINT32: 1,
    Param.FLOAT64: 1.5,
    Param.DICT: {b"a": b"x"},
    Param.LIST: [b"a"],
    Param.ANY: b"x",
    Param.TIME: unix(5),
    Param.HASH_ALGORITHM: b"sha",
}
SIZES: Final = (0, 1, 3, 8, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 64_000, 120_000, 250_000)
COUNTS: Final = (0, 1, 10, 100, 300, 900, 3_000)
INTS: Final = (0, 1, -1, 2, 7, 64, 255, 900, 5_000, 10**6, 10**9, 2**31, 2**40, -(2**63), 2**63 - 1, -5)
FLOATS: Final = (0.0, 1.5, -1.5, 1e308, 5e-324, 1e21, 1e-7, float("inf"), float("nan"), 123456789.123456789)
MOMENTS: Final = (0, 5, -(10**12), 10**12, 2**62)


def text(dice: random.Random) -> bytes:
    return dice.choice(list(TEXTS.values()))[: dice.choice(SIZES)]


def listed(dice: random.Random, depth: int = 1) -> list[Any]:
    """The same thing many times, or many different ones."""
    count, one = dice.choice(COUNTS), anything(dice, depth)
    if isinstance(one, bytes) and dice.random() < 0.5:
        return [b"%b%d" % (one[:20], n) for n in range(count)]
    return [one] * count


def mapped(dice: random.Random, depth: int = 1) -> dict[bytes, Any]:
    one = anything(dice, depth)
    return {b"k%d" % n: one for n in range(dice.choice(COUNTS))}


def nested(dice: random.Random) -> Any:
    made: Any = b"x"
    for _ in range(dice.choice((10, 100, 500, 990))):
        made = {b"a": made} if dice.random() < 0.5 else [made]
    return made


def shared(dice: random.Random) -> Any:
    """A list of one list twice, and so on: a few lists, thousands of millions of values."""
    made: Any = [b"x"]
    for _ in range(dice.choice((3, 8, 20, 60))):
        made = [made] * dice.choice((2, 3))
    return made


def anything(dice: random.Random, depth: int = 0) -> Any:
    makers: list[Callable[[], Any]] = [
        lambda: text(dice),
        lambda: text(dice),
        lambda: dice.choice(INTS),
        lambda: dice.choice(FLOATS),
        lambda: dice.choice([None, True, False, Int64(2**63 - 1), Uint64(2**64 - 1)]),
        lambda: StringList(b"%d" % n for n in range(dice.choice(COUNTS))),
        lambda: IntList(range(dice.choice(COUNTS))),
        lambda: nested(dice),
        lambda: shared(dice),
        lambda: unix(dice.choice(MOMENTS)),
    ]
    if depth < 2:
        makers += [lambda: listed(dice, depth + 1)] * 2 + [lambda: mapped(dice, depth + 1)]
    return dice.choice(makers)()


VERSIONS: Final[list[semver.Version]] = [semver.parse("1.2.3"), semver.parse("1.2.3-" + "1." * 120 + "1")]
KINDS: Final[dict[Param, Callable[[random.Random], Any]]] = {
    Param.ANY: anything,
    Param.STRING: text,
    Param.HASH_ALGORITHM: lambda dice: dice.choice([b"bcrypt", b"sha", b"x"]),
    Param.BOOL: lambda dice: dice.random() < 0.5,
    Param.INT: lambda dice: dice.choice(INTS),
    Param.INT64: lambda dice: Int64(dice.choice(INTS)),
    Param.DURATION: lambda dice: dates.Duration(dice.choice(INTS)),
    Param.UINT32: lambda dice: dice.choice((0, 1, 1_000, 2**32 - 1)),
    Param.FLOAT64: lambda dice: dice.choice(FLOATS),
    Param.DICT: mapped,
    Param.LIST: listed,
    Param.TIME: lambda dice: unix(dice.choice(MOMENTS)),
    Param.LOCATION: lambda dice: dice.choice([dates.UTC_ZONE, dates.LOCAL, dates.zone("Europe/Berlin")]),
    Param.VERSION: lambda dice: dice.choice(VERSIONS),
    Param.CERTIFICATE: lambda dice: certificates.Pair(text(dice), text(dice)),
}
"""Type of a parameter → worst values of it."""


def every(kind: type[Any]) -> list[type[Any]]:
    return [kind, *(one for below in kind.__subclasses__() for one in every(below))]


RECEIVERS: Final[dict[str, list[Any]]] = {
    "Time": [unix(0), unix(2**40)],
    "Duration": [dates.Duration(2**63 - 1), dates.Duration(-(2**63))],
    "Month": [dates.Month(12)],
    "Weekday": [dates.Weekday(6)],
    "Location": [dates.zone("Europe/Berlin")],
    "Version": VERSIONS,
    "VersionStruct": VERSIONS,
}
"""Name of a type with members → worst values of it."""
MEMBERS: Final[dict[str, Function]] = {
    f"{kind.__name__}.{name}": member
    for kind in (*every(GoInt), *every(Opaque))
    for name, member in kind.members.items()
}


def drawn(name: str, dice: random.Random) -> tuple[Function, tuple[Any, ...]]:
    """A function or member by its name, with arguments; of a member, the receiver is the first."""
    if name in ALL:
        function, before = ALL[name], []
    else:
        function, before = MEMBERS[name], [dice.choice(RECEIVERS[name.partition(".")[0]])]
    params = list(function.params)
    if function.variadic:
        params[-1:] = params[-1:] * dice.choice((0, 1, 1, 2, 5, 40))
    return function, (*before, *(KINDS[param](dice) for param in params))
