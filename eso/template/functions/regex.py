"""Regular expressions: RE2 only. Compiling and each search pay what they may cost at most.

Neighbours: gocompat.regexp compiles, matches and expands, and spends from the budget. A piped value is the last
parameter: the text of `regexMatch`, the replacement of `regexReplaceAll`. The plain functions other than `regexMatch`
fail with Go's panic text on a bad expression, the must variants with the error itself.
"""

from __future__ import annotations

from collections.abc import Callable

from eso.gocompat import regexp
from eso.gocompat.regexp import Regexp, RegexpError
from eso.template.bounds import Budget
from eso.template.values import FunctionError, NilStringList, Param, StringList, Table, Value

TABLE = Table()
INT, STRING = Param.INT, Param.STRING


def _compiled(budget: Budget, pattern: bytes, *, must: bool) -> Regexp:
    budget.spend(regexp.compiling(pattern[: regexp.MAX_PATTERN]))
    try:
        return regexp.compile(pattern)
    except RegexpError as error:
        raise FunctionError(str(error) if must else error.as_panic(), told=error.told, quotes=0) from None


def _pair(name: str, *params: Param) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Registers `regexX` and `mustRegexX`; the decorated function gets the compiled expression in place of the
    pattern."""

    def add(work: Callable[..., Value]) -> Callable[..., Value]:
        for label, must in ((name, False), ("must" + name[0].upper() + name[1:], True)):

            def call(budget: Budget, pattern: bytes, text: bytes, *rest: Value, must: bool = must) -> Value:
                return work(budget, _compiled(budget, pattern, must=must), text, *rest)

            TABLE.function(label, params=(STRING, STRING, *params), budget=True)(call)
        return work

    return add


@TABLE.function("regexMatch", params=(STRING, STRING), budget=True)
def matches(budget: Budget, pattern: bytes, text: bytes) -> bool:
    """False for a bad expression."""
    try:
        return must_match(budget, pattern, text)
    except FunctionError:
        return False


@TABLE.function("mustRegexMatch", params=(STRING, STRING), budget=True)
def must_match(budget: Budget, pattern: bytes, text: bytes) -> bool:
    return _compiled(budget, pattern, must=True).matches(text, budget)


@_pair("regexFind")
def find(budget: Budget, expression: Regexp, text: bytes) -> bytes:
    return expression.find(text, budget) or b""


@_pair("regexFindAll", INT)
def find_all(budget: Budget, expression: Regexp, text: bytes, limit: int) -> StringList:
    found = expression.find_all(text, limit, budget)
    return StringList(found) if found else NilStringList()


@_pair("regexReplaceAll", STRING)
def replace_all(budget: Budget, expression: Regexp, text: bytes, template: bytes) -> bytes:
    return expression.replace_all(text, template, budget)


@_pair("regexReplaceAllLiteral", STRING)
def replace_all_literal(budget: Budget, expression: Regexp, text: bytes, replacement: bytes) -> bytes:
    return expression.replace_all_literal(text, replacement, budget)


@_pair("regexSplit", INT)
def split(budget: Budget, expression: Regexp, text: bytes, limit: int) -> StringList:
    if limit == 0:
        return NilStringList()
    return StringList(expression.split(text, limit, budget))


@TABLE.function("regexQuoteMeta", params=(STRING,), pace=2)
def quote_meta(text: bytes) -> bytes:
    return regexp.quote_meta(text)
