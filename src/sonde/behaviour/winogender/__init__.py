"""Winogender schemas: whom does a pronoun mean, and does its gender decide that?"""

from sonde.behaviour.winogender.coreference import coreference
from sonde.behaviour.winogender.results import Coreference, Correlation, Estimate
from sonde.behaviour.winogender.schemas import Schema, Schemas, read_schemas

__all__ = ["Coreference", "Correlation", "Estimate", "Schema", "Schemas", "coreference", "read_schemas"]
