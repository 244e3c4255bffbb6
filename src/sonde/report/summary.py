"""The report's plain sentences, each standing on a verdict and changing when it fails; and the table of all verdicts."""

from dataclasses import replace

from sonde.results import Verdict
from sonde.results.document import Section, Sentence
from sonde.results.drawing import verdicts as drawn


def gated(verdict: Verdict, behaviour: Verdict) -> Verdict:
    """A claim about how a behaviour is computed can only be made where the behaviour is there."""
    if behaviour.holds or verdict.reason:
        return verdict
    why = "could not be tested" if behaviour.holds is None else "did not hold"
    return replace(verdict, reason=f"it {why} that the model prefers the target by the form of the sentence, so there is nothing to explain")


def summary(verdicts: list[Verdict]) -> Section:
    """What was found, claim by claim, the tested ones first."""
    held = sum(verdict.holds is True for verdict in verdicts)
    sentences = [Sentence(sentence(verdict), verdict) for verdict in verdicts]
    lead = f"{held} of {len(verdicts)} claims hold on sibling prompts: the same sentence about other people and things."
    if not held:
        lead = "Nothing was found: no claim about this prediction holds."
    return Section("summary", "Summary", lead, sentences=sentences)


def verification(verdicts: list[Verdict], command: str) -> Section:
    """All claims with their evidence."""
    lead = (
        "Each claim was tested on prompts that took no part in choosing it, against a control. It holds only if the 95 % interval of measured minus "
        "control excludes zero and the measured value reaches its threshold."
    )
    return Section("verification", "Verification", lead, [drawn("What holds, and on what evidence?", verdicts, command=command)])


def sentence(verdict: Verdict) -> str:
    """One verdict as a sentence; its figures stand beside it."""
    if verdict.holds is None:
        return f"Not tested: {_inside(verdict.claim)}, because {verdict.reason}."
    return verdict.claim if verdict.holds else f"Not shown: {_inside(verdict.claim)}."


def _inside(claim: str) -> str:
    """A claim within a sentence: no capital unless it is a name's, no full stop."""
    first = claim.split(" ", 1)[0]
    return (claim if first.isupper() else claim[0].lower() + claim[1:]).rstrip(".")
