"""The schemas of the queues that a ChangeSource may receive from.

Neighbours: changesource.py puts them into the schema of the kind, eso.notify has the code of each. Logins are written
as in the store of the same cloud.
"""

from __future__ import annotations

from typing import Final

from eso.api.crds.providers.parts import at_most_one, aws_auth, exactly_one, gcp_federation, gcp_workload_identity
from eso.api.crds.schema import Schema, choice, obj, ruled, secret_key, service_account, text

ENTRA: Final = ("authSecretRef", "authType", "identityId", "serviceAccountRef", "tenantId")


def sqs() -> Schema:
    return obj(
        "A queue of Amazon SQS, into which EventBridge or SNS delivers.",
        {
            "auth": ruled(aws_auth(), at_most_one("jwt", "secretRef")),
            "externalID": text("External id for assuming `role`.", maxLength=1224),
            "queueURL": text(
                "Address of the queue.",
                pattern=r"^https://[a-z0-9.-]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$",
                maxLength=256,
            ),
            "region": text("AWS region of the queue.", pattern="^[a-z0-9-]+$", minLength=1, maxLength=50),
            "role": text("Role ARN that is assumed to read the queue.", maxLength=2048),
        },
        required=("queueURL", "region"),
    )


def pubsub() -> Schema:
    auth = {
        "secretRef": obj("Key of a service account.", {"secretAccessKeySecretRef": secret_key("The key, in JSON.")}),
        "workloadIdentity": gcp_workload_identity(),
        "workloadIdentityFederation": gcp_federation(),
    }
    return obj(
        "A pull subscription of Google Pub/Sub.",
        {
            "auth": ruled(
                obj("How to log in; with the identity of the surroundings when absent.", auth), at_most_one(*auth)
            ),
            "subscription": text(
                "projects/<project>/subscriptions/<name>",
                pattern="^projects/[a-z0-9:.-]+/subscriptions/[A-Za-z][A-Za-z0-9._~+%-]+$",
                maxLength=512,
            ),
        },
        required=("subscription",),
    )


def servicebus() -> Schema:
    refs = {
        "clientCertificate": secret_key("Certificate and private key in PEM or PKCS#12."),
        "clientId": secret_key("Client id."),
        "clientSecret": secret_key("Client secret."),
        "tenantId": secret_key("Tenant, for WorkloadIdentity."),
    }
    types = ("ServicePrincipal", "ManagedIdentity", "WorkloadIdentity")
    clouds = ("PublicCloud", "USGovernmentCloud", "ChinaCloud", "GermanCloud")
    block = obj(
        "A queue, or a subscription of a topic, of Azure Service Bus, into which Event Grid delivers.",
        {
            "authSecretRef": obj("Credentials in Secrets.", refs),
            "authType": choice("How to log in to Entra ID; ServicePrincipal when absent.", *types),
            "environmentType": choice("The cloud.", *clouds, default="PublicCloud"),
            "host": text(
                "Host of the namespace, for example name.servicebus.windows.net.",
                pattern="^[a-z0-9.-]+$",
                minLength=1,
                maxLength=253,
            ),
            "identityId": text("Client id of a managed identity.", maxLength=253),
            "queue": text("Name of the queue.", minLength=1, maxLength=260),
            "sas": obj(
                "Shared access policy of the queue or the namespace, instead of Entra ID.",
                {
                    "keyName": text("Name of the policy.", minLength=1, maxLength=256),
                    "secretRef": secret_key("Key of the policy."),
                },
                required=("keyName", "secretRef"),
            ),
            "serviceAccountRef": service_account("ServiceAccount for WorkloadIdentity."),
            "subscription": text("Name of the topic's subscription.", minLength=1, maxLength=50),
            "tenantId": text("Tenant; ServicePrincipal needs it.", maxLength=253),
            "topic": text("Name of the topic.", minLength=1, maxLength=260),
        },
        required=("host",),
    )
    return ruled(
        block,
        exactly_one("queue", "topic"),
        ("has(self.topic) == has(self.subscription)", "topic and subscription go together"),
        (
            f"!has(self.sas) || !({' || '.join(f'has(self.{name})' for name in ENTRA)})",
            f"sas takes none of {', '.join(ENTRA)}",
        ),
    )
