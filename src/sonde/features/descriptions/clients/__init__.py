"""Who answers prompts: an endpoint, a local model, or a script; all count what they cost and say what failed."""

from sonde.features.descriptions.clients.cache import Cache
from sonde.features.descriptions.clients.client import Answer, Budget, BudgetSpent, Client, ClientError, Usage
from sonde.features.descriptions.clients.local import Local
from sonde.features.descriptions.clients.openai import OpenAICompatible

__all__ = ["Answer", "Budget", "BudgetSpent", "Cache", "Client", "ClientError", "Local", "OpenAICompatible", "Usage"]
