"""Compares our template engine with Go's on random templates, and keeps what differs, made small.

    python -m tests.oracle.run --cases 20000 --seed 7
    python -m tests.oracle.run --keep      # found differences are added to vectors.json, with Go's answer

Neighbours: generate.py makes the cases, oracle.py answers and judges, shrink.py makes them small; test_differential.py
does it with a pinned seed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.generate import Case, case
from tests.oracle.oracle import Answer, Oracle, difference, encoded, ours, texts
from tests.oracle.shrink import shrunk
from tests.oracle.signatures import FAILS, FOCUS, GROWN, SET_ASIDE, UNSTABLE

VECTORS = Path(__file__).parent / "vectors.json"
BATCH = 500
CASES = 20_000
LEAST_EACH = 50
"""Agreeing successes that each function needs in a run of CASES; fewer cases need proportionally fewer, less what
chance does to a part."""
LEAST_SHARE = 0.70
"""Of all cases, how many must render without an error on both sides."""
MOST_SHRUNK = 10
LONGEST_SHOWN = 800


@dataclass(frozen=True, slots=True)
class Found:
    """A difference, already small."""

    number: int
    kind: str
    case: Case
    theirs: Answer
    mine: Answer

    def lines(self) -> Iterable[str]:
        yield f"case {self.number}, {self.kind} differs (about {self.case.focus})"
        yield f"  template  {shown(self.case.tree.source())}"
        yield from (f"  data      {key} = {shown(value)}" for key, value in self.case.data.items())
        yield f"  Go        {told(self.theirs)}"
        yield f"  ours      {told(self.mine)}"


def shown(text: bytes) -> str:
    told = json.dumps(text[:LONGEST_SHOWN].decode("utf-8", "backslashreplace"), ensure_ascii=False)
    return told if len(text) <= LONGEST_SHOWN else f"{told} … {len(text)} bytes"


def told(answer: Answer) -> str:
    return shown(answer.out) if answer.out is not None else f"{answer.phase} error: {answer.error}"


@dataclass
class Tally:
    """What a run counted. `positions`: errors whose text agrees and whose place in the line does not."""

    seed: int
    cases: int = 0
    successes: int = 0
    errors: int = 0
    positions: int = 0
    set_aside: int = 0
    seconds: float = 0.0
    agreed: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)
    more: int = 0

    @property
    def share(self) -> float:
        return self.successes / self.cases if self.cases else 0.0

    @property
    def least(self) -> int:
        """Successes that each function needs in a run of this size: three standard deviations below the share, which
        vanish for a whole run."""
        share = min(self.cases / CASES, 1.0)
        return max(math.floor(LEAST_EACH * share - 3 * math.sqrt(LEAST_EACH * share * (1 - share))), 0)

    def too_rare(self) -> dict[str, int]:
        return {name: self.agreed[name] for name in sorted(FOCUS) if self.agreed[name] < self.least}

    def complaints(self) -> list[str]:
        told = [line for each in self.found for line in each.lines()]
        if self.more:
            told.append(f"{self.more} more cases differ")
        if self.share < LEAST_SHARE:
            told.append(f"only {self.share:.0%} of the cases render; {LEAST_SHARE:.0%} should")
        told += [f"{name}: {count} successful cases, {self.least} wanted" for name, count in self.too_rare().items()]
        return told


def words(asked: Case) -> set[str]:
    """Every name in the template, the functions it calls among them."""
    return set(re.findall(r"[A-Za-z_]\w*", asked.tree.source().decode("utf-8", "replace")))


def run(
    oracle: Oracle,
    seed: int,
    cases: int,
    *,
    seconds: float = math.inf,
    say: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Up to `cases` cases, or until `seconds` have passed; whole rounds over the functions count alike."""
    tally = Tally(seed)
    started = time.monotonic()
    with ThreadPoolExecutor(1) as asker:
        numbers = range(0, cases, BATCH)
        made = [case(seed, number) for number in range(min(BATCH, cases))]
        pending = asker.submit(oracle.answers, [each.question for each in made])
        for at in numbers:
            if time.monotonic() - started > seconds:
                pending.result()
                break
            # Go works on this batch while ours does; the next one leaves before anything is compared.
            mine = [ours(each.question) for each in made]
            theirs = pending.result()
            batch, made = made, [case(seed, number) for number in range(at + BATCH, min(at + 2 * BATCH, cases))]
            pending = asker.submit(oracle.answers, [each.question for each in made])
            suspects = count(tally, batch, theirs, mine, at)
            if suspects:
                pending.result()
                judge(tally, oracle, suspects)
                pending = asker.submit(oracle.answers, [each.question for each in made])
            tally.seconds = time.monotonic() - started
            say(tally)
    return tally


