"""One file per network: ``build(weights)`` gives a `torch.nn.Module` over pixels 0 to 255."""
