"""Inputs for the fuzzers: grammars, and texts that were good once.

Neighbours: the test modules of this folder. A broken text is a seed with a few edits, so that it gets past the first
check of a parser.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

import eso.template.evaluate  # noqa: F401  # it raises the recursion limit, which must not happen inside of a test

Bytes = st.SearchStrategy[bytes]


def broken(seeds: Sequence[bytes], most: int = 6) -> Bytes:
    """One of the seeds after a few edits: bytes flipped, cut out, doubled, put in, exchanged with another seed's."""
    place = st.integers(0, max(map(len, seeds)))
    edit = st.one_of(
        st.tuples(st.just("flip"), place, st.integers(1, 255)),
        st.tuples(st.just("cut"), place, st.integers(1, 64)),
        st.tuples(st.just("double"), place, st.integers(1, 64)),
        st.tuples(st.just("put"), place, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("graft"), place, st.sampled_from(seeds)),
    )
    return st.builds(edited, st.sampled_from(seeds), st.lists(edit, max_size=most))


def edited(text: bytes, edits: Sequence[tuple[str, int, int | bytes]]) -> bytes:
    for kind, place, what in edits:
        at = min(place, len(text))
        match kind, what:
            case "flip", int(mask) if at < len(text):
                text = text[:at] + bytes([text[at] ^ mask]) + text[at + 1 :]
            case "cut", int(count):
                text = text[:at] + text[at + count :]
            case "double", int(count):
                text = text[: at + count] + text[at:]
            case "put", bytes(more):
                text = text[:at] + more + text[at:]
            case "graft", bytes(other):
                text = text[:at] + other[at:]
    return text


names = st.sampled_from(["a", "b", "data", "keys", "é", "", "a.b", "*", "#", "\\", '"', "0", "-1", "@this"]) | st.text(
    max_size=4
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
