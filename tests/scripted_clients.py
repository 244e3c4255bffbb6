"""Clients that answer prompts from what is known of the planted rule: the truth, a coin, or the opposite of the truth."""

import ast
import random
import re

from sonde.features.descriptions import Answer, Usage


class Scripted:
    """Reads the prompt as a language model would have to; knows only the rule, as words and places.

    Arguments:
        fires: from the texts of tokens to whether each fires.
        manner: `perfect`, `random` or `inverted`.
        split: from a text to the texts of its tokens.
    """

    name = "scripted"

    def __init__(self, fires, manner, split, seed=0):
        self.fires, self.manner, self.split, self.draw = fires, manner, split, random.Random(seed)
        self.asked = []
        self.usage = Usage()

    def complete(self, prompts, max_tokens):
        self.asked += prompts
        return [Answer(self.answer(prompt)) for prompt in prompts]

    def answer(self, prompt):
        if "Description:'" in prompt:
            return "Description: the planted rule"
        if "tokens of a text, one a line" in prompt:
            tokens = [ast.literal_eval(line) for line in re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)]
            return str([self.graded(10 * fires) for fires in self.fires(tokens)])
        texts = [ast.literal_eval(found) for found in re.findall(r"^(?:Text: |\d+\. )('.*'|\".*\")$", prompt, re.MULTILINE)]
        if "In which is it not active" in prompt:
            active = [any(self.fires(self.split(text))) for text in texts]
            silent = active.index(False) + 1
            others = [i + 1 for i in range(len(texts)) if i + 1 != silent]
            return str({"perfect": silent, "random": self.draw.randint(1, len(texts)), "inverted": others[0]}[self.manner])
        answers = [self.graded(10 * self.true(text)) for text in texts]
        return str(answers[0] if len(answers) == 1 else answers)

    def true(self, text):
        """Whether the rule holds somewhere; with marks, whether they are where it holds."""
        if "<<" not in text:
            return any(self.fires(self.split(text)))
        marks = re.findall("<<(.*?)>>", text)
        return all(any(self.fires(self.split(mark))) for mark in marks)

    def graded(self, truth):
        return {"perfect": truth, "random": self.draw.randint(0, 10), "inverted": 10 - truth}[self.manner]
