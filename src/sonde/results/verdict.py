"""A claim, tested: what was measured, against which control, with which interval.

A sentence in a report stands only on a `Verdict` whose `holds` is true.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """One claim and the evidence for or against it.

    Arguments:
        claim: the claim as a sentence that can be true or false.
        measure: what was measured, with its unit ("drop of the logit difference, share of the clean value").
        measured: the measured value, the mean over `n` examples; `None` where it could not be measured.
        control: the same measure under the control; `None` where it could not be measured.
        interval: a 95 % interval of measured minus control, wider where several claims are made together; `None` where there is no spread for one.
        n: the number of independent examples behind the interval.
        direction: "greater" if the claim says that measured exceeds control, "less" if it says the opposite.
        threshold: the least (or, for "less", the greatest) value of `measured` that counts.
        threshold_source: where the threshold comes from.
        reason: why the claim could not be tested; empty where it was.
    """

    claim: str
    measure: str
    measured: float | None
    control: float | None
    interval: tuple[float, float] | None
    n: int
    direction: Literal["greater", "less"]
    threshold: float
    threshold_source: str
    reason: str = ""

    @property
    def holds(self) -> bool | None:
        """True only if the interval of measured minus control excludes 0 in the stated direction and the threshold is met.

        `None` where the claim can't be tested: then `reason` says why.
        """
        if self.reason or self.measured is None or self.interval is None:
            return None
        low, high = self.interval
        if self.direction == "greater":
            return low > 0 and self.measured >= self.threshold
        return high < 0 and self.measured <= self.threshold
