"""Descriptions of features in words, and how well the words predict.

`record` notes on which tokens the latents of any basis fire. `describe` has each described by an explainer that sees half of the texts, and judged
by scorers on the other half, beside the description of another latent. Explainers and judges are language models behind a client, or rules that
need none.
"""

from sonde.features.descriptions.clients import Answer, Budget, BudgetSpent, Client, ClientError, Local, OpenAICompatible, Usage
from sonde.features.descriptions.comparison import DescriptionComparison, compare_descriptions
from sonde.features.descriptions.describing import describe
from sonde.features.descriptions.examples import Examples, sampled
from sonde.features.descriptions.explainers import AskingExplainer, Description, Explainer, OfflineExplainer
from sonde.features.descriptions.judges import AskingJudge, Judge, Outcome, RuleJudge
from sonde.features.descriptions.offline import Rules, parse
from sonde.features.descriptions.promotions import promoting, promotions
from sonde.features.descriptions.rates import ErrorRates, Rates, error_rates
from sonde.features.descriptions.recording import Recording, record
from sonde.features.descriptions.results import Descriptions, Scored
from sonde.features.descriptions.scorers import (
    Detection,
    Embedder,
    Embedding,
    Fuzzing,
    Intervention,
    Intruder,
    ModelEmbedder,
    Score,
    Scorer,
    Simulation,
    Surprisal,
    TfIdf,
)
from sonde.features.descriptions.sheet import Rating, SheetRatings, blinded_sheet, read_sheet
from sonde.features.descriptions.stored import stored
from sonde.features.descriptions.windows import Example, Grid, Window

__all__ = [
    "Answer",
    "AskingExplainer",
    "AskingJudge",
    "Budget",
    "BudgetSpent",
    "Client",
    "ClientError",
    "Description",
    "DescriptionComparison",
    "Descriptions",
    "Detection",
    "Embedder",
    "Embedding",
    "ErrorRates",
    "Example",
    "Examples",
    "Explainer",
    "Fuzzing",
    "Grid",
    "Intervention",
    "Intruder",
    "Judge",
    "Local",
    "ModelEmbedder",
    "OfflineExplainer",
    "OpenAICompatible",
    "Outcome",
    "Rates",
    "Rating",
    "Recording",
    "RuleJudge",
    "Rules",
    "Score",
    "Scored",
    "Scorer",
    "SheetRatings",
    "Simulation",
    "Surprisal",
    "TfIdf",
    "Usage",
    "Window",
    "blinded_sheet",
    "compare_descriptions",
    "describe",
    "error_rates",
    "parse",
    "promoting",
    "promotions",
    "read_sheet",
    "record",
    "sampled",
    "stored",
]
