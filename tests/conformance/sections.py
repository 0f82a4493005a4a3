"""The numbered cases: which there are, and which are still open.

Neighbours: test_gate.py holds the tests to it, README.md shows it. A case that gets built leaves OPEN here and the
table there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """Cases C-`first` to C-`last`; `home` is where most of them are tested."""

    letter: str
    title: str
    first: int
    last: int
    home: str

    @property
    def cases(self) -> range:
        return range(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class Open:
    """Cases that cannot be tested yet, and what they wait for."""

    first: int
    last: int
    waits_for: str

    @property
    def cases(self) -> range:
        return range(self.first, self.last + 1)


SECTIONS = (
    Section("A", "CRD contract", 1, 19, "tests/integration/test_crds.py"),
    Section("B", "Basic synchronisation and status", 20, 39, "test_b_basic.py"),
    Section("C", "Refresh policy and interval", 40, 63, "test_c_refresh.py"),
    Section("D", "Sync windows", 64, 75, "test_d_windows.py"),
    Section("E", "Creation policies", 76, 96, "test_e_creation.py"),
    Section("F", "Ownership, conflicts, renames", 97, 107, "test_f_ownership.py"),
    Section("G", "Deletion policy and missing provider data", 108, 121, "test_g_deletion.py"),
    Section("H", "Immutable target", 122, 126, "test_h_immutable.py"),
    Section("I", "Metadata and managed fields", 127, 135, "test_i_metadata.py"),
    Section("J", "Templates", 136, 150, "test_j_templates.py"),
    Section("K", "dataFrom, rewrite, conversion, decoding", 151, 182, "test_k_datafrom.py"),
    Section("L", "Generators", 183, 193, "test_generators.py"),
    Section("M", "Store selection, classes, conditions, flood gate", 194, 213, "test_m_stores.py"),
    Section("N", "Generic targets", 214, 235, "test_n_generic.py"),
    Section("O", "Triggers, queueing", 236, 243, "test_o_triggers.py"),
    Section("P", "SecretStore and ClusterSecretStore", 244, 260, "test_p_stores.py"),
    Section("Q", "ClusterExternalSecret", 261, 284, "test_q_clusterexternalsecret.py"),
    Section("R", "Webhook: ExternalSecret", 285, 301, "tests/unit/admission/test_review.py"),
    Section("S", "Webhook: stores", 302, 309, "tests/unit/admission/test_review.py"),
    Section("T", "Metrics", 310, 313, "test_t_metrics.py"),
)

OPEN: tuple[Open, ...] = ()


def name(case: int) -> str:
    """`C-042`."""
    return f"C-{case:03d}"


def wanted() -> set[int]:
    """Every case that must have a test."""
    return {case for section in SECTIONS for case in section.cases} - {case for part in OPEN for case in part.cases}
