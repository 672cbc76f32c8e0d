from __future__ import annotations

import hashlib
import io
import json
import random
import socket
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from provenance_pictures import encoded, opened, plain

from tellsign import provenance
from tellsign.errors import InputError, UnsupportedFormat, UsageError
from tellsign.media.media import Media
from tellsign.provenance import INTEGRITY_ONLY, TrustPolicy, c2pa
from tellsign.provenance.c2pa import Manifest, _settings, offline, read_manifest
from tellsign.provenance.sign import SOURCE_TYPES, sign
from tellsign.provenance.test_certificates import Algorithm, TestChain, make_test_chain
from tellsign.provenance.trust import DEFAULT
from tellsign.types import Provenance, ProvenanceState, StatusCode

GENERATED = SOURCE_TYPES["trainedAlgorithmicMedia"]


def signed(chain: TestChain, data: bytes, **options: object) -> bytes:
    key, certificates = chain.key.encode(), chain.certificates.encode()
    return sign(opened(data, "photo"), key, certificates, **options)  # type: ignore[arg-type]


def read(data: bytes, trust: TrustPolicy = DEFAULT) -> Provenance:
    return provenance.read(opened(data), trust)


def codes(claims: Provenance, kind: str = "failure") -> list[str]:
    return [s.code for s in claims.status if s.kind == kind]


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return encoded(plain(), "JPEG", quality=90)


@pytest.fixture(scope="module")
def signed_jpeg(chain: TestChain, jpeg: bytes) -> bytes:
    return signed(chain, jpeg, source_type="digitalCapture")


def test_a_file_without_a_manifest_is_absent(jpeg: bytes) -> None:
    claims = read(jpeg)
    assert claims.state is ProvenanceState.ABSENT
    assert (claims.status, claims.signer, claims.reason, claims.claims) == ((), None, None, ())
    assert claims.trust_list == DEFAULT.facts


def test_signed_and_intact_is_valid_but_not_trusted(chain: TestChain, signed_jpeg: bytes) -> None:
    claims = read(signed_jpeg)
    assert claims.state is ProvenanceState.VALID
    assert codes(claims) == ["signingCredential.untrusted"]
    assert "assertion.dataHash.match" in codes(claims, "success")
    assert claims.signer is not None
    assert claims.signer.name == "Example Org (Test signer)"
    assert claims.signer.certificate_sha256 == fingerprint(chain)
    assert claims.actions == ("c2pa.created",)
    assert claims.digital_source_type == SOURCE_TYPES["digitalCapture"]
    assert claims.claims == ()


def fingerprint(chain: TestChain) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    leaf = x509.load_pem_x509_certificates(chain.certificates.encode())[0]
    return hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()


def test_under_its_anchors_it_is_trusted(signed_jpeg: bytes, trusting: TrustPolicy) -> None:
    claims = read(signed_jpeg, trusting)
    assert claims.state is ProvenanceState.TRUSTED
    assert codes(claims) == []
    assert "signingCredential.trusted" in codes(claims, "success")
    assert claims.trust_list == trusting.facts


def test_without_trust_only_integrity_is_checked(signed_jpeg: bytes) -> None:
    claims = read(signed_jpeg, INTEGRITY_ONLY)
    assert claims.state is ProvenanceState.VALID
    assert claims.trust_list is None
    assert "signingCredential.untrusted" not in codes(claims)


def test_another_root_of_the_same_name_is_not_trusted(signed_jpeg: bytes) -> None:
    other = make_test_chain("Example Org")
    assert DEFAULT.facts is not None
    claims = read(signed_jpeg, TrustPolicy(other.root.strip(), DEFAULT.facts))
    assert claims.state is ProvenanceState.VALID


def test_one_changed_byte_of_the_picture_is_invalid(
    signed_jpeg: bytes, trusting: TrustPolicy
) -> None:
    changed = bytearray(signed_jpeg)
    changed[-200] ^= 1
    claims = read(bytes(changed), trusting)
    assert claims.state is ProvenanceState.INVALID
    assert "assertion.dataHash.mismatch" in codes(claims)


