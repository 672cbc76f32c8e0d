from __future__ import annotations

import pytest

from tellsign.provenance.test_certificates import TestChain, make_test_chain
from tellsign.provenance.trust import TrustPolicy
from tellsign.types import TrustListFacts


@pytest.fixture(scope="session")
def chain() -> TestChain:
    return make_test_chain("Example Org")


@pytest.fixture(scope="session")
def trusting(chain: TestChain) -> TrustPolicy:
    """A policy under which `chain` is trusted."""
    return TrustPolicy(chain.root.strip(), TrustListFacts("test list", "2026-11-22", "0" * 64))
