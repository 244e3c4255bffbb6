"""The specimen `pair`: generated pictures of coloured shapes, their captions, and two encoders that tell which belong together.

`scenes` draws pictures with the truth behind them, `recipe` trains and measures.
"""

from sonde.specimens.pair.scenes import HELD_OUT, Scene, Scenes, Thing, scenes

__all__ = ["HELD_OUT", "Scene", "Scenes", "Thing", "scenes"]
