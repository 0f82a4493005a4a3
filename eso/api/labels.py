"""Matches label selectors against labels.

Neighbours: stores.resolve matches the namespaces that a ClusterSecretStore admits, ClusterExternalSecrets those of
their children. Error texts are those of the API machinery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from eso.api.meta import Record
from eso.errors import Terminal

NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
NAME_BYTES, PREFIX_BYTES = 63, 253
EMPTY: Final = "must be non-empty"
ENDS: Final = "and must start and end with an alphanumeric character"
SHAPE_OF_NAME: Final = (
    f"must consist of alphanumeric characters, '-', '_' or '.', {ENDS} (e.g. 'MyName',  or 'my.name',  or '123-abc', "
    "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
SHAPE_OF_VALUE: Final = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {ENDS} "
    "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
SHAPE_OF_PREFIX: Final = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {ENDS} (e.g. "
    f"'example.com', regex used for validation is '{PREFIX.pattern}')"
)
WITH_PREFIX: Final = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"


class Requirement(Record, frozen=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Record, frozen=True):
    """Matches everything when both parts are empty."""

    match_labels: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it per instance
    match_expressions: tuple[Requirement, ...] = ()


class InvalidSelector(Terminal):
    """The selector is malformed."""


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """True if all requirements hold. Raises InvalidSelector, whatever the labels are."""
    check(selector)
    return fits(selector, labels)


def fits(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """`matches` for a selector that was checked: one that is held against many objects is checked once."""
    same = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return same and all(holds(requirement, labels) for requirement in selector.match_expressions)


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case _:
            return value is None


def check(selector: LabelSelector) -> None:
    """Raises InvalidSelector with the first fault."""
    for key, value in sorted(selector.match_labels.items()):
        check_key(key)
        check_value(key, value)
    for requirement in selector.match_expressions:
        match requirement.operator:
            case "In" | "NotIn":
                if not requirement.values:
                    raise InvalidSelector(
                        "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
                    )
            case "Exists" | "DoesNotExist":
                if requirement.values:
                    shown = "[" + ", ".join(f'"{value}"' for value in requirement.values) + "]"
                    raise InvalidSelector(
                        f"values: Invalid value: {shown}: values set must be empty for exists and does not exist"
                    )
            case other:
                raise InvalidSelector(
                    f'"{other}" is not a valid label selector operator', fix="use In, NotIn, Exists or DoesNotExist"
                )
        check_key(requirement.key)
        for value in requirement.values:
            check_value(requirement.key, value)


def check_key(key: str) -> None:
    """Raises InvalidSelector with all faults."""
    prefix, slash, name = key.rpartition("/")
    faults = []
    if "/" in prefix:
        faults = [f"a qualified name {SHAPE_OF_NAME} {WITH_PREFIX}"]
    else:
        if slash:
            of_prefix = faults_of(prefix, PREFIX, PREFIX_BYTES, SHAPE_OF_PREFIX) if prefix else [EMPTY]
            faults += [f"prefix part {fault}" for fault in of_prefix]
        faults += [f"name part {fault}" for fault in faults_of(name, NAME, NAME_BYTES, SHAPE_OF_NAME)]
    if faults:
        raise InvalidSelector(f'key: Invalid value: "{key}": {"; ".join(faults)}')


def check_value(key: str, value: str) -> None:
    """Raises InvalidSelector with all faults."""
    faults = faults_of(value, NAME, NAME_BYTES, SHAPE_OF_VALUE) if value else []
    if faults:
        raise InvalidSelector(f'values[0][{key}]: Invalid value: "{value}": {"; ".join(faults)}')


def faults_of(text: str, pattern: re.Pattern[str], most: int, shape: str) -> list[str]:
    size = len(text.encode("utf-8", "surrogatepass"))
    faults = [] if text else [EMPTY]
    if size > most:
        faults.append(f"must be no more than {most} bytes")
    return faults if pattern.fullmatch(text) else [*faults, shape]
