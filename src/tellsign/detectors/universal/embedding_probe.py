"""Middle layers of a pre-trained vision transformer under a head trained on laundered crops.

Question     Was the whole picture generated (by a GAN, a diffusion or an autoregressive model)?
How          Crops of 224 pixels are cut from the picture as it is and, where it is large enough,
             from the picture reduced to a half and to about a third: what was drawn small and
             enlarged, or compressed, shows less in its finest texture than in a coarser one. The
             first eight blocks of a CLIP ViT-B/16 image tower [1]_ describe each crop; class token
             and mean patch token after blocks 5 to 8 are joined, and a small layer decides. That
             frozen features of such a tower generalise to unseen generators was shown in [2]_; here
             the middle blocks serve, which keep texture. The tower is left as it is: tuning its
             blocks was tried, and what it gains on the generators of training it loses on others.
             The layer, an average of three, was trained on crops of many generators, of
             photographs, and of pairs of a photograph and what an autoencoder [3]_, an enlarging
             network or a diffusion model that redraws fine texture [4]_ makes of it, laundered
             alike. What it makes of generators it never met is told
             by fits that left them out; these calibrate it, too. Beside its logit the network gives
             128 principal components of what was joined: a head adapted to a generator from a few
             examples is a linear layer on both.
Score        Mean over the crops of the network's logit at each scale, and mean of these; larger =
             more support for a generated picture. Its zero has no meaning before calibration. Unit:
             logits. The map shows them crop by crop.
Blind spots  Generators whose pictures resemble none of the training set, foremost current
             commercial models with photograph-like output. Pictures shrunk to few pixels or
             compressed hard lose what is looked at. Paintings, drawings, renderings and photographs
             that went through neural enlargement or strong smoothing can be taken for generated
             ones. A generated part in a photograph is seen only where it fills most of a crop.
             It does not say which model made a picture.
References   .. [1] A. Radford et al., "Learning transferable visual models from natural language
             supervision", ICML 2021. :DOI:`10.48550/arXiv.2103.00020`
             .. [2] U. Ojha, Y. Li, Y. J. Lee, "Towards universal fake image detectors that
             generalize across generative models", CVPR 2023. :DOI:`10.1109/CVPR52729.2023.02345`
             .. [3] F. Guillaro et al., "A bias-free training paradigm for more general AI-generated
             image detection", CVPR 2025. :DOI:`10.48550/arXiv.2412.17671`
             .. [4] C. Meng et al., "SDEdit: guided image synthesis and editing with stochastic
             differential equations", ICLR 2022. :DOI:`10.48550/arXiv.2108.01073`
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact
from tellsign.detectors.base import Abstain, BatchedDetector, detector
from tellsign.detectors.installed import MODEL, NOT_INSTALLED, InstalledDetector
from tellsign.media.media import Media
from tellsign.nn import scales, views
from tellsign.nn.cells import crop_box, network_input
from tellsign.nn.scales import Scaled
from tellsign.types import Evidence, Family, Finding, Question, View

NAME, VERSION = "embedding_probe", "1"
HEAD = "head.json"
SIDE = 224  # pixels; what the tower was trained for
CROPS = 6  # at most; what two cores do in about a third of a second
REDUCED = ((0.5, 1), (0.5**1.5, 1))  # sides of reduced pictures as shares, crops at most
LEAST_REDUCED = 160  # pixels of the shorter side; less is mostly reflection
SPAN = (-4.6, 6.4)  # logits of 98 % of the crops of groups left out
MIN_SIDE = 96  # pixels; below, a crop is mostly its own reflection


@detector(
    name=NAME,
    version=VERSION,
    family=Family.UNIVERSAL,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact=f"{NAME}@{VERSION}",
    abstentions={
        "too_small": f"The shorter side has fewer than {MIN_SIDE} pixels.",
        "flat": "The picture is flat: there is nothing to describe.",
        **NOT_INSTALLED,
    },
    findings={
        "embedding.crop": "The crop that speaks most for generation.",
        "embedding.scales": "What the picture and its reduced copies say.",
    },
)
class EmbeddingProbe(InstalledDetector, BatchedDetector):
    FILES = (MODEL, HEAD)
    # One crop at a time: the network quantises activations by the range of its whole batch, so
    # that a crop's score would depend on its neighbours.
    MICRO_BATCH = 1

    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < MIN_SIDE else super().applicable(media)

    def prepare(self, media: Media) -> NDArray[np.float32]:
        pixels = media.pixels
        if int(pixels.max()) - int(pixels.min()) < 2:
            raise Abstain("flat")
        return network_input(scales.cut(pixels, SIDE, layout(media)))

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(1, 3, 224, 224) in 0..255 -> (1, D) embedding."""
        from tellsign.nn.runtime import network

        return network(self.needed.path(MODEL)).run_all(batch)[1]

    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        logits = logits_of(out, _head(self.needed))
        plan = layout(media)
        corners, sides = scales.native(SIDE, plan)
        best = int(logits.argmax())
        crop = Finding(
            "embedding.crop",
            f"Of {len(logits)} crops this one speaks most for generation "
            f"(logit {logits.max():.2f}; the least {logits.min():.2f}).",
            crop_box(corners[best], int(sides[best]), media.shape),
            {"crops": len(logits), "most": float(logits.max()), "least": float(logits.min())},
        )
        means = scales.means(logits, plan)
        findings = [crop] if len(plan) == 1 else [crop, by_scale(plan, means)]
        found = views.crop_map(logits, corners, sides, media.shape, SPAN)
        return self.evidence(float(means.mean()), [found], findings)


def by_scale(plan: Sequence[Scaled], means: NDArray[np.float64]) -> Finding:
    """What each scale says; where there is one only, that is the score itself."""
    shares = [round(100 * scaled.factor) for scaled in plan]
    told = ", ".join(f"{m:.2f} at {p} %" for m, p in zip(means, shares, strict=True))
    return Finding(
        "embedding.scales",
        f"Mean logit of the picture by its size, 100 % being as it is: {told}.",
        None,
        {f"at_{p}_percent": float(m) for m, p in zip(means, shares, strict=True)},
    )


def layout(media: Media) -> tuple[Scaled, ...]:
    """Where this detector cuts a picture."""
    return scales.layout(media.shape, SIDE, CROPS, REDUCED, LEAST_REDUCED)


def logits_of(rows: NDArray[np.float32], head: dict[str, Any]) -> NDArray[np.float64]:
    """(k, D) embeddings -> (k,) logits of one linear layer on standardised numbers."""
    scaled = (rows - np.array(head["mean"])) / np.array(head["scale"])
    return np.asarray(scaled @ np.array(head["weight"]) + head["bias"], np.float64)


@cache
def _head(found: Artifact) -> dict[str, Any]:
    head: dict[str, Any] = found.json(HEAD)
    return head
