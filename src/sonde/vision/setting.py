"""How pictures are sought: the three values beside the objective, and the loop's own numbers."""

from dataclasses import dataclass, field

from sonde.results import InputError, shown
from sonde.vision.normalisation import AS_IT_IS, Normalisation
from sonde.vision.parameters import Fourier, Parameterisation
from sonde.vision.transforms import Transform, standard


@dataclass(frozen=True)
class Setting:
    """How pictures are sought.

    Arguments:
        of: what they are made of.
        transforms: what they must survive.
        normalise: what is done to them before the network sees them.
        steps: of ascent.
        rate: Adam's.
        restarts: how many starts each objective has; the best is shown.
        snapshots: steps after which the pictures are kept, too.
        redirect: for how many steps ReLUs let a picture out of a dead start.
    """

    of: Parameterisation = field(default_factory=Fourier)
    transforms: tuple[Transform, ...] = field(default_factory=standard)
    normalise: Normalisation = AS_IT_IS
    steps: int = 512
    rate: float = 0.05
    restarts: int = 1
    snapshots: tuple[int, ...] = ()
    redirect: int = 16

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        object.__setattr__(self, "snapshots", tuple(self.snapshots))
        for name, least in (("steps", 0), ("restarts", 1), ("redirect", 0)):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise InputError(f"{name}={shown(getattr(self, name))}: give a number of {least} or more")
        if not self.rate > 0:
            raise InputError(f"rate={shown(self.rate)}: give a number above 0")
        if wrong := [step for step in self.snapshots if not isinstance(step, int) or not 0 <= step < self.steps]:
            raise InputError(f"snapshots={shown(wrong[0])}: give steps from 0 to {self.steps - 1}; the last picture is kept anyway")
