"""What a generator is: an object that describes values in, fresh values out, and a clean-up of what they left behind.

Neighbours: front.py calls it, each module of `kinds` implements it, registry.py names them. A generator never caches,
and never reads the cluster on its own: it asks the CredentialReader, which is bound to the consumer's namespace and
ignores every other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from eso.errors import EsoError
from eso.providers.contract import CredentialReader, StoreView
from eso.providers.env import Env

Json = Mapping[str, Any]
NO_SPEC: Final = "no config spec provided"


@dataclass(frozen=True, slots=True)
class Generated:
    """`state`: what `clean_up` needs to take the values back (JSON); None when there is nothing to take back. Neither
    prints."""

    values: Mapping[str, bytes] = field(repr=False)
    state: Any = field(default=None, repr=False)


class Generator(Protocol):
    """One kind. Safe for calls that run side by side. `resource` is the object as JSON: apiVersion, kind, metadata and
    spec."""

    kind: ClassVar[str]

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        """Fresh values. Raises EsoError with the reference's text; SecretNotFound only where the backend proved that
        there is nothing."""

    async def clean_up(self, resource: Json, state: Any, credentials: CredentialReader, env: Env) -> None:
        """Takes the values back; what is gone already is a success. Stateless kinds do nothing."""


class Stateless:
    """A generator that leaves nothing behind."""

    async def clean_up(self, resource: Json, state: Any, credentials: CredentialReader, env: Env) -> None:
        return None


class GeneratorFailed(EsoError):
    """The generator made no values; the text is what the Event shows."""


def spec_of(resource: Json) -> Json:
    """The spec. Raises GeneratorFailed for an object without one, or with one of another form."""
    if not resource:
        raise GeneratorFailed(NO_SPEC)
    spec = resource.get("spec")
    if spec is None:
        return {}
    if not isinstance(spec, Mapping):
        raise GeneratorFailed("unable to parse spec: spec is no object")
    return spec


def view_of(resource: Json, namespace: str, provider: str, block: Json) -> StoreView:
    """The resource as a provider's login sees a store. Its kind is SecretStore, so that namespaces in selectors are
    ignored."""
    meta = resource.get("metadata") or {}
    retries = spec_of(resource).get("retrySettings")
    return StoreView("SecretStore", str(meta.get("name") or ""), namespace, provider, block, retry_settings=retries)
