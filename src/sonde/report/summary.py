"""The report's plain sentences, each standing on a verdict and changing when it fails; and the table of all verdicts."""

from dataclasses import replace

from sonde.evidence import corrected
from sonde.results import Verdict
from sonde.results.document import Section, Sentence
from sonde.results.drawing import table


def gated(verdict: Verdict, behaviour: Verdict) -> Verdict:
    """A claim about how a behaviour is computed can only be made where the behaviour is there."""
    if behaviour.holds or verdict.reason:
        return verdict
    why = "could not be tested" if behaviour.holds is None else "did not hold"
    return replace(verdict, reason=f"it {why} that the model prefers the target by the form of the sentence, so there is nothing to explain")


def judged_together(claims: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    """The claims of a report's chapters: all wait on the first, the behaviour's, and are held the more strictly the more of them there are."""
    behaviour, *others = (verdict for made in claims.values() for verdict in made)
    judged = iter([behaviour, *corrected([gated(verdict, behaviour) for verdict in others])])
    return {key: [next(judged) for _ in made] for key, made in claims.items()}


def summary(verdicts: list[Verdict]) -> Section:
    """What was found, claim by claim, the tested ones first."""
    held = sum(verdict.holds is True for verdict in verdicts)
    sentences = [Sentence(sentence(verdict), verdict) for verdict in verdicts]
    lead = f"{held} of {len(verdicts)} claims hold on sibling prompts: the same sentence about other people and things."
    if not held:
        lead = "Nothing was found: no claim about this prediction holds."
    return Section("summary", "Summary", lead, sentences=sentences)


def with_evidence(section: Section, verdicts: list[Verdict]) -> Section:
    """The section with the figures of every claim in one table."""
    columns = ["claim", "holds", "measured", "control", "difference, 95 %", "n", "needed"]
    rows = [[v.claim, _answer(v), v.measured, v.control, _ends(v.interval), v.n or None, v.threshold] for v in verdicts]
    evidence = table(
        "What holds, and on what evidence?",
        columns,
        rows,
        note="What was measured and where its threshold comes from stands beside each claim above. The intervals of all claims but the first are "
        "widened for their number (Holm's correction).",
    )
    return replace(section, drawings=[*section.drawings, evidence])


def sentence(verdict: Verdict) -> str:
    """One verdict as a sentence; its figures stand beside it."""
    if verdict.holds is None:
        return f"Not tested: {_inside(verdict.claim)}, because {verdict.reason}."
    return verdict.claim if verdict.holds else f"Not shown: {_inside(verdict.claim)}."


def _inside(claim: str) -> str:
    """A claim within a sentence: no capital unless it is a name's, no full stop."""
    first = claim.split(" ", 1)[0]
    return (claim if first.isupper() else claim[0].lower() + claim[1:]).rstrip(".")


def _answer(verdict: Verdict) -> str:
    return {True: "yes", False: "no", None: "not tested"}[verdict.holds]


def _ends(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:+.2f} to {interval[1]:+.2f}"
