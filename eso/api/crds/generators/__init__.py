"""The kinds of generators: one module for each has the schema of its spec.

Neighbours: kinds.py makes CustomResourceDefinitions of them; ClusterGenerator and GeneratorState, which are no
generators themselves, are here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eso.api.crds.generators import (
    acr,
    beyondtrust,
    cloudsmith,
    ecr,
    fake,
    gcr,
    github,
    gitlab,
    grafana,
    mfa,
    password,
    quay,
    sshkey,
    sts,
    uuid,
    vault,
    webhook,
)
from eso.api.crds.schema import Schema, anything, array, choice, obj, one_of, text, time


@dataclass(frozen=True, slots=True)
class Generator:
    """`member` is the name of its spec inside a ClusterGenerator."""

    kind: str
    member: str
    spec: Callable[[], Schema]

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"


# in the order of the enums of the reference
GENERATORS: Final = (
    Generator("ACRAccessToken", "acrAccessTokenSpec", acr.schema),
    Generator(
        "BeyondtrustWorkloadCredentialsDynamicSecret",
        "beyondtrustWorkloadCredentialsDynamicSecretSpec",
        beyondtrust.schema,
    ),
    Generator("CloudsmithAccessToken", "cloudsmithAccessTokenSpec", cloudsmith.schema),
    Generator("ECRAuthorizationToken", "ecrAuthorizationTokenSpec", ecr.schema),
    Generator("Fake", "fakeSpec", fake.schema),
    Generator("GCRAccessToken", "gcrAccessTokenSpec", gcr.schema),
    Generator("GithubAccessToken", "githubAccessTokenSpec", github.schema),
    Generator("GitlabDeployToken", "gitlabDeployTokenSpec", gitlab.schema),
    Generator("QuayAccessToken", "quayAccessTokenSpec", quay.schema),
    Generator("Password", "passwordSpec", password.schema),
    Generator("SSHKey", "sshKeySpec", sshkey.schema),
    Generator("STSSessionToken", "stsSessionTokenSpec", sts.schema),
    Generator("UUID", "uuidSpec", uuid.schema),
    Generator("VaultDynamicSecret", "vaultDynamicSecretSpec", vault.schema),
    Generator("Webhook", "webhookSpec", webhook.schema),
    Generator("Grafana", "grafanaSpec", grafana.schema),
    Generator("MFA", "mfaSpec", mfa.schema),
)


def cluster_generator_spec() -> Schema:
    specs = {generator.member: generator.spec() for generator in GENERATORS}
    parts = {
        "generator": one_of("Spec of the generator; exactly one member.", dict(sorted(specs.items()))),
        "kind": choice("Kind of the generator.", *(generator.kind for generator in GENERATORS)),
    }
    return obj("A generator for all namespaces.", parts, required=tuple(parts))


def generator_state_spec() -> Schema:
    parts = {
        "garbageCollectionDeadline": time("When the state is cleaned up; not before it is set."),
        "resource": anything("The generator as it was when it made the state."),
        "state": anything("What the generator needs to clean up."),
    }
    return obj("What a generator left behind in a backend.", parts, required=("resource", "state"))


def generator_state_status() -> Schema:
    condition = {
        "lastTransitionTime": time("When `status` last changed."),
        "message": text(),
        "reason": text(),
        "status": text("True, False or Unknown."),
        "type": text(),
    }
    conditions = array("Whether the state is waiting or cleaned up.", obj("", condition, required=("status", "type")))
    return obj("What was found and done.", {"conditions": conditions})
