"""The fine-tuned trunk: its normalisation keeps the statistics it came with."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tellsign.errors import ArtifactError, UsageError  # noqa: E402
from tellsign.training.networks.efficientnet_lite import Trunk  # noqa: E402
from tellsign.training.networks.residual_network import ResidualNetwork, build  # noqa: E402


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


@pytest.mark.parametrize(
    ("count", "channels", "reduction"), [(1, 16, 2), (3, 24, 4), (11, 112, 16), (None, 320, 32)]
)
def test_a_cut_trunk_tells_the_shape_of_its_map(
    count: int | None, channels: int, reduction: int
) -> None:
    trunk = Trunk(count).eval()
    found = trunk.trunk(torch.rand(1, 3, 64, 64) * 255)
    assert found.shape == (1, channels, 64 // reduction, 64 // reduction)
    assert (trunk.channels, trunk.reduction) == (channels, reduction)


def test_whole_and_cut_networks_take_the_published_weights(tmp_path: Path) -> None:
    path = tmp_path / "lite0.pth"
    torch.save(ResidualNetwork().state_dict() | {"_fc.weight": torch.zeros(2)}, path)
    whole, cut = build(path), Trunk(5)
    cut.load_imagenet(path, "a learner")
    theirs = torch.load(path, weights_only=True)
    for network in (whole, cut):
        own = {k: v for k, v in network.state_dict().items() if k.startswith("_")}
        assert own
        assert all(torch.equal(theirs[name], value) for name, value in own.items())


def test_other_weights_and_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--weights"):
        build(None)
    part = tmp_path / "part.pth"
    torch.save(Trunk(3).state_dict(), part)
    with pytest.raises(ArtifactError, match="no weights of EfficientNet-Lite0"):
        build(part)
