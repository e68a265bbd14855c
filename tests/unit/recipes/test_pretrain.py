from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_data import PRINT, make_data, make_store, make_words, regions, scene
from transformers import BertConfig, BertForPreTraining

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.store import RegionStore, StoreWriter
from iconotext.data.words import Words
from iconotext.models.checkpoint import load
from iconotext.objectives.alone import TextAlone
from iconotext.objectives.mix import objectives
from iconotext.objectives.mlm import MLM
from iconotext.recipes.asking import without_labels
from iconotext.recipes.named import page_of
from iconotext.recipes.pretrain import PretrainOptions, run, whole_words


def unlabelled(path: Path) -> RegionStore:
    """A store whose regions have no class probabilities, as a grid's."""
    writer = StoreWriter(path, dataclasses.replace(PRINT, classes=0), (), ())
    row = regions("train-0", scene("train-0"))
    writer.write_shard(0, [dataclasses.replace(row, class_probs=np.zeros((len(row.boxes), 0), np.float16))])
    return writer.finish()


@pytest.mark.parametrize("system", ["uniter", "vilbert"])
@pytest.mark.parametrize("size", ["base", "tiny"])
def test_without_labels_features_are_regressed_in_place_of_classes(tmp_path: Path, system: str, size: str) -> None:
    page = page_of(system, size)
    names = {o.name for o in objectives(page.mix)}
    changed = without_labels(page, unlabelled(tmp_path / "store"))
    assert {o.name for o in objectives(changed.mix)} == (names - {"mrc_soft"}) | {"mrfr"}
    assert changed.departures[:-1] == page.departures


def test_with_labels_the_page_is_itself(tmp_path: Path) -> None:
    page = page_of("uniter", "tiny")
    assert without_labels(page, make_store(tmp_path / "store", {"train": 2})) is page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its regions, and a language model that knows its words."""
    folder = tmp_path_factory.mktemp("pretrain")
    data, _ = make_data(folder / "data"), make_store(folder / "store")
    words = make_words(data)
    config = BertConfig(vocab_size=words.vocab.size, hidden_size=16, num_hidden_layers=4, num_attention_heads=2)
    config.intermediate_size = 24
    torch.manual_seed(0)
    BertForPreTraining(config).save_pretrained(folder / "bert")
    words.save(folder / "bert" / "tokenizer.json")
    return folder


def options(folder: Path, out: Path, **changes: Any) -> PretrainOptions:
    given = {
        "data": folder / "data",
        "store": folder / "store",
        "out": out,
        "size": "tiny",
        "text_init": folder / "bert",
    }
    few = {"steps": 1, "batch": 4, "learning_rate": 0.0, "workers": 0, "precision": "fp32"}
    return PretrainOptions(**{**given, **few, **changes})


@pytest.mark.parametrize("system", ["uniter", "vilbert"])
def test_words_begin_with_a_language_model(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], system: str
) -> None:
    run(options(folder, tmp_path / "run", system=system))
    saved = load(tmp_path / "run")
    theirs = BertForPreTraining.from_pretrained(folder / "bert").state_dict()
    ours = saved.model.state_dict()
    assert torch.equal(ours["trunk.text.tables.word.weight"], theirs["bert.embeddings.word_embeddings.weight"])
    assert torch.equal(ours["heads.mlm.transform.linear.weight"], theirs["cls.predictions.transform.dense.weight"])
    assert (saved.model.system.width, saved.model.system.norm) == (16, "post")
    assert Words.load(saved.tokenizer).vocab == Words.load(folder / "bert" / "tokenizer.json").vocab
    said = capsys.readouterr().err
    assert "taken: " in said
    assert "not taken: " in said
    assert "the language model 4" in said


def test_a_tokenizer_that_knows_more_words_or_none_at_all(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(900))]))
    with pytest.raises(DataError, match="the tokenizer 905: leave --tokenizer out"):
        run(options(folder, tmp_path / "run", tokenizer=tmp_path / "big.txt"))
    BertForPreTraining.from_pretrained(folder / "bert").save_pretrained(tmp_path / "bare")
    with pytest.raises(DataError, match="name one with --tokenizer"):
        run(options(folder, tmp_path / "run", text_init=tmp_path / "bare"))


def test_a_segmenter_masks_its_words_as_a_whole(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "run", text_init=None, segmenter="textwrap:wrap"))
    system = load(tmp_path / "run").model.system
    assert all(o.whole_word for o in objectives(system.mix) if o.name == "mlm")
    assert system.departures[-1] == "Whole words are masked, as a segmenter cuts them."
    assert all(o.whole_word for o in objectives(whole_words(page_of("uniter", "base")).mix) if o.name == "mlm")
    alone = TextAlone(MLM(rate=0.2))
    assert whole_words(dataclasses.replace(system, mix=alone)).mix == TextAlone(MLM(rate=0.2, whole_word=True))
    for wrong in ("jieba", "no_such_module:cut", "textwrap:no_such_function"):
        with pytest.raises(ConfigError, match=f"{wrong}: give MODULE:NAME, such as jieba:lcut"):
            run(options(folder, tmp_path / "other", text_init=None, segmenter=wrong))
