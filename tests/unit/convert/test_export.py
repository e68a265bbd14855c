"""Our models as the classes of transformers, and back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from samples import shake
from torch import Tensor
from transformers import BertForPreTraining, PreTrainedModel, VisualBertForPreTraining

from iconotext.convert import RELEASES, convert
from iconotext.convert.export import export, remaining
from iconotext.core.batch import Batch, Region, Text, offsets_of
from iconotext.core.errors import ConfigError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.schedule import joint_layer, text_layer
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word
from iconotext.objectives.mix import Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrfr import MRFR
from iconotext.systems import SYSTEMS
from iconotext.systems.bert import BERT
from iconotext.systems.visualbert import VISUALBERT

SIZES: dict[str, Any] = {
    "text": TextEmbedding((Word(), Position(24), Segment(2))),
    "width": 16,
    "heads": 2,
    "hidden": 24,
    "region_width": 16,
    "region_heads": 2,
    "region_hidden": 24,
    "eps": 1e-7,
}
REGIONS = dataclasses.replace(
    VISUALBERT.region, terms=tuple(Position(24) if isinstance(t, Position) else t for t in VISUALBERT.region.terms)
)
PAGES = {
    "bert_hf": dataclasses.replace(BERT, schedule=2 * text_layer(), **SIZES),
    "visualbert_hf": dataclasses.replace(VISUALBERT, region=REGIONS, schedule=2 * joint_layer(), **SIZES),
}
CLASSES: dict[str, type[PreTrainedModel]] = {
    "bert_hf": BertForPreTraining,
    "visualbert_hf": VisualBertForPreTraining,
}
ROWS, WORDS, COUNT, FEATURES = 2, 6, 3, 5


def model_of(page: System) -> PretrainModel:
    torch.manual_seed(0)
    model = PretrainModel(page, 40, FEATURES if page.region.terms else 0, 0)
    shake(model)
    return model.eval()


def inputs(release: str) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    found = {
        "input_ids": torch.randint(1, 40, (ROWS, WORDS), generator=random),
        "token_type_ids": torch.randint(0, 2, (ROWS, WORDS), generator=random),
        "attention_mask": torch.ones(ROWS, WORDS).long(),
    }
    if release == "visualbert_hf":
        found["visual_embeds"] = torch.randn(ROWS, COUNT, FEATURES, generator=random)
        found["visual_token_type_ids"] = torch.randint(0, 2, (ROWS, COUNT), generator=random)
        found["visual_attention_mask"] = torch.ones(ROWS, COUNT).long()
        found["image_text_alignment"] = torch.tensor([[[1, 3], [2, -1], [-1, -1]]]).expand(ROWS, -1, -1)
    return found


def batch_of(x: dict[str, Tensor]) -> Batch:
    count = x["visual_embeds"].shape[1] if "visual_embeds" in x else 0
    many, zeros = ROWS * count, torch.zeros(ROWS * WORDS).long()
    linked = {"linked": x["image_text_alignment"].flatten(0, 1)} if count else {}
    return Batch(
        text=Text(
            ids=x["input_ids"].flatten(),
            position=torch.arange(WORDS).repeat(ROWS),
            segment=x["token_type_ids"].flatten(),
            word=zeros,
            special=zeros > 0,
            link=zeros - 1,
            offsets=offsets_of(torch.full((ROWS,), WORDS)),
        ),
        region=Region(
            features=x["visual_embeds"].flatten(0, 1) if count else torch.zeros(0, 0),
            boxes=torch.zeros(many, 4),
            location=torch.zeros(many, 0),
            segment=x["visual_token_type_ids"].flatten() if count else torch.zeros(0).long(),
            class_probs=torch.zeros(many, 0),
            attributes=torch.full((many,), -1),
            masked=torch.zeros(many, dtype=torch.bool),
            whole=torch.zeros(many, dtype=torch.bool),
            offsets=offsets_of(torch.full((ROWS,), count)),
            **linked,
        ),
        matched=torch.ones(ROWS, dtype=torch.bool),
        position=torch.arange(ROWS),
    )


@pytest.mark.parametrize("release", PAGES)
@torch.no_grad()
def test_transformers_loads_what_we_write_and_computes_the_same(release: str, tmp_path: Path) -> None:
    model = model_of(PAGES[release])
    config, state = export(model, RELEASES[release])
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    theirs, info = CLASSES[release].from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    theirs = theirs.eval()
    assert theirs.__class__.__name__ in theirs.config.architectures

    x = inputs(release)
    out, batch = theirs(**x, output_hidden_states=True), batch_of(x)
    view = model.view(batch)
    match = model.heads["nsp" if release == "bert_hf" else "itm"](view.pooled())
    torch.testing.assert_close(match, out.seq_relationship_logits, rtol=0, atol=1e-5)
    words = model.heads["mlm"](view.encoded.text).view(ROWS, WORDS, -1)
    torch.testing.assert_close(words, out.prediction_logits[:, :WORDS], rtol=0, atol=1e-5)
    regions = view.encoded.region.view(ROWS, -1, 16)
    torch.testing.assert_close(regions, out.hidden_states[-1][:, WORDS:], rtol=0, atol=1e-5)

    assert {key for key in theirs.state_dict() if key not in RELEASES[release].ties} == set(state)
    back, carried = convert(RELEASES[release], theirs.config.to_dict(), theirs.state_dict())
    assert carried.unfilled == ()
    own = model.state_dict()
    assert back.state_dict().keys() == own.keys()
    assert all(torch.equal(tensor, own[name]) for name, tensor in back.state_dict().items())
    again, state_again = export(back, RELEASES[release])
    assert again == config
    assert all(torch.equal(tensor, state_again[name]) for name, tensor in state.items())


def test_a_model_that_their_class_cannot_compute_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot compute what this VisualBERT does: .*norm is pre, not post"):
        export(model_of(dataclasses.replace(PAGES["visualbert_hf"], norm="pre")), RELEASES["visualbert_hf"])
    with pytest.raises(ConfigError, match="schedule is"):
        export(model_of(PAGES["visualbert_hf"]), RELEASES["bert_hf"])


def test_a_missing_head_is_named() -> None:
    page = dataclasses.replace(PAGES["bert_hf"], mix=MLM())
    with pytest.raises(ConfigError, match=r"no heads.nsp.linear.bias, heads.nsp.linear.weight"):
        export(model_of(page), RELEASES["bert_hf"])


def test_heads_that_they_do_not_know_stay_behind() -> None:
    page = PAGES["visualbert_hf"]
    model = model_of(dataclasses.replace(page, mix=Together((page.mix, MRFR(tied=False)))))
    assert {name.split(".")[1] for name in remaining(model, RELEASES["visualbert_hf"])} == {"mrfr"}
    _, state = export(model, RELEASES["visualbert_hf"])
    assert not any("mrfr" in name for name in state)


def test_a_release_that_is_only_read_says_so() -> None:
    with pytest.raises(ConfigError, match="uniter is read, not written"):
        export(model_of(PAGES["bert_hf"]), RELEASES["uniter"])


@pytest.mark.parametrize("name", ["bert", "visualbert"])
def test_published_sizes_can_be_written(name: str) -> None:
    for size in ("base", "large"):
        if size == "base" or size in SYSTEMS[name].sizes:
            page, release = SYSTEMS[name].at(size), RELEASES[f"{name}_hf"]
            with torch.device("meta"):
                config, _ = export(PretrainModel(page, 30522, 2048, 0), release)
            assert release.system(config).schedule == page.schedule
