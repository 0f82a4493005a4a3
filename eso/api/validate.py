"""The rules between members that a schema cannot hold, with the texts that users see.

Neighbours: admission.review applies all of them. Rooms apply some again, since a webhook may be absent:
ExternalSecret `template_refusals`, PushSecret `data_to_refusals`. A rule sees one object, never the cluster; a provider
checks its own block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from eso.api.externalsecret import DataFrom, ExternalSecretSpec, Target, Template
from eso.api.pushsecret import PushSecretSpec
from eso.api.secretstore import SecretStore, SecretStoreSpec
from eso.api.wellknown import (
    ANNOTATION_SERVICE_ACCOUNT_NAME,
    SECRET_TYPE_BOOTSTRAP_TOKEN,
    SECRET_TYPE_SERVICE_ACCOUNT_TOKEN,
)
from eso.errors import Terminal
from eso.gocompat import regexp
from eso.gocompat.duration import DurationError

WRITES_WITHOUT_OWNING: Final = ("Merge", "None", "CreateOrMerge")
WRITES_WITHOUT_OWNING_BETA: Final = ("Merge", "None")
SECRET_PARTS: Final = ("", "data", "annotations", "labels")
INSTRUCTIONS: Final = 4  # that are compiled for a step
REGEX_STEPS: Final = 50_000
"""What compiling all regular expressions of one store may cost: a twentieth of a second."""

TOO_MANY: Final = f"all expressions together exceed {REGEX_STEPS} steps"


class InvalidStore(Terminal):
    """The store cannot work as it is written."""


def undecodable(spec: ExternalSecretSpec) -> str:
    """Why a typed client could not decode the object (its durations), "" if it could. The webhook answers 400 with this
    text."""
    try:
        _ = spec.refresh_interval_seconds
        for window in spec.sync_windows.windows if spec.sync_windows else ():
            _ = window.duration_seconds
    except DurationError as error:
        return str(error)
    return ""


def external_secret_refusals(spec: ExternalSecretSpec) -> list[str]:
    """All faults, in the order of the webhook's answer, which joins them by newlines. Empty if admitted."""
    return [
        *policy_refusals(spec.target, WRITES_WITHOUT_OWNING),
        *emptiness(spec),
        *template_refusals(spec),
        *(text for entry in spec.data_from for text in source_refusals(entry)),
        *duplicate_keys(spec),
    ]


def external_secret_refusals_beta(spec: ExternalSecretSpec) -> list[str]:
    """The same for `v1beta1`, which knew no CreateOrMerge and no other targets than Secrets."""
    return [
        *policy_refusals(spec.target, WRITES_WITHOUT_OWNING_BETA),
        *emptiness(spec),
        *([] if spec.target.template is None else privileges(spec.target.template)),
        *(text for entry in spec.data_from for text in source_refusals(entry)),
        *duplicate_keys(spec),
    ]


def emptiness(spec: ExternalSecretSpec) -> list[str]:
    return [] if spec.data or spec.data_from else ["either data or dataFrom should be specified"]


def policy_refusals(target: Target, writes_without_owning: tuple[str, ...]) -> Iterator[str]:
    # Orphan with Delete is admitted. It fails only when the backend proves that the secret is gone.
    if target.deletion_policy == "Delete" and target.creation_policy in writes_without_owning:
        yield (
            "deletionPolicy=Delete must not be used when the controller doesn't own the secret. "
            "Please set creationPolicy=Owner"
        )
    if target.deletion_policy == "Merge" and target.creation_policy == "None":
        yield "deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with"


def template_refusals(spec: ExternalSecretSpec) -> list[str]:
    """Faults of templates whose Secret would make the API server issue a credential, then of `templateFrom` targets
    that a Secret does not have."""
    template = spec.target.template
    if template is None:
        return []
    refusals = privileges(template)
    if makes_secret(spec.target):
        allowed = 'must be one of "Data", "Annotations" or "Labels"'
        refusals += [
            f'templateFrom target="{source.target}" is not allowed when targeting a Secret, {allowed}'
            for source in template.template_from
            if source.target.casefold() not in SECRET_PARTS
        ]
    return refusals


def privileges(template: Template) -> list[str]:
    """One text at most: the first fault hides the others."""
    shown = f'template.type="{template.type}"'
    if template.type == SECRET_TYPE_BOOTSTRAP_TOKEN:
        return [f"{shown} is not allowed"]
    if template.type != SECRET_TYPE_SERVICE_ACCOUNT_TOKEN:
        return []
    if ANNOTATION_SERVICE_ACCOUNT_NAME in template.metadata.annotations:
        return [f'{shown} with annotation "{ANNOTATION_SERVICE_ACCOUNT_NAME}" is not allowed']
    if any(source.target.casefold() == "annotations" for source in template.template_from):
        return [f'{shown} with templateFrom target="Annotations" is not allowed']
    return []


