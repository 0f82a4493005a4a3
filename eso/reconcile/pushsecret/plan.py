"""What goes where: the rules of a PushSecret and the data of one source → entries for one store.

Neighbours: keys.py converts keys, select.py tells which rules are for the store, push.py sends what `prepared` makes
of an entry. Everything is in sorted order, so that the same conflict is always told in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from eso import template
from eso.api.pushsecret import PushData, PushDataTo, PushMatch, PushRemoteRef, PushRewrite, PushSecretSpec
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.gocompat import regexp
from eso.gocompat.text import quote, runes, shown
from eso.providers.contract import Push, Remote, Source
from eso.reconcile.pushsecret.keys import KeysCollide, convert_key, converted
from eso.reconcile.pushsecret.select import size, targets
from eso.template import LIMITS, Limits
from eso.template.bounds import Budget
from eso.template.world import WORLD

BUNDLE = "(bundle)"
TARGET = 4096  # bytes of a rewrite's target
LONGEST = 1 << 20  # bytes that one substitution may give
PLAN = 50  # steps of any plan: there is one for each source and store
BUNDLED = 1 << 10  # bytes of a bundle that cost a step: each bundle is compared as a whole
CONVERTED = 16  # characters of converted keys that cost a step


class PlanFailed(EsoError):
    """The rules cannot be applied to this source."""


class KeyMissing(EsoError):
    """An entry names a key that the source does not have."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One entry. `data` is what the status records; `payload`: the values of a bundle, in the place of all values of
    the source."""

    data: PushData
    payload: Mapping[str, bytes] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        return entry_key(self.data)

    @property
    def remote(self) -> Remote:
        return remote_of(self.data)


def entry_key(data: PushData) -> str:
    """As in `status.syncedPushSecrets`."""
    ref = data.match.remote_ref
    return f"{ref.remote_key}/{ref.property}" if ref.property else ref.remote_key


def remote_of(data: PushData) -> Remote:
    metadata = data.metadata if isinstance(data.metadata, Mapping) else None
    return Remote(data.match.remote_ref.remote_key, data.match.remote_ref.property, metadata)


def planned(spec: PushSecretSpec, store: SecretStore, source: Source, limits: Limits = LIMITS) -> list[Planned]:
    """The entries for `store`, in the order in which they are sent. `limits` bound everything that is done for them in
    steps, and all rewrites together in seconds. Raises PlanFailed, BoundsExceeded."""
    with Budget(limits.together(WORLD), WORLD) as budget:
        budget.spend(PLAN + sum(selector_cost(rule) for rule in spec.data_to))
        rules = [rule for rule in spec.data_to if targets(rule, store)]
        names = Names(source.data, budget)
        try:
            bulk = expanded(rules, names, budget)
        except EsoError as error:
            raise PlanFailed(f"failed to expand dataTo: {error}", fix=error.fix) from error
        try:
            return merged(bulk, spec.data, names, budget)
        except EsoError as error:
            raise PlanFailed(f"failed to merge data entries: {error}", fix=error.fix) from error


def selector_cost(rule: PushDataTo) -> int:
    selector = rule.store_ref.label_selector if rule.store_ref is not None else None
    return 1 if selector is None else 1 + size(selector)


class Names:
    """The keys of one source as each conversion strategy names them; every strategy is applied once, whatever the
    number of rules and entries."""

    def __init__(self, data: Mapping[str, bytes], budget: Budget) -> None:
        self.data, self._budget = data, budget
        self._original: dict[str, dict[str, str]] = {}
        self._first: dict[str, dict[str, str]] = {}

    def original(self, strategy: str) -> dict[str, str]:
        """Converted name → name in the source, in the order of the converted names. Raises PlanFailed."""
        if strategy not in self._original:
            names: dict[str, str] = {}
            for key, name in self._pairs(strategy):
                if name in names:
                    raise PlanFailed(f"conversion failed: secret name collision during conversion: {shown(name)}")
                names[name] = key
            self._original[strategy] = dict(sorted(names.items()))
        return self._original[strategy]

    def first(self, strategy: str) -> dict[str, str]:
        """The same, where of several keys with one name the first in order counts."""
        if strategy not in self._first:
            names: dict[str, str] = {}
            for key, name in self._pairs(strategy):
                names.setdefault(name, key)
            self._first[strategy] = names
        return self._first[strategy]

    def _pairs(self, strategy: str) -> Iterator[tuple[str, str]]:
        self._budget.spend(len(self.data) + sum(map(len, self.data)) // CONVERTED)
        for key in sorted(self.data):
            yield key, convert_key(key, strategy)


class Whole:
    """A source as entries send it: converted once for each strategy, whatever the number of entries and stores.
    `digests`: by strategy, for who compares it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.digests: dict[str, bytes] = {}
        self._converted: dict[str, Source] = {}

    def sent_by(self, entry: Planned) -> Source:
        """Raises KeysCollide."""
        strategy = entry.data.conversion_strategy
        if entry.payload is not None:
            return replace(self.source, data=converted(entry.payload, strategy))
        if strategy not in self._converted:
            self._converted[strategy] = replace(self.source, data=converted(self.source.data, strategy))
        return self._converted[strategy]


