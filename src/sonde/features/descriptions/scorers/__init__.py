"""How well a description predicts: each scorer asks another question, and knows what chance gives."""

from sonde.features.descriptions.scorers.detection import Detection
from sonde.features.descriptions.scorers.embedding import Embedder, Embedding, ModelEmbedder, TfIdf
from sonde.features.descriptions.scorers.fuzzing import Fuzzing
from sonde.features.descriptions.scorers.intervention import Intervention
from sonde.features.descriptions.scorers.intruder import Intruder
from sonde.features.descriptions.scorers.scorer import Score, Scorer
from sonde.features.descriptions.scorers.simulation import Simulation
from sonde.features.descriptions.scorers.surprisal import Surprisal

__all__ = [
    "Detection", "Embedder", "Embedding", "Fuzzing", "Intervention", "Intruder", "ModelEmbedder", "Score", "Scorer", "Simulation", "Surprisal",
    "TfIdf",
]  # fmt: skip
