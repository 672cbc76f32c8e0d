"""The tuned tower: its folded activation, its gradient, and the components it is shipped with."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from tellsign.training.fit import Batch  # noqa: E402
from tellsign.training.learners import embedding_probe as learner  # noqa: E402
from tellsign.training.networks import embedding_probe as net  # noqa: E402

SETTINGS = learner.Settings(
    taps=(0, 1), frozen=1, size=8, dropout=0.2, crops=4, paired=0.5, power=0.5, margin=0.3,
    smoothing=0.0, blur=0.0, jpeg=0.0, blend=1.0, rate=1e-3, trunk=0.05, decay=0.0, steps=1,
)  # fmt: skip


def small() -> net.EmbeddingProbe:
    torch.manual_seed(0)
    return net.EmbeddingProbe(SETTINGS.taps, SETTINGS.frozen, SETTINGS.size, SETTINGS.dropout)


def test_a_block_is_clips_with_its_factors_folded() -> None:
    """Attention by torch's own function, and y * sigmoid(1.702 y) with the factors in place."""
    torch.manual_seed(1)
    block = net.Block()
    x = torch.randn(2, net.TOKENS, net.WIDTH)
    with torch.no_grad():
        q, k, v = (
            part.view(2, net.TOKENS, net.HEADS, -1).transpose(1, 2)
            for part in block.qkv(block.ln1(x)).chunk(3, -1)
        )
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        middle = x + block.out(attended)
        folded = block.fc1(block.ln2(middle))
        y = folded / net.GELU  # what the tower's own first product gives
        weight = block.fc2.weight * net.GELU  # the tower's own second product
        expected = middle + functional.linear(y * torch.sigmoid(1.702 * y), weight, block.fc2.bias)
        torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


def test_frozen_blocks_take_no_gradient() -> None:
    probe = small()
    trained = probe.trained()
    probe(torch.rand(2, 3, 224, 224) * 255)[0].sum().backward()
    touched = {n for n, p in probe.named_parameters() if p.grad is not None}
    assert touched == set(trained)
    assert any(n.startswith("blocks.1.") for n in touched)
    assert not any(n.startswith(("blocks.0.", "patch.", "place")) for n in touched)


def test_components_are_standardised_and_the_logit_comes_first() -> None:
    probe = small().eval()
    crops = torch.rand(24, 3, 224, 224) * 255
    with torch.no_grad():
        logits, joined = probe(crops)
        told, embedding = net.Described(probe, joined, 5)(crops)
    assert embedding.shape == (24, 6)
    torch.testing.assert_close(told, logits)
    torch.testing.assert_close(embedding[:, :1], logits)
    components = embedding[:, 1:]
    torch.testing.assert_close(components.mean(0), torch.zeros(5), rtol=0, atol=1e-2)
    torch.testing.assert_close(components.var(0), torch.ones(5), rtol=0.1, atol=0)
    crossed = components.T @ components / 24
    assert float((crossed - torch.diag(crossed.diagonal())).abs().max()) < 1e-2


def test_the_loss_ranks_a_reconstruction_above_its_original() -> None:
    batch = Batch(torch.zeros(4, 3, 1, 1), torch.tensor([1.0, 1.0, 0.0, 0.0]), ())
    right = torch.tensor([[2.0], [2.0], [-2.0], [-2.0]])
    plain, ranked = (float(learner.batch_loss(right, batch, SETTINGS, n)) for n in (0, 1))
    assert ranked == pytest.approx(plain + 0.3 * float(functional.softplus(torch.tensor(-4.0))))
    swapped = right.flip(0)
    assert float(learner.batch_loss(swapped, batch, SETTINGS, 1)) > ranked + 1
