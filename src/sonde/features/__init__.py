"""The features of a dictionary, browsed, described and used: a database, pages, descriptions, steering and guards."""

from sonde.features.activity import Activity, activity
from sonde.features.analysis import TextAnalysis, analyse
from sonde.features.collecting import collect
from sonde.features.contributions import FeatureContributions, feature_contributions
from sonde.features.database import Features
from sonde.features.descriptions import (
    Description,
    DescriptionComparison,
    Descriptions,
    ErrorRates,
    Rates,
    Rating,
    Recording,
    Scored,
    SheetRatings,
    Usage,
    blinded_sheet,
    compare_descriptions,
    describe,
    error_rates,
    read_sheet,
    record,
)
from sonde.features.dose_response import DoseResponse, dose_response
from sonde.features.edges import FeatureEdges, feature_edges
from sonde.features.guard import AuditLog, Guard, Guarded, Rule
from sonde.features.losses import losses
from sonde.features.neuronpedia import Publication, export_neuronpedia
from sonde.features.properties import TextProperty, TokenSet, matching, share_of
from sonde.features.pushes import Push
from sonde.features.steering import Steered, steer
from sonde.features.used import used

__all__ = [
    "Activity",
    "AuditLog",
    "Description",
    "DescriptionComparison",
    "Descriptions",
    "DoseResponse",
    "ErrorRates",
    "FeatureContributions",
    "FeatureEdges",
    "Features",
    "Guard",
    "Guarded",
    "Publication",
    "Push",
    "Rates",
    "Rating",
    "Recording",
    "Rule",
    "Scored",
    "SheetRatings",
    "Steered",
    "TextAnalysis",
    "TextProperty",
    "TokenSet",
    "Usage",
    "activity",
    "analyse",
    "blinded_sheet",
    "collect",
    "compare_descriptions",
    "describe",
    "dose_response",
    "error_rates",
    "export_neuronpedia",
    "feature_contributions",
    "feature_edges",
    "losses",
    "matching",
    "read_sheet",
    "record",
    "share_of",
    "steer",
    "used",
]