def test_a_changed_assertion_is_invalid(signed_jpeg: bytes, trusting: TrustPolicy) -> None:
    changed = signed_jpeg.replace(b"/digitalCapture", b"/digitalCreatio", 1)
    assert changed != signed_jpeg
    claims = read(changed, trusting)
    assert claims.state is ProvenanceState.INVALID
    assert "assertion.hashedURI.mismatch" in codes(claims)


def test_saving_again_removes_it(signed_jpeg: bytes) -> None:
    target = io.BytesIO()
    Image.open(io.BytesIO(signed_jpeg)).save(target, "JPEG")
    assert read(target.getvalue()).state is ProvenanceState.ABSENT


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_every_format_makes_the_round_trip(
    form: str, chain: TestChain, trusting: TrustPolicy
) -> None:
    data = signed(chain, encoded(plain(64, 80), form), source_type="trainedAlgorithmicMedia")
    claims = read(data, trusting)
    assert claims.state is ProvenanceState.TRUSTED
    assert claims.digital_source_type == GENERATED
    assert [c.where for c in claims.claims] == ["c2pa:digitalSourceType"]
    assert claims.generator is None  # the type names no generator


@pytest.mark.parametrize("algorithm", ["es256", "es384", "es512", "ps256", "ed25519"])
def test_every_algorithm_signs(algorithm: Algorithm, jpeg: bytes) -> None:
    made = make_test_chain("Example Org", algorithm)
    assert DEFAULT.facts is not None
    claims = read(signed(made, jpeg), TrustPolicy(made.root.strip(), DEFAULT.facts))
    assert claims.state is ProvenanceState.TRUSTED


def test_without_a_source_type_the_picture_is_its_own_parent(
    chain: TestChain, signed_jpeg: bytes
) -> None:
    claims = read(signed(chain, signed_jpeg))
    assert claims.state is ProvenanceState.VALID
    assert claims.actions[0] == "c2pa.opened"
    assert len(claims.ingredients) == 1
    assert claims.digital_source_type == SOURCE_TYPES["digitalCapture"]  # of the parent


def test_status_codes_of_ingredients_follow_those_of_the_active_manifest(
    chain: TestChain, signed_jpeg: bytes
) -> None:
    claims = read(signed(chain, signed_jpeg))
    active = claims.status[0].url
    assert active is not None
    label = active.split("/")[2]
    own = [label in (s.url or "") for s in claims.status]
    assert own.index(False) > 5
    kinds = [s.kind for s in claims.status[: own.index(False)]]
    assert kinds == sorted(kinds, key=["success", "informational", "failure"].index)


def test_a_manifest_of_the_users_own(chain: TestChain, jpeg: bytes) -> None:
    action = {
        "action": "c2pa.created",
        "digitalSourceType": GENERATED,
        "softwareAgent": {"name": "GPT-4o"},
        "when": "2026-11-02T10:14:00+01:00",
    }
    definition = {
        "claim_generator_info": [{"name": "ChatGPT"}],
        "title": "a title",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    claims = read(signed(chain, jpeg, manifest=definition))
    assert claims.state is ProvenanceState.VALID
    assert claims.generator is not None
    assert claims.generator.name == "ChatGPT / GPT image (OpenAI)"
    assert {c.where for c in claims.claims} == {
        "c2pa:softwareAgent",
        "c2pa:claim_generator",
        "c2pa:digitalSourceType",
    }
    assert claims.signer is not None
    assert claims.signer.signed == "2026-11-02T09:14:00Z"


def test_what_cannot_be_signed_is_refused(chain: TestChain, jpeg: bytes) -> None:
    other = make_test_chain("Somebody else")
    key, certificates = chain.key.encode(), chain.certificates.encode()
    media = opened(jpeg)
    with pytest.raises(UsageError, match="does not belong"):
        sign(media, other.key.encode(), certificates)
    with pytest.raises(UsageError, match="not a PEM private key"):
        sign(media, b"nonsense", certificates)
    with pytest.raises(UsageError, match="not a PEM chain"):
        sign(media, key, b"nonsense")
    with pytest.raises(UsageError, match="unknown source type"):
        sign(media, key, certificates, source_type="photo")
    with pytest.raises(UsageError, match="not a list"):
        sign(media, key, certificates, manifest={"assertions": {}})
    actions = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": []}}]}
    with pytest.raises(UsageError, match="actions of its own"):
        sign(media, key, certificates, manifest=actions, source_type="print")
    with pytest.raises(UnsupportedFormat, match="bmp"):
        sign(opened(encoded(plain(), "BMP")), key, certificates)


def test_an_encrypted_key_is_refused(chain: TestChain, jpeg: bytes) -> None:
    from cryptography.hazmat.primitives import serialization as s

    private = s.load_pem_private_key(chain.key.encode(), None)
    locked = private.private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")
    )
    with pytest.raises(UsageError, match="encrypted"):
        sign(opened(jpeg), locked, chain.certificates.encode())


