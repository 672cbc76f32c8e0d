"""How a foreign patch is made to fit: pasting, feathering, Poisson blending, colour transfer."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.forge.region import Matte, Pixels, Place, as_bytes


def composite(host: Pixels, patch: Pixels, alpha: Matte, place: Place) -> Pixels:
    """Lay `patch` (h, w, 3) over `host`; where `alpha` is 0 the host stays bit for bit."""
    result = host.copy()
    under = host[place.window]
    weight = alpha[..., None]
    mixed = np.rint(weight * patch + (1 - weight) * under).astype(np.uint8)
    result[place.window] = np.where(weight > 0, mixed, under)
    return result


def poisson(host: Pixels, patch: Pixels, alpha: Matte, place: Place) -> Pixels:
    """Clone gradients of `patch` into `host` inside ``alpha > 0``, which leaves a rim of the patch.

    Pérez, Gangnet, Blake, "Poisson image editing", ACM Trans. Graph. 22 (2003),
    :DOI:`10.1145/882262.882269`, as in ``cv2.seamlessClone``.
    """
    room = place.grown(MARGIN, host.shape)
    top, left = place.y - room.y, place.x - room.x
    inner = (slice(top, top + place.height), slice(left, left + place.width))
    target = np.ascontiguousarray(host[room.window])
    source = target.copy()
    source[inner] = patch
    inside = np.zeros(target.shape[:2], np.bool_)
    inside[inner] = alpha > 0
    # seamlessClone erodes the mask by one pixel, and writes into the array it is given.
    mask = cv2.dilate(np.where(inside, np.uint8(255), np.uint8(0)), np.ones((3, 3), np.uint8))
    x, y, width, height = cv2.boundingRect(mask)
    centre = (x + width // 2, y + height // 2)  # where seamlessClone leaves the patch in place
    cloned = cv2.seamlessClone(source, target, mask, centre, cv2.NORMAL_CLONE)
    result = host.copy()
    result[room.window] = np.where(inside[..., None], cloned, target)
    return result


MARGIN = 2  # pixels of host that seamlessClone needs around the mask for its border values


def transfer_colour(patch: Pixels, alpha: Matte, surroundings: Pixels) -> Pixels:
    """Give the patch the mean and spread, in CIE Lab, of the surroundings.

    Reinhard et al., "Color transfer between images", IEEE CG&A 21 (2001),
    :DOI:`10.1109/38.946629`; gains are kept within 0.5 to 2 so that flat surroundings do not
    flatten the patch.
    """
    lab = _to_lab(patch)
    inside = lab[alpha > 0]
    around = _to_lab(surroundings).reshape(-1, 3)
    spread = inside.std(axis=0) + 1e-3
    gain = np.clip((around.std(axis=0) + 1e-3) / spread, 0.5, 2.0)
    moved = (lab - inside.mean(axis=0)) * gain + around.mean(axis=0)
    rgb = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return as_bytes(np.asarray(rgb * 255, np.float32))


def _to_lab(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