def prepared(entry: Planned, source: Whole) -> tuple[Push, Source]:
    """What the provider is handed. Raises KeysCollide, KeyMissing."""
    match = entry.data.match
    try:
        whole = source.sent_by(entry)
    except KeysCollide as error:
        raise KeysCollide(f"could not apply conversion strategy to keys: {error}", fix=error.fix) from error
    if match.secret_key and match.secret_key not in whole.data:
        raise KeyMissing(
            f"secret key {match.secret_key} does not exist", fix="add the key to the source, or to template"
        )
    remote = entry.remote
    return Push(remote, match.secret_key, remote.metadata), whole


# --- dataTo


def expanded(rules: Sequence[PushDataTo], names: Names, budget: Budget) -> list[Planned]:
    """Raises an EsoError whose text begins with the rule's place in this list."""
    found: list[Planned] = []
    taken: dict[str, tuple[int, str]] = {}
    for i, rule in enumerate(rules):
        try:
            entries = list(expand(rule, names, budget))
        except EsoError as error:
            raise PlanFailed(f"dataTo[{i}]: {error}", fix=error.fix) from error
        for entry in entries:
            remote, name = entry.data.match.remote_ref.remote_key, entry.data.match.secret_key or BUNDLE
            if remote in taken:
                other, others_name = taken[remote]
                raise PlanFailed(
                    f"dataTo[{i}]: duplicate remote key {quote(remote)} from source key {quote(name)} "
                    f"(conflicts with dataTo[{other}]:{others_name})",
                    fix="let the rewrites give each key a name of its own",
                )
            taken[remote] = (i, name)
        found += entries
    return found