# --- hostile manifests ---------------------------------------------------------------------------


def test_a_store_that_cannot_be_parsed_is_invalid_with_a_reason(signed_jpeg: bytes) -> None:
    at = signed_jpeg.index(b"jumdc2cl")  # the description box of the claim
    broken = signed_jpeg[:at] + b"junk" + signed_jpeg[at + 4 :]
    claims = read(broken)
    assert claims.state is ProvenanceState.INVALID
    assert claims.reason is not None
    assert "cannot be read" in claims.reason
    assert claims.status == ()


def test_random_damage_never_raises_and_is_never_trusted_without_reason(
    signed_jpeg: bytes, trusting: TrustPolicy
) -> None:
    rng = random.Random(20261122)
    store = range(signed_jpeg.index(b"jumb") - 16, signed_jpeg.index(b"\xff\xdb"))
    began = time.monotonic()
    seen = set()
    for _ in range(300):
        data = bytearray(signed_jpeg)
        for _ in range(rng.choice((1, 1, 3, 9))):
            at = rng.choice(store)
            data[at : at + rng.choice((0, 1, 4))] = rng.randbytes(rng.choice((1, 4)))
        try:
            media = opened(bytes(data))
        except InputError:
            continue
        found = read_manifest(media, trusting)
        seen.add(found.state)
        if found.state is ProvenanceState.INVALID:
            assert found.reason or any(s.kind == "failure" for s in found.status)
    assert ProvenanceState.INVALID in seen
    assert time.monotonic() - began < 60


def test_strings_and_lists_of_a_manifest_are_bounded(chain: TestChain, jpeg: bytes) -> None:
    actions = [{"action": "c2pa.edited", "description": "x"} for _ in range(3000)]
    actions.insert(0, {"action": "c2pa.created", "digitalSourceType": GENERATED})
    definition = {
        "title": "t" * 100_000,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    claims = read(signed(chain, jpeg, manifest=definition))
    assert len(claims.actions) <= 1000
    assert all(len(s.url or "") <= 1000 for s in claims.status)


def test_a_deep_chain_of_ingredients_takes_linear_time(chain: TestChain) -> None:
    data = encoded(plain(32, 32), "JPEG")
    began = time.monotonic()
    for _ in range(12):
        data = signed(chain, data)
    claims = read(data)
    assert claims.state is ProvenanceState.VALID
    assert time.monotonic() - began < 20


# --- the network ---------------------------------------------------------------------------------


def test_every_way_to_the_network_is_closed() -> None:
    for trust in (DEFAULT, INTEGRITY_ONLY):
        for settings in (_settings(trust, identities=True), offline()):
            assert settings["verify"]["remote_manifest_fetch"] is False
            assert settings["verify"]["ocsp_fetch"] is False
            assert settings["core"]["allowed_network_hosts"] == []


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        (["signingCredential.untrusted", "cawg.ica.did_unavailable"], ProvenanceState.VALID),
        (["cawg.ica.did_unavailable", "cawg.ica.signature_mismatch"], ProvenanceState.INVALID),
        (["cawg.ica.did_unavailable", "assertion.dataHash.mismatch"], ProvenanceState.INVALID),
    ],
)
def test_an_identity_not_looked_up_leaves_the_integrity_as_it_is(
    monkeypatch: pytest.MonkeyPatch, jpeg: bytes, codes: list[str], state: ProvenanceState
) -> None:
    status = tuple(StatusCode(code, "failure", None) for code in codes)

    def stated(media: Media, trust: TrustPolicy, *, identities: bool) -> Manifest:
        found = ProvenanceState.INVALID if identities else ProvenanceState.VALID
        return Manifest(found, status if identities else ())

    monkeypatch.setattr(c2pa, "_read", stated)
    manifest = read_manifest(opened(jpeg), DEFAULT)
    assert manifest.state is state
    assert manifest.status == status
    assert (manifest.reason is not None) == (state is ProvenanceState.VALID)


