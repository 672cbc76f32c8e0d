"""The tower: its folded activation, what is pooled, and the components it is shipped with."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from tellsign.training.networks import embedding_probe as net  # noqa: E402


def small(size: int = 8) -> net.EmbeddingProbe:
    torch.manual_seed(0)
    return net.EmbeddingProbe(net.Trunk((0, 1)), [net.Head(2, size, 0.2) for _ in range(2)])


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


def test_what_is_pooled_are_the_class_token_and_the_mean_patch() -> None:
    trunk = small().trunk.eval()
    seen = []
    trunk.blocks[1].register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        pooled = trunk(torch.rand(2, 3, 224, 224) * 255)
    assert pooled.shape == (2, 2, 2 * net.WIDTH)
    torch.testing.assert_close(pooled[:, 1, : net.WIDTH], seen[0][:, 0])
    torch.testing.assert_close(pooled[:, 1, net.WIDTH :], seen[0][:, 1:].mean(1))


def test_the_heads_are_averaged() -> None:
    probe = small().eval()
    crops = torch.rand(2, 3, 224, 224) * 255
    with torch.no_grad():
        each = [head(probe.trunk(crops))[0] for head in probe.heads]
        torch.testing.assert_close(probe(crops)[0], (each[0] + each[1]) / 2)
    assert not torch.allclose(each[0], each[1])


def test_what_is_joined_is_normalised_block_by_block() -> None:
    head = small().heads[0].eval()
    with torch.no_grad():
        logit, joined = head(torch.randn(3, 2, 2 * net.WIDTH) * 7 + 2)
    assert logit.shape == (3, 1)
    parts = joined.view(3, 2, -1)
    torch.testing.assert_close(parts.mean(-1), torch.zeros(3, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(parts.std(-1), torch.ones(3, 2), rtol=0, atol=1e-3)


def test_components_are_standardised_and_the_logit_comes_first() -> None:
    probe = small().eval()
    crops = torch.rand(24, 3, 224, 224) * 255
    with torch.no_grad():
        logits, joined = probe(crops)
        told, embedding = net.Shipped(probe, joined, 5)(crops)
    assert embedding.shape == (24, 6)
    torch.testing.assert_close(told, logits)
    torch.testing.assert_close(embedding[:, :1], logits)
    components = embedding[:, 1:]
    torch.testing.assert_close(components.mean(0), torch.zeros(5), rtol=0, atol=1e-2)
    torch.testing.assert_close(components.var(0), torch.ones(5), rtol=0.1, atol=0)
    crossed = components.T @ components / 24
    assert float((crossed - torch.diag(crossed.diagonal())).abs().max()) < 1e-2