def count(
    tally: Tally, batch: Sequence[Case], theirs: Sequence[Answer], mine: Sequence[Answer], at: int
) -> list[tuple[int, Case, str]]:
    """Counts a batch; gives back the cases that differ."""
    suspects = []
    for number, (each, their, my) in enumerate(zip(batch, theirs, mine, strict=True), at):
        tally.cases += 1
        kind = difference(their, my)
        if kind and kind != "node":
            suspects.append((number, each, kind))
            continue
        tally.positions += kind == "node"
        tally.successes += their.out is not None
        tally.errors += their.out is None
        tally.agreed[each.focus] += (their.out is None) == (each.focus in FAILS)
    return suspects


def judge(tally: Tally, oracle: Oracle, suspects: Iterable[tuple[int, Case, str]]) -> None:
    """Asks again what differed; what is settled and differs is shrunk and kept."""
    for number, each, kind in suspects:
        if deliberate(each) or (UNSTABLE & words(each) and wavers(oracle, each)):
            tally.set_aside += 1
        elif len(tally.found) >= MOST_SHRUNK:
            tally.more += 1
        else:
            small = shrunk(each, lambda other, kind=kind: still_differs(oracle, other, kind))  # type: ignore[misc]
            tally.found.append(Found(number, kind, small, oracle.answer(small.question), ours(small.question)))


def deliberate(each: Case) -> bool:
    """Whether a difference here is one that we want."""
    calls = words(each)
    return (
        any(together <= calls for together in SET_ASIDE)
        or controls_in_yaml(each, calls)
        or odd_tags_or_keys_in_yaml(each, calls)
        or behind_the_end(each, calls)
    )


_CONTROLS = re.compile("[\\x7f-\\x9f\\u2028\\u2029\\ufeff\\ufffe\\uffff]|u00[789]|u202[89]|ufeff|x7f|177")


def controls_in_yaml(each: Case, calls: set[str]) -> bool:
    """For a text with DEL or the like Go's toYaml gives nothing at all; ours escapes it. Behind a last U+2028 libyaml
    writes an indent, Go does not, and behind a byte order mark Go escapes everything."""
    texts = (each.tree.source(), *each.data.values())
    return "toYaml" in calls and any(_CONTROLS.search(text.decode("utf-8", "replace")) for text in texts)


_ODD_TAG = re.compile(r"!\S*[\[\]{},]")


def odd_tags_or_keys_in_yaml(each: Case, calls: set[str]) -> bool:
    """A bracket or comma in a tag ends it with an error in libyaml; Go takes it for a part of the tag. Go also quotes a
    key that cannot be one."""
    if re.search(b"(?:invalid|unsupported) map key", ours(each.question).out or b""):
        return True
    return "fromYaml" in calls and any(
        _ODD_TAG.search(text.decode("utf-8", "replace")) for text in (each.tree.source(), *each.data.values())
    )


def behind_the_end(each: Case, calls: set[str]) -> bool:
    """A slice beyond the end shows in Go what its memory happens to hold behind a list that was cut or has grown; ours
    is an error."""
    if "slice index out of bounds" not in ours(each.question).error:
        return False
    return bool(GROWN & calls) or len(re.findall(rb"\b(?:slice|mustSlice)\b", each.tree.source())) > 1


