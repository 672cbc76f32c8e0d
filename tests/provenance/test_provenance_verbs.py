from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from provenance_pictures import encoded, plain, png

from tellsign.cli.main import cli
from tellsign.errors import TellsignError
from tellsign.provenance.test_certificates import TestChain

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    return lambda *arguments, **options: CliRunner().invoke(cli, [*map(str, arguments)], **options)


@pytest.fixture
def folder(tmp_path: Path, chain: TestChain) -> Path:
    (tmp_path / "key.pem").write_text(chain.key)
    (tmp_path / "certs.pem").write_text(chain.certificates)
    (tmp_path / "root.pem").write_text(chain.root)
    (tmp_path / "photo.jpg").write_bytes(encoded(plain(), "JPEG"))
    return tmp_path


@pytest.fixture
def signed(folder: Path, run: Run) -> Path:
    done = run(
        *("sign", folder / "photo.jpg", "--key", folder / "key.pem"),
        *("--certs", folder / "certs.pem", "--output", folder / "signed.jpg"),
        *("--source-type", "digitalCapture"),
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    return folder / "signed.jpg"


def show(run: Run, *arguments: object) -> dict[str, object]:
    done = run("provenance", "--json", *arguments)
    assert done.exit_code == 0
    content: dict[str, object] = json.loads(done.stdout)
    return content


def test_sign_then_provenance(run: Run, signed: Path) -> None:
    shown = run("provenance", signed)
    assert shown.exit_code == 0
    assert "valid" in shown.stdout
    assert "Example Org" in shown.stdout
    assert "is not on the trust list" in shown.stdout
    assert "signingCredential.untrusted" in shown.stdout
    for word in ("authentic", "genuine", "fake", "real "):
        assert word not in shown.stdout.lower()


def test_trust_no_trust_and_certificates(run: Run, signed: Path, folder: Path) -> None:
    states = {
        options: show(run, signed, *options)["provenance"]["state"]  # type: ignore[index]
        for options in ((), ("--trust", folder / "root.pem"), ("--no-trust",))
    }
    assert list(states.values()) == ["valid", "trusted", "valid"]
    shown = show(run, signed, "--certs")
    leaf = (folder / "certs.pem").read_text().split("-----END")[0]
    chain = shown["certificates"]
    assert isinstance(chain, list)
    assert chain[0].split("-----END")[0] == leaf
    assert "-----BEGIN CERTIFICATE-----" in run("provenance", signed, "--certs").stdout


def test_an_unsigned_file_is_said_to_prove_nothing(run: Run, folder: Path) -> None:
    shown = run("provenance", folder / "photo.jpg")
    assert shown.exit_code == 0
    assert "No C2PA manifest in the file. Most files have none" in shown.stdout


def test_a_tampered_file_is_invalid_with_exit_code_0(run: Run, signed: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-100] ^= 4
    signed.write_bytes(data)
    shown = run("provenance", signed)
    assert shown.exit_code == 0
    assert "assertion.dataHash.mismatch" in shown.stdout


def test_json_has_every_key_of_the_report_and_the_verbs_own(run: Run, folder: Path) -> None:
    shown = show(run, folder / "photo.jpg")
    assert shown["schema"] == "tellsign.provenance/1"
    assert set(shown) == {"schema", "tool", "source", "provenance"}
    claims = shown["provenance"]
    assert isinstance(claims, dict)
    report = {"state", "status", "signer", "trust_list", "digital_source_type", "generator"}
    assert set(claims) == report | {"reason", "ingredients", "actions", "claims"}


def test_standard_input(run: Run, folder: Path) -> None:
    data = (folder / "photo.jpg").read_bytes()
    shown = run("provenance", "--json", "-", input=data)
    assert json.loads(shown.stdout)["source"]["size"] == len(data)


def test_an_unreadable_source_leaves_the_others_and_gives_3(run: Run, folder: Path) -> None:
    (folder / "not.jpg").write_text("not a picture")
    shown = run("provenance", "--json", folder / "absent", folder / "not.jpg", folder / "photo.jpg")
    assert shown.exit_code == 3
    assert len(shown.stdout.splitlines()) == 1
    assert shown.stderr.count("tellsign: ") == 2
    assert "Traceback" not in shown.output


def test_hostile_strings_are_shown_clean(run: Run, tmp_path: Path) -> None:
    hostile = "\x1b[31m<script>[bold]\u202e Steps: 20, Sampler: x, Seed: 1 \x07"
    path = tmp_path / "hostile.png"
    path.write_bytes(png(plain(64, 64), parameters=hostile))
    for options in ((), ("--json",)):
        shown = run("provenance", path, *options)
        assert shown.exit_code == 0
        assert "Steps: 20" in shown.stdout
        assert "[bold]" in shown.stdout
        assert not {"\x1b", "\x07", "\u202e"} & set(shown.stdout)


def failure(run: Run, *arguments: object) -> TellsignError:
    error = run(*arguments).exception
    assert isinstance(error, TellsignError)
    return error


def test_wrong_usage_of_provenance(run: Run, folder: Path) -> None:
    photo = folder / "photo.jpg"
    both = failure(run, "provenance", photo, "--trust", folder / "root.pem", "--no-trust")
    assert both.exit_code == 2
    assert failure(run, "provenance", photo, "--trust", folder / "none.pem").exit_code == 2
    assert run("provenance").exit_code == 2


def test_wrong_usage_of_sign(run: Run, folder: Path) -> None:
    photo = folder / "photo.jpg"
    keys = ("--key", folder / "key.pem", "--certs", folder / "certs.pem")
    before = photo.read_bytes()
    assert "source itself" in str(failure(run, "sign", photo, *keys, "--output", photo))
    linked = folder / "link.jpg"
    linked.symlink_to(photo)
    assert "source itself" in str(failure(run, "sign", photo, *keys, "--output", linked))
    assert photo.read_bytes() == before
    out = ("--output", folder / "out.jpg")
    assert failure(run, "sign", folder / "absent.jpg", *keys, *out).exit_code == 3
    missing = ("--key", folder / "absent.pem", "--certs", folder / "certs.pem")
    assert failure(run, "sign", photo, *missing, *out).exit_code == 2
    manifest = folder / "manifest.json"
    manifest.write_text("[1]")
    assert "JSON object" in str(failure(run, "sign", photo, *keys, *out, "--manifest", manifest))
    manifest.write_text("{")
    assert failure(run, "sign", photo, *keys, *out, "--manifest", manifest).exit_code == 2
    nowhere = ("--output", folder / "no such folder" / "out.jpg")
    assert failure(run, "sign", photo, *keys, *nowhere).exit_code == 2
    assert not (folder / "out.jpg").exists()
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_a_manifest_file_is_written_into_the_copy(run: Run, folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"title": "From the field"}))
    out = folder / "out.jpg"
    done = run(
        *("sign", folder / "photo.jpg", "--key", folder / "key.pem"),
        *("--certs", folder / "certs.pem", "--output", out, "--manifest", manifest),
    )
    assert done.exit_code == 0, done.output
    claims = show(run, out)["provenance"]
    assert isinstance(claims, dict)
    assert claims["state"] == "valid"
    assert claims["actions"] == ["c2pa.opened"]
    assert claims["ingredients"] == ["From the field"]
