"""Two real networks of pictures for the commands: `sonde vision show fire4:3 --model docs/networks.py:squeezenet ...`

Their weights lie in the folder SONDE_DATA (where that is not set, in `shared/data` beside this repository); neither is shipped. SqueezeNet takes
bytes, blue first, minus means: `--normalise 104,117,123/1 --scale 255 --order bgr`; MobileNetV2 `--normalise 0.5,0.5,0.5/0.5,0.5,0.5`.
"""

import sys
from pathlib import Path

from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets
from data_models.shared import DATA


def squeezenet() -> nn.Module:
    """SqueezeNet 1.0, trained on ImageNet."""
    return nets.squeezenet(DATA / "squeezenet_v1.0_dc")


def mobilenet() -> nn.Module:
    """MobileNetV2, trained on ImageNet."""
    return nets.mobilenet(DATA / "mobilenet_v2_q")
