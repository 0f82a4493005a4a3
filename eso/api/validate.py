"""The rules between members that a schema cannot hold, with the texts that users see.

Neighbours: the ExternalSecret room applies `template_refusals`, since a webhook may be absent. The other rules wait for
the admission webhook and have no caller until then: `undecodable`, `external_secret_refusals`, `check_store`. A rule
sees one object, never the cluster; a provider checks its own block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eso.api.externalsecret import DataFrom, ExternalSecretSpec, Target
from eso.api.secretstore import SecretStore, SecretStoreSpec
from eso.api.wellknown import (
    ANNOTATION_SERVICE_ACCOUNT_NAME,
    SECRET_TYPE_BOOTSTRAP_TOKEN,
    SECRET_TYPE_SERVICE_ACCOUNT_TOKEN,
)
from eso.errors import Terminal
from eso.gocompat import regexp
from eso.gocompat.duration import DurationError

WRITES_WITHOUT_OWNING = ("Merge", "None", "CreateOrMerge")
SECRET_PARTS = ("", "data", "annotations", "labels")


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
        *policy_refusals(spec.target),
        *([] if spec.data or spec.data_from else ["either data or dataFrom should be specified"]),
        *template_refusals(spec),
        *(text for entry in spec.data_from for text in source_refusals(entry)),
        *duplicate_keys(spec),
    ]


def policy_refusals(target: Target) -> Iterator[str]:
    # Orphan with Delete is admitted. It fails only when the backend proves that the secret is gone.
    if target.deletion_policy == "Delete" and target.creation_policy in WRITES_WITHOUT_OWNING:
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
    targets = [source.target for source in template.template_from]
    refusals = []
    if template.type == SECRET_TYPE_SERVICE_ACCOUNT_TOKEN:
        shown = f'template.type="{template.type}"'
        if ANNOTATION_SERVICE_ACCOUNT_NAME in template.metadata.annotations:
            refusals.append(f'{shown} with annotation "{ANNOTATION_SERVICE_ACCOUNT_NAME}" is not allowed')
        elif any(target.casefold() == "annotations" for target in targets):
            refusals.append(f'{shown} with templateFrom target="Annotations" is not allowed')
    elif template.type == SECRET_TYPE_BOOTSTRAP_TOKEN:
        refusals.append(f'template.type="{template.type}" is not allowed')
    if makes_secret(spec.target):
        allowed = 'must be one of "Data", "Annotations" or "Labels"'
        refusals += [
            f'templateFrom target="{t}" is not allowed when targeting a Secret, {allowed}'
            for t in targets
            if t.casefold() not in SECRET_PARTS
        ]
    return refusals


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


def check_store(store: SecretStore) -> tuple[str, Mapping[str, Any]]:
    """The static stages before the provider's own: regexes, interval, exactly one provider → (provider key, its block).

    Raises InvalidStore with the text of the first stage that fails.
    """
    if faults := regex_faults(store.spec):
        raise InvalidStore("\n".join(faults), fix="change spec.conditions[].namespaceRegexes")
    try:
        _ = store.spec.refresh_interval_seconds
    except DurationError as error:
        raise InvalidStore(str(error), fix="write a Go duration such as 5m, or seconds") from error
    return provider_of(store)


def regex_faults(spec: SecretStoreSpec) -> list[str]:
    return [
        f"failed to compile {r}th namespace regex in {c}th condition: {fault}"
        for c, condition in enumerate(spec.conditions)
        for r, pattern in enumerate(condition.namespace_regexes)
        if (fault := regex_fault(pattern))
    ]


def regex_fault(pattern: str) -> str:
    try:
        regexp.compile(pattern)
    except regexp.RegexpError as error:
        return str(error)
    return ""


def provider_of(store: SecretStore) -> tuple[str, Mapping[str, Any]]:
    """(provider key, its block). Raises InvalidStore unless there is exactly one."""
    if len(store.spec.provider) != 1:
        found = f"secret stores must only have exactly one backend specified, found {len(store.spec.provider)}"
        raise InvalidStore(f"store error for {store.name}: {found}", fix="keep one member of spec.provider")
    ((key, block),) = store.spec.provider.items()
    return key, block if isinstance(block, Mapping) else {}
