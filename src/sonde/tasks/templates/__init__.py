"""The templates that come with sonde, in the order in which a prompt is held against them."""

from sonde.tasks.templates.agreement import AGREEMENT
from sonde.tasks.templates.capital import CAPITAL
from sonde.tasks.templates.colored_objects import COLORED_OBJECTS
from sonde.tasks.templates.docstring import DOCSTRING
from sonde.tasks.templates.greater_than import GREATER_THAN
from sonde.tasks.templates.hypernymy import HYPERNYMY
from sonde.tasks.templates.induction import INDUCTION
from sonde.tasks.templates.ioi import IOI
from sonde.tasks.templates.pronoun import PRONOUN
from sonde.tasks.templates.successor import SUCCESSOR

_ORDER = (IOI, GREATER_THAN, AGREEMENT, COLORED_OBJECTS, PRONOUN, SUCCESSOR, CAPITAL, HYPERNYMY, DOCSTRING, INDUCTION)

TEMPLATES = {template.name: template for template in _ORDER}
