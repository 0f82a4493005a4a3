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
    prefix, slash, name = key.rpartition("/")
    well_formed = NAME.fullmatch(name) and len(name) <= NAME_BYTES and "/" not in prefix
    if not well_formed or (slash and not (PREFIX.fullmatch(prefix) and len(prefix) <= PREFIX_BYTES)):
        raise InvalidSelector(
            f'key: Invalid value: "{key}": a qualified name is at most 63 letters, digits, "-", "_" or ".", '
            "with an optional DNS prefix"
        )


def check_value(key: str, value: str) -> None:
    if value and not (NAME.fullmatch(value) and len(value) <= NAME_BYTES):
        raise InvalidSelector(
            f'values[0][{key}]: Invalid value: "{value}": a label value is at most 63 letters, digits, "-", "_" or "."'
        )
