"""The tower: its folded activation, what is pooled, and the components it is shipped with."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from tellsign.training.networks import embedding_probe as net  # noqa: E402


def heads(size: int = 8) -> list[net.Head]:
    torch.manual_seed(0)
    return [net.Head(2, size, 0.2).eval() for _ in range(2)]


def pooled(n: int = 24) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.randn(n, 2, 2 * net.WIDTH) * 7 + 2


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
    trunk = net.Trunk((0, 1)).eval()
    seen = []
    trunk.blocks[1].register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        told = trunk(torch.rand(2, 3, 224, 224) * 255)
    assert told.shape == (2, 2, 2 * net.WIDTH)
    torch.testing.assert_close(told[:, 1, : net.WIDTH], seen[0][:, 0])
    torch.testing.assert_close(told[:, 1, net.WIDTH :], seen[0][:, 1:].mean(1))


def test_the_heads_are_averaged() -> None:
    each, x = heads(), pooled()
    top = net.Top(each, x, 5).eval()
    with torch.no_grad():
        one, other = (head(x)[0] for head in each)
        torch.testing.assert_close(top(x)[0], (one + other) / 2)
    assert not torch.allclose(one, other)


def test_what_is_joined_is_normalised_block_by_block() -> None:
    head = heads()[0]
    with torch.no_grad():
        logit, joined = head(pooled(3))
    assert logit.shape == (3, 1)
    parts = joined.view(3, 2, -1)
    torch.testing.assert_close(parts.mean(-1), torch.zeros(3, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(parts.std(-1), torch.ones(3, 2), rtol=0, atol=1e-3)


def test_components_are_standardised_and_the_logit_comes_first() -> None:
    x = pooled()
    with torch.no_grad():
        logits, embedding = net.Top(heads(), x, 5).eval()(x)
    assert embedding.shape == (24, 6)
    torch.testing.assert_close(embedding[:, :1], logits)
    components = embedding[:, 1:]
    torch.testing.assert_close(components.mean(0), torch.zeros(5), rtol=0, atol=1e-2)
    torch.testing.assert_close(components.var(0), torch.ones(5), rtol=0.1, atol=0)
    crossed = components.T @ components / 24
    assert float((crossed - torch.diag(crossed.diagonal())).abs().max()) < 1e-2
