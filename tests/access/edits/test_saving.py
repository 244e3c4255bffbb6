"""Edits kept and read back: equal, doing the same, and holding no more of another run than the tensor they take."""

import json

import pytest
import torch

import sonde
from sonde.access import load_edits, pack_edits, save_edits, unpack_edits
from sonde.bases import PCA, Subspace
from sonde.results import Artifact, EditError, LoadError
from sonde.results.codec import Packed

SITE = "blocks.0.resid_post"
ROWS = [[3, 1, 0, 4, 7], [9, 2, 6]]


@pytest.fixture(scope="module")
def every(loaded):
    """An edit of every kind that can be kept."""
    source = loaded["gpt2"].run(ROWS, read=[SITE, "blocks.1.attn.pattern"], spans={"who": [(0, 1), (1, 2)]})
    plane, pca = Subspace.random(16, 2), PCA.fit(source[SITE], 3)
    return [
        sonde.Zero("blocks.1.attn.z[head=3, pos=-1]"), sonde.Set(f"{SITE}[pos=who]", 0.5), sonde.Set(f"{SITE}[pos=[0,2]]", torch.arange(16.0)),
        sonde.Mean(SITE, source[SITE].mean((0, 1))), sonde.Mean(SITE, source[SITE].mean(1), groups=[1, 0]), sonde.Add(SITE, 2),
        sonde.Scale(SITE, 0.5),
        sonde.Noise(SITE, 0.1, seed=3), sonde.Patch(SITE, source), sonde.Patch(f"{SITE}[pos=-1]", source, at=f"{SITE}[pos=0]"),
        sonde.Patch("blocks.1.attn.pattern[head=1]", source), sonde.Swap(f"{SITE}[pos=who]", source, plane, dims=[1]),
        sonde.Project(SITE, pca, "keep", dims=[0, 2]), sonde.Clamp(SITE, torch.ones(2), plane), sonde.Clamp(SITE, 1.0, dims=[3]),
        sonde.Set("blocks.0.attn.scores[query=-1, key=0]", -torch.inf), sonde.Detach(SITE), sonde.GradRule(SITE, "half"),
        sonde.PerRow([sonde.Zero(SITE), [sonde.Add(SITE, torch.ones(16)), sonde.Patch(f"{SITE}[pos=1]", loaded["gpt2"].run([[1, 2]], read=SITE))]]),
    ]  # fmt: skip


def test_read_back_equal_and_doing_the_same(loaded, every, tmp_path):
    again = load_edits(save_edits(every, tmp_path / "edits"))
    assert again == every and list(map(repr, again)) == list(map(repr, every))
    model, spans = loaded["gpt2"], {"who": [(0, 1), (1, 2)]}
    for first, second in zip(every, again, strict=True):
        before, after = (model.run(ROWS, edits=edit, spans=spans).logits for edit in (first, second))
        assert torch.allclose(before, after, rtol=1e-5, atol=1e-5), first  # a tensor that lies otherwise in memory is summed in another order


def test_the_description_is_json_and_holds_one_tensor_of_a_run(loaded, every):
    packed = pack_edits(every[8])
    text = json.dumps(packed.plain)
    assert "Patch" in text and SITE in text and [tuple(t.shape) for t in packed.tensors.values()] == [(2, 5, 16)]
    assert unpack_edits(Packed(json.loads(text), packed.tensors)) == [every[8]]
    assert sum(t.numel() for t in pack_edits(every[9]).tensors.values()) == 2 * 16


def test_what_is_read_back_still_refuses_other_rows(loaded, every):
    (patch,) = unpack_edits(pack_edits(every[8]))
    with pytest.raises(EditError, match="the source's rows have 5, 3 tokens and the run's 5, 5"):
        loaded["gpt2"].run([[1, 2, 3, 4, 5]] * 2, edits=patch)
    note = loaded["gpt2"].run(ROWS, edits=unpack_edits(pack_edits(every[10]))).notes
    assert any("recorded" in line for line in note)  # the kernel that the source was computed under


class Foreign:
    site = sonde.Site.parse(SITE)

    def new(self, old):
        return old


@pytest.mark.parametrize(
    "edit, message",
    [
        (sonde.Apply(SITE, torch.neg), "can't be saved: it holds a function; write its values with sonde.Set or sonde.Add"),
        (sonde.GradRule(SITE, torch.neg), "can't be saved: it holds a function; use a rule that has a name"),
        (Foreign(), "can't be saved: it is not of sonde's own kinds"),
        (sonde.PerRow([None, sonde.Apply(SITE, torch.neg)]), "can't be saved: it holds a function"),
    ],
)
def test_refused(edit, message, tmp_path):
    with pytest.raises(EditError, match=message):
        save_edits(edit, tmp_path / "edits")


def test_what_is_no_edit_is_not_read(tmp_path):
    with pytest.raises(LoadError, match=r"not a sonde\.access\.edits"):
        load_edits(Artifact("other", {}).save(tmp_path / "other"))
    for wrong in ({"edit": "Zap", "site": SITE}, {"edit": "Zero"}, {"site": SITE}, {"edit": "Zero", "site": SITE, "more": 1}, "Zero"):
        with pytest.raises(LoadError, match="is no edit that this sonde knows"):
            unpack_edits(Packed([wrong]))
