"""Greater-than: an event ends later than it begins (Hanna et al. 2023, "How does GPT-2 compute greater-than?").

After "The war lasted from 1732 to 17" every later year of the century is right and every other one wrong, so the metric sums their probabilities.
The counterfactual begins in the century's year 01, after which hardly any year is wrong.

Which tokens stand for the years depends on the tokenizer. Where a year's last two digits are one token, there are a hundred; where every digit is a
token, the next one is the decade's: later decades are right, earlier ones wrong, and the first year's own decade, which may be either, is left out.
Tokenizers that cut a year elsewhere ("173|2") can't go on after the century, and the prompts don't fit them.
"""

import re
from collections.abc import Iterator

from sonde.tasks.prompt import Prompt
from sonde.tasks.template import Case, Template

_YEAR = re.compile(r"(1\d|20)(\d\d)")
AWAY = 10  # years from the border to those that stand for the sets, where the century leaves room


def later_years(prompt: Prompt) -> Iterator[Case]:
    """The later years of the century that the prompt ends with, where a year of that century stands before it and no other number."""
    numbers = [word for word in prompt.words if word.text.isdigit()]
    if len(numbers) != 2 or numbers[-1] != prompt.words[-1] or prompt.text[-1].isspace() or numbers[-1].end != len(prompt.text):
        return
    start, century = numbers
    found = _YEAR.fullmatch(start.text)
    if found is None or found[1] != century.text or not 1 < int(found[2]) < 99:
        return
    answers, wrongs = _tokens(prompt, int(found[2]))
    if answers and wrongs:
        reason = f"{found[1]}01 instead of {start.text}, so that nearly every year is later"
        yield Case("01", prompt.replaced({start: f"{found[1]}01"}), answers, wrongs, reason, {"start": start, "century": century})


def _tokens(prompt: Prompt, start: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The next tokens of which all years are later, and those of which none is.

    First of either stands a year equally far from the border: after the counterfactual's year 01 a model has no reason to prefer one of the two.
    """
    end = prompt.text[prompt.words[-2].start :]
    before = prompt.tokenizer.encode(end, bos=False)
    years: dict[int, list[int]] = {}
    for year in range(100):
        ids = prompt.tokenizer.encode(f"{end}{year:02d}", bos=False)
        # a year that a tokenizer spells otherwise (" 1750" as one token) is not what the prompt's tokens go on to
        if ids[: len(before)] == before and len(ids) > len(before):
            years.setdefault(ids[len(before)], []).append(year)
    away = min(AWAY, start, 99 - start)
    later = sorted((abs(min(meant) - start - away), token) for token, meant in years.items() if min(meant) > start)
    others = sorted((abs(start - away - max(meant)), token) for token, meant in years.items() if max(meant) <= start)
    return tuple(token for _, token in later), tuple(token for _, token in others)


GREATER_THAN = Template(
    "greater_than",
    "Which years are later?",
    'Hanna et al. 2023, "How does GPT-2 compute greater-than?"',
    (
        "The {event} lasted from {y:year} to {y.century}",
        "The {event} lasted from the year {y:year} to the year {y.century}",
        "The {event} began in {y:year} and ended in {y.century}",
        "The {event} started in {y:year} and went on until {y.century}",
    ),
    later_years,
    {"01": "the first year is the century's 01, after which nearly every year is later"},
    metric="probability_difference",
)
