"""What depends on what: token → keys of the objects that depend on it.

Neighbours: the triggers of a room ask which of its objects an event concerns; events of these objects feed it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

Token = tuple[str, str, str]  # kind, namespace, name of something that others depend on
K = TypeVar("K", bound=tuple[str, ...])


class ReverseIndex(Generic[K]):
    """Each key is listed once per token. The first part of a key is its namespace or, in an index of several kinds, its
    kind."""

    def __init__(self) -> None:
        self._tokens: dict[K, frozenset[Token]] = {}
        self._keys: defaultdict[Token, set[K]] = defaultdict(set)

    def put(self, key: K, tokens: Iterable[Token]) -> None:
        """`key` depends on exactly these tokens from now on."""
        new, old = frozenset(tokens), self._tokens.get(key, frozenset())
        for token in old - new:
            self._discard(token, key)
        for token in new - old:
            self._keys[token].add(key)
        if new:
            self._tokens[key] = new
        else:
            self._tokens.pop(key, None)

    def drop(self, key: K) -> None:
        self.put(key, ())

    def keys(self, token: Token, within: str = "") -> tuple[K, ...]:
        """In order. `within`: only keys whose first part it is."""
        found = self._keys.get(token, ())
        return tuple(sorted(key for key in found if key[0] == within) if within else sorted(found))

    def __contains__(self, token: Token) -> bool:
        return token in self._keys

    def _discard(self, token: Token, key: K) -> None:
        self._keys[token].discard(key)
        if not self._keys[token]:
            del self._keys[token]