def still_differs(oracle: Oracle, smaller: Case, kind: str) -> bool:
    """Whether a smaller case differs in the same way, each time it is asked: a cut must not turn it into one that Go's
    map order decides."""
    if difference(oracle.answer(smaller.question), ours(smaller.question)) != kind:
        return False
    return not UNSTABLE & words(smaller) or all(
        difference(oracle.answer(smaller.question), ours(smaller.question)) == kind for _ in range(8)
    )


def wavers(oracle: Oracle, each: Case) -> bool:
    """Whether either side gives another answer a little later: then the clock or chance is in it."""
    before = oracle.answer(each.question), ours(each.question)
    time.sleep(1.1)
    return any(before != (oracle.answer(each.question), ours(each.question)) for _ in range(8))


# --- vectors


def vector(found: Found) -> dict[str, object]:
    """What vectors.json keeps: texts as base 64, because they may hold any byte."""
    source = found.case.tree.source()
    made: dict[str, object] = {
        "id": f"{found.case.focus}: {source.decode('utf-8', 'replace')[:60]}",
        "template": encoded(source),
        "data": texts(found.case.data),
    }
    if found.theirs.out is not None:
        return made | {"out": encoded(found.theirs.out)}
    return made | {"error": found.theirs.error, "phase": found.theirs.phase}


def keep(found: Iterable[Found]) -> int:
    """Adds vectors for differences that are not there yet; how many."""
    known = json.loads(VECTORS.read_text()) if VECTORS.exists() else []
    templates = {(each["template"], json.dumps(each["data"])) for each in known}
    new = [made for made in map(vector, found) if (made["template"], json.dumps(made["data"])) not in templates]
    VECTORS.write_text("[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in known + new) + "\n]\n")
    return len(new)


# --- command line


def progress(total: int) -> Callable[[Tally], None]:
    def say(tally: Tally) -> None:
        print(
            f"\r{tally.cases:>6} of {total} cases, {tally.share:.0%} render, {len(tally.found) + tally.more} differ,"
            f" {tally.seconds:.0f} s",
            end="",
            file=sys.stderr,
            flush=True,
        )

    return say


def table(tally: Tally) -> str:
    rows = [
        ("seed", tally.seed),
        ("cases", tally.cases),
        ("rendered, equal", f"{tally.successes} ({tally.share:.1%})"),
        ("failed, equal", tally.errors),
        ("… at another place in the line", tally.positions),
        ("set aside", tally.set_aside),
        ("different", len(tally.found) + tally.more),
        ("seconds", f"{tally.seconds:.1f}"),
        ("functions", len(FOCUS)),
        (
            "least successes of a function",
            "{1} ({0})".format(*min(((name, tally.agreed[name]) for name in FOCUS), key=lambda pair: pair[1])),
        ),
    ]
    return "\n".join(f"{name:<34}{value}" for name, value in rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.oracle.run", description="Random templates, rendered by Go and by us."
    )
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument(
        "--seed", type=int, default=None, help="the same seed gives the same cases (default: a new one)"
    )
    parser.add_argument("--keep", action="store_true", help="add what differs to vectors.json")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    print(f"seed {seed}", file=sys.stderr)
    with Oracle() as oracle:
        tally = run(oracle, seed, asked.cases, say=progress(asked.cases))
    print(file=sys.stderr)
    if asked.output == "json":
        numbers = {
            name: getattr(tally, name)
            for name in ("seed", "cases", "successes", "errors", "positions", "set_aside", "seconds")
        }
        print(
            json.dumps(
                numbers
                | {
                    "different": [vector(each) for each in tally.found],
                    "more": tally.more,
                    "functions": {name: tally.agreed[name] for name in sorted(FOCUS)},
                }
            )
        )
    else:
        print(table(tally))
        print("\n".join(tally.complaints()))
    if asked.keep:
        print(f"{keep(tally.found)} new vectors", file=sys.stderr)
    return 1 if tally.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())
