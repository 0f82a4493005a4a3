"""Regular expressions: RE2 only, linear in the text.

Neighbours: gocompat.regexp compiles, matches and expands. A piped value is the last parameter: the text of
`regexMatch`, the replacement of
`regexReplaceAll`. The plain functions other than `regexMatch` fail with Go's panic text on a bad expression, the must
variants with the error itself.
"""

from __future__ import annotations

from collections.abc import Callable

from eso.gocompat import regexp
from eso.gocompat.regexp import Regexp, RegexpError
from eso.template.bounds import Budget
from eso.template.functions.common import ELEMENT
from eso.template.values import FunctionError, NilStringList, Param, StringList, Table, Value

TABLE = Table()
INT, STRING = Param.INT, Param.STRING
_MATCH_COST = 4
"""Steps of one match; a search costs a step per 64 bytes on top."""


def _compiled(budget: Budget, pattern: bytes, *, must: bool) -> Regexp:
    budget.spend(8 + len(pattern) // 4)
    try:
        return regexp.compile(pattern)
    except RegexpError as error:
        raise FunctionError(str(error) if must else error.as_panic()) from None


def _pay_for(budget: Budget, text: bytes) -> None:
    budget.spend(len(text) // 64)
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            budget.spend(len(text) // 2)
            budget.check_size(64 * len(text))  # the map of its offsets


def _each_match(budget: Budget, size: int) -> Callable[[], None]:
    def visit() -> None:
        budget.spend(_MATCH_COST)
        budget.check_size(size)

    return visit


def _pair(name: str, *params: Param) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Registers `regexX` and `mustRegexX`; the decorated function gets the compiled expression in place of the
    pattern."""

    def add(work: Callable[..., Value]) -> Callable[..., Value]:
        for label, must in ((name, False), ("must" + name[0].upper() + name[1:], True)):

            def call(budget: Budget, pattern: bytes, text: bytes, *rest: Value, must: bool = must) -> Value:
                expression = _compiled(budget, pattern, must=must)
                _pay_for(budget, text)
                return work(budget, expression, text, *rest)

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
    expression = _compiled(budget, pattern, must=True)
    _pay_for(budget, text)
    return expression.matches(text)


@_pair("regexFind")
def find(budget: Budget, expression: Regexp, text: bytes) -> bytes:
    return expression.find(text) or b""


@_pair("regexFindAll", INT)
def find_all(budget: Budget, expression: Regexp, text: bytes, limit: int) -> StringList:
    found = expression.find_all(text, limit, _each_match(budget, ELEMENT + 33))
    return StringList(found) if found else NilStringList()


@_pair("regexReplaceAll", STRING)
def replace_all(budget: Budget, expression: Regexp, text: bytes, template: bytes) -> bytes:
    # A template of n references can copy the match n times: pay for the worst case of each match before it is built.
    references = template.count(b"$")
    longest = len(template) + references * _longest(budget, expression, text) if references else len(template)
    return expression.replace_all(text, template, _each_match(budget, longest))


def _longest(budget: Budget, expression: Regexp, text: bytes) -> int:
    return max((end - start for start, end in expression.spans(text, -1, _each_match(budget, 0))), default=0)


@_pair("regexReplaceAllLiteral", STRING)
def replace_all_literal(budget: Budget, expression: Regexp, text: bytes, replacement: bytes) -> bytes:
    return expression.replace_all_literal(text, replacement, _each_match(budget, len(replacement)))


@_pair("regexSplit", INT)
def split(budget: Budget, expression: Regexp, text: bytes, limit: int) -> StringList:
    if limit == 0:
        return NilStringList()
    return StringList(expression.split(text, limit, _each_match(budget, ELEMENT + 33)))


@TABLE.function("regexQuoteMeta", params=(STRING,))
def quote_meta(text: bytes) -> bytes:
    return regexp.quote_meta(text)
