"""Network fine-tuned with blur and JPEG (Wang et al.'s recipe on a small backbone).

Question     Was the whole picture generated?
How          A network trained on ImageNet is fine-tuned to tell generated pictures from
             photographs, both blurred and recompressed at random while training, which is what
             lets it hold for generators it never saw [1]_. The backbone is EfficientNet-Lite0 [2]_
             instead of a ResNet-50: seven times smaller. Training uses many generators instead of
             one, each as often as every other, and pairs of a photograph and what an autoencoder or
             an enlarging network makes of it. Up to four native crops of 224 pixels are read.
Score        Mean logit over the crops; larger = more support for a generated picture. Its zero
             has no meaning before calibration. Unit: logits.
Blind spots  Generators and photographs unlike those trained on. Content plays a part: a network
             this size also learns what generated pictures tend to show. Pictures below 128 pixels
             are not read.
References   .. [1] S.-Y. Wang et al., "CNN-generated images are surprisingly easy to spot... for
             now", CVPR 2020. :DOI:`10.1109/CVPR42600.2020.00872`
             .. [2] M. Tan, Q. V. Le, "EfficientNet: rethinking model scaling for convolutional
             neural networks", ICML 2019. arXiv:1905.11946
"""

from __future__ import annotations

from tellsign.detectors.base import detector
from tellsign.detectors.crop_network import ABSTENTIONS, CropNetwork
from tellsign.types import Family, Question, View


@detector(
    name="residual_network",
    version="1",
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact="residual_network@1",
    abstentions=ABSTENTIONS,
    findings={
        "residual_network.crop": "The crop that the network takes most for a generated one.",
    },
)
class ResidualNetwork(CropNetwork):
    def sentence(self, crop: str, numbers: str) -> str:
        return f"{crop} resembles the generated pictures of the training most: {numbers}."
