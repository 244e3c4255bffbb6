"""The templates that come with sonde, in the order in which a prompt is held against them."""

from sonde.tasks.templates.agreement import AGREEMENT
from sonde.tasks.templates.capital import CAPITAL
from sonde.tasks.templates.ioi import IOI
from sonde.tasks.templates.repeat import REPEAT
from sonde.tasks.templates.succession import SUCCESSION

TEMPLATES = {template.name: template for template in (IOI, AGREEMENT, SUCCESSION, CAPITAL, REPEAT)}
