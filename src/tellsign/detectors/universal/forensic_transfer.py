"""Class-split latent activations of an autoencoder of residuals (ForensicTransfer).

Question     Was the whole picture generated?
How          Up to six crops of 256 x 256 pixels at native resolution are reduced to their third
             derivatives along rows and columns. The encoder of an autoencoder maps them to 128
             channels: it was trained so that one half of the channels is active for generated
             pictures and the other for pristine ones, while the decoder had to rebuild the
             residual from the half of the right class alone [1]_. Only the encoder is shipped.
             The method is made for transfer: the paper tunes the whole network on a handful of
             pictures of a new generator. Here `tellsign adapt` refits the 128 weights that join the
             channels to a score, which leaves the network as it is, so that it can be checked
             what is forgotten.
Score        Mean activation of the generated half minus that of the pristine half; in training
             1 and -1 are aimed at. Unit: difference of activations. After `tellsign adapt` a
             weighted sum of all channels. The map shows it for cells of 16 pixels.
Blind spots  Generators unlike those in training, until it is adapted. Residuals are small
             signals: resizing and strong compression erase them, and flat areas have none. Noise,
             grain and sharpening added to a picture change them. Where both activations are low,
             the picture resembles neither class, and the score says little. Large pictures are
             sampled, not covered.
References   .. [1] D. Cozzolino, J. Thies, A. Rossler, C. Riess, M. Niessner, L. Verdoliva,
             "ForensicTransfer: weakly-supervised domain adaptation for forgery detection", 2018.
             :DOI:`10.48550/arXiv.1812.02510`
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact
from tellsign.detectors.base import Abstain, BatchedDetector, detector
from tellsign.detectors.installed import MODEL, NOT_INSTALLED, InstalledDetector
from tellsign.media.media import Media
from tellsign.nn import views
from tellsign.nn.cells import crop_box, network_input
from tellsign.types import Evidence, Family, Finding, Map, MapKind, Question, View

NAME, VERSION = "forensic_transfer", "1"
HEAD = "head.json"
SIDE = 256  # pixels, [1]_
CROPS = 6  # at most; what two cores do in about a tenth of a second
CELL = 16  # pixels for a cell of the latent map
SPAN = (-1.0, 1.0)  # what training aims at for either class, [1]_; ends of the map's colours
MIN_SIDE = 128  # pixels; below, a crop is mostly its own reflection


@detector(
    name=NAME,
    version=VERSION,
    family=Family.UNIVERSAL,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="difference of activations",
    artifact=f"{NAME}@{VERSION}",
    abstentions={
        "too_small": f"The shorter side has fewer than {MIN_SIDE} pixels.",
        "flat": "The picture is flat: it has no residual.",
        **NOT_INSTALLED,
    },
    findings={
        "transfer.activation": "How active the two halves of the latent channels are, and the crop "
        "that speaks most for generation.",
    },
)
class ForensicTransfer(InstalledDetector, BatchedDetector):
    FILES = (MODEL, HEAD)
    MICRO_BATCH = 2

    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < MIN_SIDE else super().applicable(media)

    def prepare(self, media: Media) -> NDArray[np.float32]:
        pixels = media.pixels
        if int(pixels.max()) - int(pixels.min()) < 2:
            raise Abstain("flat")
        return network_input(views.crops(pixels, SIDE, CROPS)[0])

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(2, 3, 256, 256) in 0..255 -> (2, 128, 16, 16) activations, pristine half first."""
        from tellsign.nn.runtime import network

        return network(self.needed.path(MODEL)).run(batch)

    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        latent = out.astype(np.float64)
        corners = views.corners(media.shape, SIDE, CROPS)
        weight, bias = linear_layer(self.needed)
        cells = np.einsum("c,kchw->khw", weight, latent) + bias
        found = latent_map(cells, corners, media.shape)
        told = describe(latent, cells, corners, media.shape)
        return self.evidence(float(cells.mean()), [found], [told])


@cache
def linear_layer(found: Artifact) -> tuple[NDArray[np.float64], float]:
    """(128,) weights of the channels, as they come from the network, and what is added."""
    head = found.json(HEAD)
    weight = np.array(head["weight"]) / np.array(head["scale"])
    return weight, float(head["bias"] - weight @ np.array(head["mean"]))


def latent_map(
    cells: NDArray[np.float64], corners: NDArray[np.int64], shape: tuple[int, int]
) -> Map:
    """Latent cells laid over the picture; overlapping crops are averaged, the rest is not valid.

    Parameters
    ----------
    cells, corners
        (k, h, w) scores and (k, 2) first pixels of their crops. A crop that does not begin at a
        multiple of 16 pixels is moved to the nearest one.
    shape
        Height and width of the picture in pixels.
    """
    rows, columns = -(-shape[0] // CELL), -(-shape[1] // CELL)
    total, weight = np.zeros((rows, columns)), np.zeros((rows, columns))
    for part, (top, left) in zip(cells, corners.tolist(), strict=True):
        row, column = round(top / CELL), round(left / CELL)
        inside = part[: rows - row, : columns - column]
        place = slice(row, row + inside.shape[0]), slice(column, column + inside.shape[1])
        total[place] += inside
        weight[place] += 1
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    caption = (
        "Score of each place: what the channels for generated pictures show beyond the others."
    )
    return Map(MapKind.SCORE, mean.astype(np.float32), float(CELL), weight > 0, caption, SPAN)


def describe(
    latent: NDArray[np.float64],
    cells: NDArray[np.float64],
    corners: NDArray[np.int64],
    shape: tuple[int, int],
) -> Finding:
    """Both activations over the picture, and which crop has the largest score.

    `latent` is (k, 128, h, w), pristine half first; `cells` (k, h, w) are the scores.
    """
    pristine, generated = (float(h.mean()) for h in np.split(latent, 2, axis=1))
    crops = cells.mean(axis=(1, 2))
    best = int(crops.argmax())
    return Finding(
        "transfer.activation",
        f"The channels trained for generated pictures are active at {generated:.2f}, those for "
        f"pristine ones at {pristine:.2f} (about 1 and 0 for pictures like those in training). Of "
        f"{len(crops)} crops this one speaks most for generation (score {crops[best]:.2f}).",
        crop_box(corners[best], SIDE, shape),
        {
            "generated": generated,
            "pristine": pristine,
            "crops": len(crops),
            "most": float(crops[best]),
        },
    )
