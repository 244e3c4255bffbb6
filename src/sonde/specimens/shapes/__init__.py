"""The specimen `shapes`: generated pictures of coloured figures that face left or right, and a convolutional network that names the figure.

`figures` draws pictures with the factors behind them, `recipe` trains and measures.
"""

from sonde.specimens.shapes.figures import CLASSES, FACING, SIZE, Shapes, held_out, pictures, render

__all__ = ["CLASSES", "FACING", "SIZE", "Shapes", "held_out", "pictures", "render"]