def test_a_store_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch, signed_jpeg: bytes) -> None:
    monkeypatch.setattr(c2pa, "_LARGEST_STORE", 1000)
    claims = read(signed_jpeg)
    assert claims.state is ProvenanceState.INVALID
    assert claims.reason is not None
    assert "were not read" in claims.reason


def test_a_remote_manifest_is_stated_and_not_fetched(jpeg: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    asked = threading.Event()

    def serve() -> None:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        asked.set()
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
    claims = read(with_xmp(jpeg, f'dcterms:provenance="{url}"'))
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)
    assert not asked.is_set()
    assert claims.state is ProvenanceState.ABSENT
    assert claims.reason is not None
    assert url in claims.reason
    assert "not fetched" in claims.reason


def with_xmp(jpeg: bytes, attributes: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f"{attributes}/></rdf:RDF></x:xmpmeta>"
    )
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet.encode()
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def test_iptc_source_type_and_credit_in_xmp(jpeg: bytes) -> None:
    attributes = (
        f'Iptc4xmpExt:DigitalSourceType="{GENERATED}" photoshop:Credit="Made with Google AI"'
    )
    claims = read(with_xmp(jpeg, attributes))
    assert claims.state is ProvenanceState.ABSENT
    assert claims.digital_source_type == GENERATED
    assert claims.generator is not None
    assert claims.generator.name == "Google generative AI"
    assert len(claims.claims) == 2


# --- public test files ---------------------------------------------------------------------------

PUBLIC = "c2pa/c2pa_public_testfiles/image/jpeg"


def expected(name: str) -> ProvenanceState:
    """What the name says: E-* and X* are broken; A and I are plain; C... carry a claim.

    An E within the name is an ingredient that was broken when it was added, and recorded as such.
    """
    if name.startswith(("E-", "X")):
        return ProvenanceState.INVALID
    return ProvenanceState.VALID if name.startswith("C") else ProvenanceState.ABSENT


def test_public_test_files_are_what_their_names_say(core: Path) -> None:
    paths = sorted((core / PUBLIC).glob("adobe-20220124-*.jpg"))
    assert len(paths) >= 15
    found = {p.stem: read(p.read_bytes()).state for p in paths}
    assert found == {p.stem: expected(p.stem.removeprefix("adobe-20220124-")) for p in paths}


def test_public_test_files_agree_with_their_published_reports(core: Path) -> None:
    """The reports are of 2022; codes were renamed since, so only their presence is compared."""
    reports = sorted((core / PUBLIC / "manifests").glob("*/manifest_store.json"))
    assert len(reports) >= 12
    for path in reports:
        stated = json.loads(path.read_text())
        claims = read((core / PUBLIC / f"{path.parent.name}.jpg").read_bytes())
        broken = bool(stated.get("validation_status"))
        assert (claims.state is ProvenanceState.INVALID) == broken, path.parent.name
        active = stated["manifests"][stated["active_manifest"]]
        assert list(claims.ingredients) == [i["title"] for i in active["ingredients"]]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("CA.jpg", ProvenanceState.VALID),
        ("CIE-sig-CA.jpg", ProvenanceState.VALID),
        ("boxhash.jpg", ProvenanceState.VALID),
        ("XCA.jpg", ProvenanceState.INVALID),
        ("E-sig-CA.jpg", ProvenanceState.INVALID),
        ("prerelease.jpg", ProvenanceState.INVALID),
        ("no_manifest.jpg", ProvenanceState.ABSENT),
        ("cloud.jpg", ProvenanceState.ABSENT),
    ],
)
def test_fixtures_of_the_library(core: Path, name: str, state: ProvenanceState) -> None:
    path = core / "c2pa/c2pa_rs_fixtures/sdk/tests/fixtures" / name
    claims = read(path.read_bytes())
    assert claims.state is state
    assert (claims.reason is not None) == (name in ("prerelease.jpg", "cloud.jpg"))
