"""`sonde.explain`: one prediction, from the tokens to the parts that compute it.

The order of the evidence keeps searching and judging apart. The prompt's siblings (the same sentence about other people and things) are
split in two halves: on one the components and the layer are chosen, on the other every claim is tested. And before anything is explained,
the behaviour itself is tested: where the model does not prefer the target over the foil by the sentence's form, no further claim is made.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from sonde.access import Model
from sonde.features import Features
from sonde.jobs import track
from sonde.report.chapters import CHAPTERS
from sonde.report.described import refuse_others
from sonde.report.explanation import Explanation
from sonde.report.featured import featured
from sonde.report.material import gather
from sonde.report.profiles import profile_of
from sonde.report.reproduce import command_line
from sonde.report.summary import judged_together, summary, with_evidence
from sonde.results import InputError, Result, Verdict
from sonde.results.document import Section


def explain(
    model: Model,
    prompt: str,
    target: str | None = None,
    foil: str | Sequence[str] | None = None,
    corrupt: str | None = None,
    bos: bool | None = None,
    seed: int = 0,
    foil_sentence: str = "",
    profile: str = "researcher",
    progress: bool = False,
    databases: Sequence[Features] = (),
) -> Explanation:
    """Explain what a language model says after a prompt, with the evidence for each sentence.

    Arguments:
        model: a language model of a known family, with its tokenizer. Where bases are attached to it, or a
            dictionary is shipped for it, the report has a section on their features.
        prompt: the text; the next token is explained.
        target: the token to explain; by default the task's right answer, else the model's first guess.
        foil: what it is contrasted with; by default the task's wrong answer, else the first guess under the counterfactual. With several, each has
            its own maps behind tabs, and the claims are about the first.
        corrupt: a prompt with as many tokens, under which the answer should change; by default one is found, and all candidates are shown.
        bos: as for `Model.run`.
        seed: of every random draw.
        foil_sentence: a sentence that the prompt, as a sentence, is compared with; then the report has a section on this minimal pair.
        profile: who reads it, which decides what comes first: "researcher", "auditor", "expert" (of the field) or "affected".
        progress: show a progress bar in a terminal.
        databases: what was collected and described of the features of attached bases; of the shipped dictionary it is known.

    Returns:
        The explanation: `document()`, `to_html(path)`, `to_json()`, `verdicts`, `summary`.

    Raises:
        InputError: a prompt, target, foil or counterfactual that does not fit the model; a database of another model, basis or site.

    >>> import sonde
    >>> explanation = explain(sonde.load("specimen:words"), "The keys on the cabinet")
    >>> explanation.target, explanation.foil
    (' are', ' is')
    """
    if not model.architecture.unembed or not model.architecture.causal or model.tokenizer is None:
        raise InputError(f"{model.name} is no causal language model of a known family with its tokenizer, so there is no next token to explain")
    profile_of(profile)
    started = time.perf_counter()
    foils = [] if foil is None else [foil] if isinstance(foil, str) else list(foil)
    refuse_others(featured(model) or model, databases)
    material = replace(gather(model, prompt, target, foils, corrupt, bos, seed, foil_sentence), databases=tuple(databases))
    sections: dict[str, Section] = {}
    claims: dict[str, list[Verdict]] = {}
    results: dict[str, Result] = {}
    wanted = {"minimal_pair": bool(foil_sentence), "features": featured(model) is not None}
    asked = [key for key in CHAPTERS if wanted.get(key, True)]
    for key in track(asked, "explaining", shown=progress):
        chapter = CHAPTERS[key](material)
        claims[key] = chapter.verdicts
        sections[key], results = chapter.section, results | chapter.results
    claims = judged_together(claims)
    verdicts = [verdict for made in claims.values() for verdict in made]
    sections["verification"] = with_evidence(sections["verification"], verdicts)
    return Explanation(
        model=model.name,
        model_hash=model.hash,
        dtype=model.dtype,
        prompt=prompt,
        tokens=material.prediction.tokens,
        target=material.candidates.target,
        foil=material.candidates.foil,
        foils=[contrast.foil for contrast in material.contrasts],
        corrupt=material.corrupt,
        seed=seed,
        seconds=time.perf_counter() - started,
        warnings=material.warnings,
        sections=[summary(verdicts), *sections.values()],
        results=results,
        claims=claims,
        examples=material.examples(),
        command=command_line(
            prompt,
            model.name,
            target,
            foils,
            corrupt,
            bos,
            seed,
            profile,
            foil_sentence,
            [site.rpartition(".")[0] for site in model.bases],
            [str(one.folder) for one in databases],
        ),
        profile=profile,
    )