def expand(rule: PushDataTo, names: Names, budget: Budget) -> Iterator[Planned]:
    if rule.remote_key and rule.rewrite:
        raise PlanFailed(
            "remoteKey and rewrite are mutually exclusive: "
            "rewrite is only supported in per-key mode (without remoteKey)"
        )
    original = names.original(rule.conversion_strategy)
    budget.spend(1 + len(original) // 4)
    chosen = matching(list(original), rule.match.regexp, budget)
    if not chosen:
        return
    budget.spend(len(chosen))
    if rule.remote_key:
        match = PushMatch(remote_ref=PushRemoteRef(rule.remote_key))
        payload = {name: names.data[original[name]] for name in chosen}
        budget.spend(sum(map(len, payload.values())) // BUNDLED)
        yield Planned(PushData(match, rule.metadata), payload)
        return
    for name, remote in zip(chosen, renamed(chosen, rule.rewrite, budget), strict=True):
        if not remote:
            raise PlanFailed(f"empty remote key produced for source key {quote(original[name])}")
        yield Planned(PushData(PushMatch(original[name], PushRemoteRef(remote)), rule.metadata))


def matching(names: list[str], pattern: str, budget: Budget) -> list[str]:
    """Those in which the pattern is found anywhere; no pattern matches all."""
    if not pattern:
        return names
    try:
        budget.spend(regexp.compiling(pattern.encode()[: regexp.MAX_PATTERN]))
        expression = regexp.compile(pattern)
    except regexp.RegexpError as error:
        text = f"match failed: failed to compile regexp pattern {quote(pattern)}: {error}"
        raise PlanFailed(text, fix=error.fix or "write an RE2 expression") from error
    return [name for name in names if expression.matches(encoded(name), budget)]


def renamed(names: list[str], steps: Sequence[PushRewrite], budget: Budget) -> list[str]:
    """Each name after all steps, each of which sees what the one before gave. Raises PlanFailed."""
    now = [encoded(name) for name in names]
    for j, step in enumerate(steps):
        budget.spend(len(now))
        if step.regexp is not None:
            now = substituted(now, step.regexp.source, step.regexp.target.encode(), j, budget)
        elif step.transform is not None:
            now = [transformed(name, step.transform.template, j, budget) for name in now]
    return [runes(name) for name in now]


def substituted(names: list[bytes], pattern: str, target: bytes, j: int, budget: Budget) -> list[bytes]:
    try:
        budget.spend(regexp.compiling(pattern.encode()[: regexp.MAX_PATTERN]))
        expression = regexp.compile(pattern)
    except regexp.RegexpError as error:
        text = f"rewrite failed: rewrite[{j}]: invalid regexp {quote(pattern)}: {error}"
        raise PlanFailed(text, fix=error.fix or "write an RE2 expression") from error
    out = []
    for name in names:
        if len(target) > TARGET or len(name) * len(target) > LONGEST:  # each `$1` of the target may bring the whole key
            raise PlanFailed(f"rewrite failed: rewrite[{j}]: the key or the target is too long")
        out.append(expression.replace_all(name, target, budget))
        budget.check_size(len(out[-1]))
    return out


def transformed(name: bytes, text: str, j: int, budget: Budget) -> bytes:
    try:
        out = template.render(text, {"value": name}, name="transform", missing="default", limits=budget.limits)
    except template.TemplateError as error:
        step = (
            f"rewrite[{j}]: invalid template"
            if error.phase == "parse"
            else (f"rewrite[{j}] on key {quote(name)}: template exec")
        )
        raise PlanFailed(f"rewrite failed: {step}: {error}") from error
    budget.check_size(len(out))
    return out


# --- together with data


def merged(bulk: Sequence[Planned], explicit: Sequence[PushData], names: Names, budget: Budget) -> list[Planned]:
    """What dataTo gives, then the explicit entries. A key with an explicit entry goes only where that says; an explicit
    whole Secret takes the place of every bundle. Raises PlanFailed."""
    budget.spend(len(explicit) + len(bulk))
    named = {original_key(entry, names) for entry in explicit}
    found = [entry for entry in bulk if entry.data.match.secret_key not in named]
    found += [Planned(entry) for entry in explicit]
    taken: dict[tuple[str, str], str] = {}
    for one in found:
        ref, secret_key = one.data.match.remote_ref, one.data.match.secret_key
        place = (ref.remote_key, ref.property)
        if place in taken:
            part = f" with property {quote(ref.property)}" if ref.property else ""
            raise PlanFailed(
                f"duplicate remote key {quote(ref.remote_key)}{part}: source keys {quote(taken[place])} and "
                f"{quote(secret_key)} both map to the same destination",
                fix="give each entry a remote key of its own",
            )
        taken[place] = secret_key
    return found


def original_key(entry: PushData, names: Names) -> str:
    """The key of the source that the entry reads."""
    wanted, strategy = entry.match.secret_key, entry.conversion_strategy
    return names.first(strategy).get(wanted, wanted) if strategy == "ReverseUnicode" else wanted


def encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
