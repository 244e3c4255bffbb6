"""Two explanations in one report: what both answer stands beside each other, and each keeps its own words."""

import argparse
import json
from dataclasses import replace

import jsonschema
import pytest

import sonde.report
from sonde.cli import explain as command
from sonde.report import Explanation, side_by_side
from sonde.results import InputError


def test_two_prompts(gift, keys):
    both = side_by_side(gift, keys)
    document = both.document()
    assert [section.key for section in document.sections][:2] == ["differences", "summary"]
    for section in document.sections[2:]:
        titles = [drawing.title for drawing in (*gift.section(section.key).drawings, *keys.section(section.key).drawings)]
        assert {drawing.title for drawing in section.drawings} == set(titles)
        for drawing in section.drawings:
            assert drawing.kind == "beside" and len(drawing.data["parts"]) == min(2, titles.count(drawing.title))
    texts = [sentence.text for sentence in document.sections[1].sentences]
    assert texts == [f"Left, “{gift.prompt}”:", *gift.summary, f"Right, “{keys.prompt}”:", *keys.summary]


def test_two_models_are_told_apart_by_name_and_by_content(gift):
    assert side_by_side(gift, replace(gift, model="other")).labels == ("specimen:words", "other")
    assert "content" in side_by_side(gift, replace(gift, model_hash="0" * 16)).labels[1]
    with pytest.raises(InputError, match="give two that differ"):
        side_by_side(gift, gift)


def test_page_and_json(gift, keys, tmp_path):
    both = side_by_side(gift, keys)
    page = both.to_html(tmp_path / "both.html").read_text(encoding="utf-8")
    assert len(page) < 3_000_000
    data = json.loads(json.dumps(both.to_json(), allow_nan=False))
    validator = jsonschema.Draft202012Validator(Explanation.schema())
    for one in data["explanations"]:
        validator.validate(one)


def test_the_command(gift, keys, monkeypatch, capsys):
    asked = []

    def explain(model, prompt, **options):
        asked.append((model.name, prompt, options["foil"], options["profile"]))
        return {gift.prompt: gift, keys.prompt: keys}[prompt]

    monkeypatch.setattr(sonde.report, "explain", explain)
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    given = parser.parse_args(["explain", gift.prompt, "--beside", keys.prompt, "--foil", " John", "--foil", " Anna", "--for", "auditor", "--json"])
    assert given.run(given) == 0
    assert [one["prompt"] for one in json.loads(capsys.readouterr().out)["explanations"]] == [gift.prompt, keys.prompt]
    assert asked[0] == ("specimen:words", gift.prompt, [" John", " Anna"], "auditor") and len(asked) == 2
