"""Safety limits, checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from tellsign.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be opened and decoded. Plain integers, so that `policy.toml` can set them."""

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 100_000_000  # per picture, stored width x height
    max_side: int = 32_768  # pixels
    min_side: int = 8  # one JPEG block
    max_frames: int = 256
    max_depth: int = 2  # children of children of the file
    max_metadata_bytes: int = 1024 * 1024  # per entry; longer values are cut and flagged

    def check_size(self, width: int, height: int, name: str) -> None:
        """Raise LimitExceeded unless a picture of these stored sides may be decoded."""
        if width > self.max_side or height > self.max_side:
            raise LimitExceeded(
                f"{name}: {width} x {height} pixels, over the limit of {self.max_side} a side"
            )
        if width * height > self.max_pixels:
            raise LimitExceeded(
                f"{name}: {width} x {height} pixels, over the limit of {self.max_pixels} in all"
            )
        if width < self.min_side or height < self.min_side:
            raise LimitExceeded(
                f"{name}: nothing can be examined in {width} x {height} pixels"
                f" (at least {self.min_side} a side are needed)"
            )

    def check_frames(self, frames: int, name: str) -> None:
        """Raise LimitExceeded for an animation of too many frames."""
        if frames > self.max_frames:
            raise LimitExceeded(f"{name}: {frames} frames, over the limit of {self.max_frames}")


DEFAULT_LIMITS = Limits()
