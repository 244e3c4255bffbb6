"""The features of a dictionary, browsed, described and used: a database, pages, descriptions, steering and guards."""

from sonde.features.activity import Activity, activity
from sonde.features.collecting import collect
from sonde.features.database import Features
from sonde.features.descriptions import Description, Descriptions, Recording, Scored, Usage, describe, record
from sonde.features.dose_response import DoseResponse, dose_response
from sonde.features.guard import AuditLog, Guard, Guarded, Rule
from sonde.features.losses import losses
from sonde.features.properties import TextProperty, TokenSet, matching, share_of
from sonde.features.pushes import Push
from sonde.features.steering import Steered, steer

__all__ = [
    "Activity",
    "AuditLog",
    "Description",
    "Descriptions",
    "DoseResponse",
    "Features",
    "Guard",
    "Guarded",
    "Push",
    "Recording",
    "Rule",
    "Scored",
    "Steered",
    "TextProperty",
    "TokenSet",
    "Usage",
    "activity",
    "collect",
    "describe",
    "dose_response",
    "losses",
    "matching",
    "record",
    "share_of",
    "steer",
]
