"""Guards: rules on features or on directions of probes, with thresholds that keep a stated rate of false alarms, watching a model while it writes."""

from sonde.features.guard.audit import AuditLog
from sonde.features.guard.guard import Guard, Guarded
from sonde.features.guard.rules import Rule

__all__ = ["AuditLog", "Guard", "Guarded", "Rule"]
