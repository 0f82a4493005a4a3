"""The numbered cases of PushSecret and ClusterPushSecret: which there are, and which wait for what is not built yet.

Neighbours: test_push_gate.py holds the tests to it; sections.py has the cases of the other kinds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Cases P-`first` to P-`last`. `waits_for`: why there need not be a test, "" when there must be one."""

    title: str
    first: int
    last: int
    waits_for: str = ""

    @property
    def cases(self) -> range:
        return range(self.first, self.last + 1)


PARTS = (
    Part("Schema and admission", 1, 7),
    Part("Basic synchronisation", 10, 20),
    Part("Sources", 30, 39),
    Part("Store problems", 40, 50),
    Part("Update policy", 55, 59),
    Part("Refresh and triggers", 60, 67),
    Part("Deletion policy", 70, 85),
    Part("Store finalizer", 90, 96),
    Part("Template and conversion", 100, 108),
    Part("dataTo", 110, 138),
    Part("Vault", 150, 157),
    Part("AWS Secrets Manager", 160, 169),
    Part("AWS Parameter Store", 170, 172),
    Part("GCP Secret Manager", 175, 179),
    Part("Azure Key Vault", 180, 183),
    Part("Kubernetes", 185, 188),
    Part("Fake", 190, 190),
    Part("Webhook, Doppler, 1Password Connect", 191, 193),
    Part("1Password SDK", 194, 194),
    Part("Akeyless", 195, 195),
    Part("ClusterPushSecret", 200, 213),
)


def name(case: int) -> str:
    """`P-042`."""
    return f"P-{case:03d}"
