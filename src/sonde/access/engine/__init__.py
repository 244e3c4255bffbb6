"""The engine behind `Model.sweep`: many edits, one at a time, planned instead of looped.

Three facts make a sweep cheap, and each is used exactly. A forward under an edit at block l equals the unedited one below l; in a causal model it
equals the unedited one left of the first position that the edit changes; and an edit that writes what is there already changes nothing. So the
unedited model runs once, with each block's own arguments, keys and values kept (`recorded`). Every cell then tells where it leaves that forward
(`cells`), cells that leave it alike are stacked along the batch under a memory budget (`passes`), and each pass goes through the model's own blocks
from there on (`replay`), ending in logits only where the metric looks.
"""

from sonde.access.engine.sweep import planned, sweep

__all__ = ["planned", "sweep"]