def makes_secret(target: Target) -> bool:
    return target.manifest is None or (target.manifest.api_version, target.manifest.kind) == ("v1", "Secret")


def source_refusals(entry: DataFrom) -> Iterator[str]:
    generator = entry.source_ref.generator_ref if entry.source_ref else None
    if sum(source is not None for source in (entry.find, entry.extract, generator)) > 1:
        yield "extract, find, or generatorRef cannot be set at the same time"
    if entry.find is None and entry.extract is None and entry.source_ref is None:
        yield "either extract, find, or sourceRef must be set to dataFrom"
    if entry.source_ref is not None and generator is None and entry.source_ref.store_ref is None:
        yield "generatorRef or storeRef must be set when using sourceRef in dataFrom"


def duplicate_keys(spec: ExternalSecretSpec) -> Iterator[str]:
    """One text per repetition. Under the other deletion policies the last entry wins, as in the reference."""
    if spec.target.deletion_policy != "Retain":
        return
    seen: set[str] = set()
    for entry in spec.data:
        if entry.secret_key in seen:
            yield f"duplicate secretKey found: {entry.secret_key}"
        seen.add(entry.secret_key)


def data_to_refusals(spec: PushSecretSpec) -> Iterator[str]:
    """What can be said of `dataTo` before anything is read."""
    named = {(ref.store_kind, ref.name) for ref in spec.secret_store_refs if ref.name}
    for i, rule in enumerate(spec.data_to):
        ref = rule.store_ref
        if ref is None:
            yield f"dataTo[{i}]: storeRef is required"
        elif not ref.name and ref.label_selector is None:
            yield f"dataTo[{i}]: storeRef must have name or labelSelector"
        elif ref.name and (ref.store_kind, ref.name) not in named:
            yield f'dataTo[{i}]: storeRef "{ref.name}" not found in secretStoreRefs'


def check_store(store: SecretStore) -> tuple[str, Mapping[str, Any]]:
    """The static stages between the expressions and the provider's own rules: interval, exactly one provider →
    (provider key, its block).

    Raises InvalidStore with the text of the first stage that fails.
    """
    try:
        _ = store.spec.refresh_interval_seconds
    except DurationError as error:
        raise InvalidStore(str(error), fix="write a Go duration such as 5m, or seconds") from error
    return provider_of(store)


def regex_faults(spec: SecretStoreSpec) -> list[str]:
    """A text for each expression that does not compile. The first one that REGEX_STEPS do not pay for is the last one
    that is looked at."""
    faults, left = [], REGEX_STEPS
    for c, condition in enumerate(spec.conditions):
        for r, pattern in enumerate(condition.namespace_regexes):
            left -= min(regexp.compiling(pattern.encode("utf-8", "surrogatepass")), regexp.MAX_COMPILING)
            fault, more = regex_fault(pattern) if left >= 0 else (TOO_MANY, 0)
            left -= more
            if fault:
                faults.append(f"failed to compile {r}th namespace regex in {c}th condition: {fault}")
            if fault is TOO_MANY:
                return faults
    return faults


def regex_fault(pattern: str) -> tuple[str, int]:
    """(fault, steps that it took beyond what the text alone tells): copies in copies make a large program of a few
    letters, and so does one that is refused for that."""
    try:
        return "", regexp.compile(pattern).size // INSTRUCTIONS
    except regexp.TooLarge as error:
        return str(error), regexp.MAX_PROGRAM // INSTRUCTIONS
    except regexp.RegexpError as error:
        return str(error), 0


def maintenance_warnings(store_name: str, *, maintained: bool) -> list[str]:
    """What admission says of a store whose provider nobody maintains."""
    text = f"store {store_name} isn't currently maintained. Please plan and prepare accordingly."
    return [] if maintained else [text]


def provider_of(store: SecretStore) -> tuple[str, Mapping[str, Any]]:
    """(provider key, its block). Raises InvalidStore unless there is exactly one."""
    if len(store.spec.provider) != 1:
        found = f"secret stores must only have exactly one backend specified, found {len(store.spec.provider)}"
        raise InvalidStore(f"store error for {store.name}: {found}", fix="keep one member of spec.provider")
    ((key, block),) = store.spec.provider.items()
    return key, block if isinstance(block, Mapping) else {}
