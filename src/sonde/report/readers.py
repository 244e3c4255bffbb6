"""What a reader is told first, where that is not the summary.

Two rules hold for whoever is no developer: no part of the network is named, and a number stands only where its uncertainty stands beside it. What is
said is no stronger than the verdict it comes from: what was not shown is said not to be shown.
"""

from typing import TYPE_CHECKING

from sonde.results import Verdict
from sonde.results.document import Section, Sentence
from sonde.results.drawing import table

if TYPE_CHECKING:
    from sonde.report.explanation import Explanation

UNVERIFIED = "Unverified: nothing that is said here passed its test."


def auditor(explanation: "Explanation") -> Section:
    """The claims that failed or could not be tested, and the data sheet."""
    failed = [verdict for verdict in explanation.verdicts if verdict.holds is False]
    untested = [verdict for verdict in explanation.verdicts if verdict.holds is None]
    n = len(explanation.verdicts)
    lead = f"{n - len(failed) - len(untested)} of {n} claims hold, {len(failed)} do not, {len(untested)} could not be tested."
    if not explanation.verified:
        lead = f"{UNVERIFIED} {lead}"
    lead += " What failed stands first; then what was explained, and how. Every claim with its figures stands under Summary and Verification."
    sentences = [Sentence(f"Does not hold: {_claim(verdict)}", verdict) for verdict in failed]
    sentences += [Sentence(f"Could not be tested: {_claim(verdict)}", verdict) for verdict in untested]
    rows = [
        ["target of the explanation", "one prediction: input, representations and components"],
        ["scope", "one prompt; claims are about its siblings, the same sentence about other people and things"],
        ["access", "white box: activations were read and changed"],
        ["timing", "post hoc: the model was not built to be explained"],
        ["form", "scores, drawings and sentences"],
        ["causality", "claims are interventional; attribution maps, attention and lens are associational until their claim holds"],
        ["model", f"{explanation.model}, content {explanation.model_hash}, {explanation.dtype}"],
        ["compared with", explanation.corrupt or "nothing: no counterfactual was found"],
        ["prompts behind each interval", ", ".join(sorted({str(verdict.n) for verdict in explanation.verdicts if verdict.n})) or "none"],
        ["chosen and judged on", "different prompts: parts and layers are chosen on one half of the siblings, claims are judged on the other"],
        ["seed", str(explanation.seed)],
        ["known limits", "; ".join(explanation.warnings) or "none were met"],
        ["made again by", explanation.command],
    ]
    return Section("reader", "For the auditor", lead, [table("What was explained, and how?", ["", ""], rows)], sentences)


def expert(explanation: "Explanation") -> Section:
    """Words, examples and the counterfactual: what an expert of the field can judge without knowing the network."""
    lead = (
        f"Explained is why the model goes on with `{explanation.target}` rather than `{explanation.foil}` after “{explanation.prompt}”. What follows "
        "is in terms of the text. The inside of the model is described in the folded sections; you need none of it to judge whether this makes sense."
    )
    if not explanation.verified:
        lead = f"{UNVERIFIED}\n\n{lead}"
    sentences = [*_behaviour(explanation), *_words(explanation), *_change(explanation)]
    sentences.append(Sentence(f"Not shown: {LIMITS}"))
    rows = [list(row) for row in explanation.examples]
    heads = ["example", "the same, changed", "right", "the model prefers it", "still, when changed"]
    drawings = [table("What does the model say to other such sentences?", heads, rows)] if rows else []
    return Section("reader", "In terms of the text", lead, drawings, sentences)


def affected(explanation: "Explanation") -> Section:
    """What mattered, what would change it, how sure that is, what it does not show, and whom to ask."""
    lead = f"A computer program read “{explanation.prompt}” and chose the next word. This page says what is known about why."
    if not explanation.verified:
        lead = f"{UNVERIFIED}\n\n{lead}"
    held, n = sum(verdict.holds is True for verdict in explanation.verdicts), len(explanation.verdicts)
    sentences = [
        Sentence(f"The choice explained is `{explanation.target}`, and not `{explanation.foil}`."),
        *_words(explanation),
        *_change(explanation),
        Sentence(f"How sure is this? Each statement was tested on similar sentences. {_counted(held, n)}"),
        Sentence(f"What this does not show: {LIMITS}"),
        Sentence("Whom to ask: those who use the program. The sections below hold the full evidence for them, and nothing is left out."),
    ]
    return Section("reader", "In short", lead, sentences=sentences)


LIMITS = "whether the choice is right or fair, and whether the program would choose alike in a sentence of another form."


def _counted(held: int, n: int) -> str:
    if not held:
        return "None of the tests was passed, so treat what is said here as a guess."
    return "All tests were passed." if held == n else "Some tests were passed and some were not; each is marked below."


def _behaviour(explanation: "Explanation") -> list[Sentence]:
    verdict = explanation.claims["prediction"][0]
    if verdict.holds:
        return [
            Sentence("In other sentences of this form the model follows what the sentence says: with the words changed, its choice changes.", verdict)
        ]
    return [Sentence("It was not shown that the model's choice follows what the sentence says.", verdict)]


def _words(explanation: "Explanation") -> list[Sentence]:
    """What mattered, by the tokens that rank highest."""
    verdict = explanation.claims["attribution"][0]
    words = ", ".join(f"`{token}`" for token in explanation.highest)
    if verdict.holds:
        return [
            Sentence(
                f"What mattered most: {words}. In similar sentences, replacing such words took more of the choice away than replacing others.",
                verdict,
            )
        ]
    return [Sentence(f"Which words mattered was not shown. The first guess is {words}.", verdict)]


def _change(explanation: "Explanation") -> list[Sentence]:
    """What would change the choice: the counterfactual, run."""
    if explanation.corrupt is None or explanation.turned is None:
        return [Sentence("No small change of the text was found that could be compared with it.")]
    if explanation.turned:
        return [Sentence(f"What would change it: with the text “{explanation.corrupt}” the model prefers `{explanation.foil}`.")]
    return [Sentence(f"Tried: with the text “{explanation.corrupt}” the model still prefers `{explanation.target}`.")]


def _claim(verdict: Verdict) -> str:
    reason = f" ({verdict.reason})" if verdict.reason else ""
    return f"{verdict.claim.rstrip('.')}{reason}."
