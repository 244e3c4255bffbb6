"""The counterfactual audit: change what a decision must not depend on, one thing at a time and together, and see whether it moves."""

from sonde.behaviour.audit.credit import Credit, credit
from sonde.behaviour.audit.profiles import Profiles, in_table, pictures, texts
from sonde.behaviour.audit.results import Audit
from sonde.behaviour.audit.run import audit

__all__ = ["Audit", "Credit", "Profiles", "audit", "credit", "in_table", "pictures", "texts"]
