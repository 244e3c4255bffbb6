"""Descriptions without a language model: rules that can be read, and that predict."""

from sonde.features.descriptions.offline.clauses import Clause
from sonde.features.descriptions.offline.language import Rule, Rules, parse
from sonde.features.descriptions.offline.search import found

__all__ = ["Clause", "Rule", "Rules", "found", "parse"]
