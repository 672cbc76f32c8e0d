"""The words of the page "What tellsign can and cannot tell" that no figure changes."""

from __future__ import annotations

from tellsign.benchmark.summary import LEAST_GENERATED
from tellsign.fusion import policy


def opening() -> str:
    """What a conclusion means, what silence means, what is never said."""
    scale = policy.load()
    moderate, strong = (f"{10**bound:.3g}" for bound in (scale.moderate, scale.strong))
    return f"""<!-- Written by scripts/can_and_cannot. Do not edit: run it again. -->
# What tellsign can and cannot tell

This page is about one question: was the whole picture generated (SYNTHETIC)?

**What a conclusion means.** "Moderate support for generation" says that what was measured in this
picture is at least {moderate} times more probable among generated pictures than among pristine
ones; "strong" says {strong} times. It is no probability that the picture was generated: that
depends on everything else known about it. The factors come from generators and photographs that the
detector asked had not been trained on, and hold as far as your pictures resemble them.

**What silence means.** "No conclusion" says that the evidence is weak, that no method applies, or
that no calibration fits a picture of this size and compression. It speaks neither for nor against
generation. Most traces die when a platform shrinks and recompresses a picture, and a generator that
leaves no known trace leaves silence.

**What it never says.** That a picture is untouched, or that what it shows took place. Who made it,
or why. That a person should be accused on its word. "Support against generation" is evidence like
any other: generated pictures get it too, and are listed below. A part that was generated and pasted
in is another question. What a file states about itself (C2PA, metadata, watermarks) is told beside
the conclusion and never enters it.

**What is not known.** A generator, camera, editor or platform that is not in these tables may do
better or worse than every row. Pictures printed, or filmed off a screen, were not measured.

How a report is read: [report.md](report.md). Single methods: [detectors](detectors/README.md).
"""


NOTHING_YET = """No run has been written into this page yet; `scripts/can_and_cannot RUN` does it.
"""

HOW_TO_READ = f"""Photograph-like and art-like pictures count as targets of their own.

How to read the figures: *AUC* is the chance that a generated picture scores above a pristine one
(0.5: guessing). *TPR at 5 % FPR* is the share of generated pictures found when one pristine picture
in twenty is accused. *Found* and *accused* mean moderate or stronger support for generation;
silence counts as not found and not accused. AUC, TPR and balanced accuracy are of the pictures on
which tellsign spoke, with their share beside them; where it was silent on any, they are told again
with silence counted as undecided, outside the counts above. Values in brackets are 95 % intervals:
of one group by picture, of an average by group. Each group counts once, and averages are over
generators with at least {LEAST_GENERATED} pictures on which tellsign spoke.

Conditions, for both classes alike: *norm* crops and saves well (JPEG 80 to 97), *web* shrinks to
768 pixels at JPEG 60, *hard* to 512 at JPEG 40, *social* does two such hops, *raw* leaves the file
as it is. In *raw*, formats and sizes may tell the classes apart without looking. Other treatments:
[forge.md](forge.md).

The pictures of the failures are not ours to publish. Who has the data sees them with
`scripts/can_and_cannot RUN --failures DIR --data DIR`, which draws them into a page in that folder.
"""
