"""The fine-tuned backbone: its normalisation keeps the statistics it came with."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tellsign.training.networks.residual_network import ResidualNetwork  # noqa: E402


def test_training_leaves_the_statistics_and_reaches_the_scale() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork().train()
    before = {k: v.clone() for k, v in network.state_dict().items() if "running_" in k}
    network(torch.rand(2, 3, 64, 64) * 255).square().mean().backward()
    after = network.state_dict()
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)
    scales = [p for name, p in network.named_parameters() if "_bn" in name]
    assert all(p.grad is not None for p in scales)
    assert network.training
    assert not network.eval().training
