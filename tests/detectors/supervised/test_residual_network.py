"""What it has of its own; `test_crop_network` has the rest."""

from __future__ import annotations

from tellsign.detectors.supervised.residual_network import ResidualNetwork


def test_its_artifact() -> None:
    reference = ResidualNetwork().origin.artifact
    assert reference is not None
    assert reference.name == "residual_network"


def test_its_sentence() -> None:
    assert ResidualNetwork().sentence("The crop", "logit 1.00") == (
        "The crop resembles the generated pictures of the training most: logit 1.00."
    )
