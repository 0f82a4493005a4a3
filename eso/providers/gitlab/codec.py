"""Variables of GitLab as values, and which of several counts.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eso.errors import EsoError
from eso.providers.contract import Find, InvalidConfig, Malformed, prefixed
from eso.providers.gitlab.spec import ANY
from eso.providers.kit.http import Reply, list_of, object_of, text_in
from eso.providers.kit.property import as_given
from eso.values.jsonmap import NotAMap, to_map


@dataclass(frozen=True, slots=True)
class Variable:
    """`scope`: the environments that it is for, as GitLab writes them. Never prints its value; a hidden one has
    none."""

    key: str
    scope: str
    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


def variable_of(body: bytes) -> Variable:
    return variable_in(object_of(body))


def variable_in(entry: Mapping[str, Any]) -> Variable:
    value, scope = entry.get("value"), entry.get("environment_scope")
    if not isinstance(value, str | None) or not isinstance(scope, str | None):
        raise Malformed("the server's reply has a variable that is no text")
    return Variable(text_in(entry, "key"), scope or "*", (value or "").encode("utf-8", "surrogatepass"))


def variables_of(body: bytes) -> tuple[Variable, ...]:
    return tuple(variable_in(entry) for entry in objects(list_of(body)))


def groups_of(body: bytes) -> tuple[str, ...]:
    """Ids of the groups above a project, the root first."""
    found = [(len(text_in(entry, "full_path")), number_in(entry)) for entry in objects(list_of(body))]
    return tuple(number for _, number in sorted(found, key=lambda one: one[0]))


def number_in(entry: Mapping[str, Any]) -> str:
    found = entry.get("id")
    if isinstance(found, bool) or not isinstance(found, int):
        raise Malformed("the server's reply has no number in id")
    return str(found)


def objects(entries: Sequence[Any]) -> Sequence[dict[str, Any]]:
    if not all(isinstance(entry, dict) for entry in entries):
        raise Malformed("the server's reply is not of the form it promises")
    return entries


def following(reply: Reply, page: int) -> int | None:
    """The page after `page`. GitLab leaves totals out where there are many, and tells the next page all the same."""
    told = reply.headers.get("X-Next-Page")
    if told is not None:
        return page + 1 if told.strip() == str(page + 1) else None
    return page + 1 if 'rel="next"' in reply.headers.get("Link", "") else None


# one variable


def name_of(key: str) -> str:
    """GitLab's names have no hyphens."""
    return key.replace("-", "_")


def value(variable: Variable, key: str, path: str) -> bytes:
    """The value, or what `path` names in it. Raises EsoError."""
    if not path:
        if not variable.data:
            raise EsoError(
                f"invalid secret received. no secret string for key: {key}",
                fix="the variable is empty, or hidden: GitLab gives the value of a hidden one to jobs only",
            )
        return variable.data
    found = as_given(variable.data, path)
    if found is None:
        raise EsoError(f"key {path} does not exist in secret {key}")
    return found


def mapping(document: bytes) -> dict[str, bytes]:
    """The members of the JSON object that the value is; each is a text. Raises Malformed."""
    failed = "unable to unmarshal secret from JSON: "
    try:
        return to_map(document, "string")
    except NotAMap as error:
        raise Malformed(f"{failed}{error}", fix="is the value a JSON object of texts?") from error
    except EsoError as error:
        raise prefixed(failed, error) from error


def picked(variables: Iterable[Variable], key: str, environment: str, *, complete: bool) -> Variable | None:
    """The variable that GitLab would answer with for `key`, as far as a list tells: None where only GitLab can say.
    `complete`: nothing is missing from the list."""
    same = [variable for variable in variables if variable.key == key]
    exact = [variable for variable in same if variable.scope == environment]
    if environment and exact:
        return exact[0]
    if not complete:
        return None
    if environment:
        wild = [variable for variable in same if variable.scope == "*"]
        return wild[0] if wild else None
    return same[0] if len(same) == 1 else None


# a search


def environment_of(find: Find, own: str) -> str:
    """The environment that a search is for. Raises InvalidConfig in the words of the reference."""
    environment = own
    if find.tags is not None:
        for name, wanted in find.tags:
            if name != "environment_scope":
                raise InvalidConfig("'find.tags' only supports 'environment_scope'")
            if own not in ANY and wanted not in ANY:
                raise InvalidConfig("'find.tags' is constrained by 'environment_scope' of the store")
            environment = wanted
    if find.path is not None:
        raise InvalidConfig("'find.path' is not implemented in the GitLab provider")
    if find.name_regexp is None:
        raise InvalidConfig("'find.name' is mandatory", fix="set find.name.regexp")
    return environment


def chosen(
    groups: Sequence[Sequence[Variable]],
    project: Sequence[Variable],
    environment: str,
    names: frozenset[str],
) -> dict[str, bytes]:
    """What a search finds. A later group wins over an earlier one, the project over all; a variable for every
    environment wins over none of a group, and over none of its own project that is for one."""

    def wanted(variable: Variable) -> bool:
        fits = variable.scope in ANY or environment in ANY or variable.scope == environment
        return fits and variable.key in names

    found: dict[str, bytes] = {}
    for variables in groups:
        for variable in variables:
            if wanted(variable) and not (variable.scope in ANY and variable.key in found):
                found[variable.key] = variable.data
    own: dict[str, Variable] = {}
    for variable in project:
        known = own.get(variable.key)
        if wanted(variable) and not (known is not None and variable.scope in ANY and known.scope not in ANY):
            own[variable.key] = variable
    return found | {key: variable.data for key, variable in own.items()}
