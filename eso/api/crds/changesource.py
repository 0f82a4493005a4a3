"""The schema of ChangeSource.

Neighbours: eso.api.changesource has the records; kinds.py wraps the schema.
"""

from __future__ import annotations

from eso.api.changesource import (
    LONGEST_KEY,
    LONGEST_VERSION,
    MEMBERS,
    MOST_KEYS,
    MOST_PENDING,
    MOST_STORES,
    SENDERS,
    SHORTEST_INTERVAL,
)
from eso.api.crds.changequeues import pubsub, servicebus, sqs
from eso.api.crds.providers.parts import exactly_one
from eso.api.crds.schema import (
    Schema,
    array,
    boolean,
    choice,
    described,
    integer,
    key,
    name,
    obj,
    one_of,
    ruled,
    string_map,
    text,
    time,
)


def secret_key_ref(description: str = "") -> Schema:
    return obj(description, {"key": key(), "name": name()}, required=("key", "name"))


def shared_secret(description: str) -> Schema:
    refs = array("Values that are accepted; any of them will do.", secret_key_ref(), minItems=1, maxItems=MOST_KEYS)
    return obj(description, {"secretRefs": refs}, required=("secretRefs",))


def jwt() -> Schema:
    jwks = one_of(
        "The keys that tokens are signed with; exactly one member.",
        {
            "secretRef": secret_key_ref("A JWKS in a Secret of this namespace."),
            "url": text("Where the issuer publishes its JWKS.", pattern="^https://", maxLength=2048),
        },
    )
    parts = {
        "audience": text("Must be among the token's audiences.", minLength=1, maxLength=1024),
        "claims": string_map("Claims that the token must have with these very values.", maxProperties=16),
        "issuer": text("Issuer of the token.", minLength=1, maxLength=1024),
        "jwks": jwks,
    }
    return ruled(
        obj("A token in the Authorization header.", parts, required=("audience", "claims", "issuer", "jwks")),
        (
            f"self.claims.exists(name, name in {list(SENDERS)} && self.claims[name] != '')",
            "an issuer signs tokens for many senders, with any audience: claims must name this one, by sub, email,"
            f" repository or another of {', '.join(SENDERS)}",
        ),
        (
            "!self.issuer.endsWith('accounts.google.com') || 'email' in self.claims || 'sub' in self.claims",
            "Google signs tokens for every customer: claims must name the email or sub of the sender",
        ),
    )


def auth() -> Schema:
    topics = array("Topics whose messages are accepted.", text(maxLength=512), minItems=1, maxItems=16)
    return one_of(
        "How an event proves where it comes from; exactly one member.",
        {
            "bearer": shared_secret("A token in the Authorization header."),
            "doppler": shared_secret("Signing secret of a Doppler webhook."),
            "github": shared_secret("Secret of a GitHub webhook."),
            "gitlab": shared_secret("Signing token or secret token of a GitLab webhook."),
            "hmac": shared_secret("HMAC-SHA256 over id, time and body, as Standard Webhooks has it."),
            "infisical": shared_secret("Secret key of an Infisical webhook."),
            "jwt": jwt(),
            "sns": obj("Messages of Amazon SNS, by their signature.", {"topicArns": topics}, required=("topicArns",)),
        },
    )


def change_source_spec() -> Schema:
    ref = obj(
        "",
        {
            "kind": choice("Kind of the store; SecretStore when absent.", "SecretStore", "ClusterSecretStore"),
            "name": name("Name of the store."),
        },
        required=("name",),
    )
    body = obj(
        "Whose secrets change, and how that is heard: exactly one of webhook, poll, sqs, pubsub and servicebus.",
        {
            "debounce": text("Wait this long for more events of a key, as a Go duration.", default="0s"),
            "poll": poll(),
            "pubsub": pubsub(),
            "servicebus": servicebus(),
            "sqs": sqs(),
            "storeRefs": array("Stores whose secrets the events name.", ref, minItems=1, maxItems=MOST_STORES),
            "webhook": obj(
                "Events are sent to POST /v1/changes/<namespace>/<name>.", {"auth": auth()}, required=("auth",)
            ),
        },
        required=("storeRefs",),
    )
    return ruled(body, exactly_one(*MEMBERS))


def poll() -> Schema:
    shortest = f"{SHORTEST_INTERVAL:.0f}s"
    parts = {"interval": text("Time between two probes, as a Go duration.", default="5m", maxLength=32)}
    return ruled(
        obj("The operator asks the stores which versions their secrets have; no value is read.", parts),
        (
            f"!has(self.interval) || duration(self.interval) >= duration('{shortest}')",
            f"interval must be a duration of at least {shortest}",
        ),
    )


def change_source_status() -> Schema:
    condition = {
        "lastTransitionTime": time("When `status` last changed."),
        "message": text(),
        "observedGeneration": integer("Generation of the spec that this is about."),
        "reason": text(),
        "status": text("True, False or Unknown."),
        "type": text(),
    }
    change = {
        "key": text("Name in the backend.", maxLength=LONGEST_KEY),
        "prefix": boolean("All names below the key have changed."),
        "time": time("When the event came in."),
        "version": text("Version that the event named.", maxLength=LONGEST_VERSION),
    }
    rejected = described("Events that were refused, by cause.", {"type": "object", "additionalProperties": integer()})
    return obj(
        "What was heard.",
        {
            "accepted": integer("Events that were accepted."),
            "conditions": array("Whether events are accepted.", obj("", condition, required=("status", "type"))),
            "lagMilliseconds": integer("From the last event to the last write that it led to."),
            "lastAccepted": time("When an event was last accepted."),
            "lastEvent": time("When anything last came in that was signed well."),
            "pending": array("Changes that some object has not taken in yet.", obj("", change), maxItems=MOST_PENDING),
            "rejected": rejected,
            "seen": array("Digests of the versions that a poll has found.", text(maxLength=64), maxItems=64),
            "source": text("Member of the spec that is at work."),
        },
    )
