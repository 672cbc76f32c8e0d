from __future__ import annotations

import dataclasses
import hashlib
import pickle
import re
from importlib.resources import files
from pathlib import Path

import pytest

from tellsign.errors import ArtifactError, UsageError
from tellsign.provenance import trust
from tellsign.provenance.test_certificates import TestChain, make_test_chain
from tellsign.provenance.trust import DEFAULT, INTEGRITY_ONLY, UNDATED, TrustPolicy
from tellsign.types import TrustListFacts


def test_the_built_in_list_is_empty_dated_and_says_so() -> None:
    assert DEFAULT.empty
    assert DEFAULT.checked
    assert DEFAULT.facts is not None
    assert "empty" in DEFAULT.facts.name
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", DEFAULT.facts.date)
    data = files("tellsign.provenance").joinpath("trust_list.pem").read_bytes()
    assert DEFAULT.facts.sha256 == hashlib.sha256(data).hexdigest()


def test_a_changed_built_in_list_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("trust_list.pem", "trust_list.toml"):
        data = files("tellsign.provenance").joinpath(name).read_bytes()
        (tmp_path / name).write_bytes(data)
    changed = tmp_path / "trust_list.pem"
    changed.write_bytes(changed.read_bytes() + b"\n")
    monkeypatch.setattr(trust, "files", lambda package: tmp_path)
    with pytest.raises(ArtifactError, match="sha256"):
        trust._built_in()


def test_policies_are_frozen_and_pickle() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT.anchors_pem = "x"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(DEFAULT)) == DEFAULT


def test_the_digest_depends_on_anchors_and_facts() -> None:
    facts = TrustListFacts("a", "2026-01-01", "0")
    policies = [
        DEFAULT,
        INTEGRITY_ONLY,
        TrustPolicy("", facts),
        TrustPolicy("x", facts),
        TrustPolicy("", dataclasses.replace(facts, date="2026-01-02")),
    ]
    digests = [p.digest for p in policies]
    assert len(set(digests)) == len(digests)
    assert digests[2] == TrustPolicy("", TrustListFacts("a", "2026-01-01", "0")).digest
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", d) for d in digests)


def test_a_list_keeps_certificates_only(tmp_path: Path, chain: TestChain) -> None:
    path = tmp_path / "mine.pem"
    path.write_text("# a comment with a PEM-like -----BEGIN line\n" + chain.root + "\n# end\n")
    policy = trust.load(path)
    assert policy.anchors_pem == chain.root.strip()
    assert policy.facts is not None
    assert (policy.facts.name, policy.facts.date) == ("mine.pem", UNDATED)
    assert policy.facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_name_and_date_come_from_the_toml_file_beside_it(tmp_path: Path, chain: TestChain) -> None:
    path = tmp_path / "mine.pem"
    path.write_text(chain.root)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = tmp_path / "mine.toml"
    beside.write_text(f'name = "Newsroom"\ndate = "2026-10-01"\nsha256 = "{digest}"\n')
    facts = trust.load(path).facts
    assert facts == TrustListFacts("Newsroom", "2026-10-01", digest)
    beside.write_text('name = "Newsroom"\ndate = "2026-10-01"\nsha256 = "00"\n')
    with pytest.raises(UsageError, match="sha256"):
        trust.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no PEM certificate"),
        ("no certificate here", "no PEM certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "certificate 1 cannot be read",
        ),
    ],
)
def test_an_unusable_list_is_a_usage_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "list.pem"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        trust.load(path)


def test_a_missing_list_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file|No such file"):
        trust.load(tmp_path / "absent.pem")


def test_test_chains_call_themselves_tests() -> None:
    from cryptography import x509

    made = make_test_chain("Somebody", "ed25519")
    leaf, root = x509.load_pem_x509_certificates(made.certificates.encode())
    assert all("FOR TESTING ONLY" in c.subject.rfc4514_string() for c in (leaf, root))
    leaf.verify_directly_issued_by(root)
