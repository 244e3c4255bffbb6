"""The page of a blinded sheet: texts with shaded tokens, and nothing that tells what an item is."""

from collections.abc import Sequence
from html import escape

from sonde.features.descriptions.windows import Example

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Blinded sheet</title>
<style>
:root { color-scheme: light dark; --mark: 217 119 6 }
body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 1px solid #8886; padding: .5rem 0 1rem } h2 { font-size: 1.1rem }
li { margin: .3rem 0; white-space: pre-wrap; overflow-wrap: anywhere } span[title] { border-bottom: 2px solid rgb(var(--mark)); border-radius: 2px }
</style></head><body>
<h1>What do these texts have in common?</h1>
<p>Each item shows texts in which something in a language model is active. The active tokens are underlined, and the darker the stronger, compared
with the strongest of the item. Write into <code>sheet.csv</code>, in the row of the item, a rating: 1 if you see nothing in common, 5 if one clear
rule says where the marks are; and the rule in your own words.</p>
"""


def page(items: Sequence[Sequence[Example]]) -> str:
    """The page as HTML; whatever the texts hold is shown as text.

    Arguments:
        items: the examples of each, in the order of the sheet.
    """
    sections = []
    for k, examples in enumerate(items):
        most = max(example.peak for example in examples)
        shown = "\n".join(f"<li>{_text(example, most)}</li>" for example in examples)
        sections.append(f'<section id="item-{k + 1}"><h2>Item {k + 1}</h2><ol>\n{shown}\n</ol></section>')
    return _HEAD + "\n".join(sections) + "\n</body></html>\n"


def _text(example: Example, most: float) -> str:
    """One text; strengths are shares of the item's own highest, so that their unit tells nothing."""
    parts = []
    for token, a in zip(example.window.tokens, example.activations, strict=True):
        share = a / most
        strength = f"{share:.0%} of the strongest"
        mark = f'<span title="{strength}" style="background:rgb(var(--mark) / {0.15 + 0.6 * share:.2f})">{escape(token)}</span>'
        parts.append(mark if a > 0 else escape(token))
    return "".join(parts)
