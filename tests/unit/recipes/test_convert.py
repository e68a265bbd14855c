"""Published checkpoints in, and out again: what the command writes is used as any run is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import recorded
from safetensors.torch import load_file, save_file
from samples import shake
from torch import Tensor
from toy_data import COLOURS, FEATURES, PRINT, THINGS, make_data, make_store, make_words

import iconotext
from iconotext.convert import RELEASES, Release
from iconotext.core.errors import ConfigError, DataError, FingerprintError, MissingPiece
from iconotext.data.words import Words
from iconotext.models.checkpoint import load
from iconotext.models.pretrain import PretrainModel
from iconotext.models.task import TaskModel
from iconotext.recipes import finetune
from iconotext.recipes.convert import ConvertOptions, releases, run
from iconotext.tasks.vqa import VqaOptions

CONFIG: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "v_hidden_size": 12,
    "v_num_hidden_layers": 2,
    "v_num_attention_heads": 2,
    "v_intermediate_size": 20,
    "bi_hidden_size": 8,
    "bi_num_attention_heads": 2,
    "v_biattention_id": [0, 1],
    "t_biattention_id": [0, 1],
    "vocab_size": 99,
}


def published(
    release: Release, config: Mapping[str, Any], vocabulary: int, attributes: int = 0
) -> tuple[PretrainModel, dict[str, Tensor]]:
    """A model with random weights, and the same weights as the release names them."""
    torch.manual_seed(0)
    model = PretrainModel(release.system(config), vocabulary, FEATURES, len(THINGS) + 1, attributes)
    shake(model)
    own, state = model.state_dict(), {}
    for rule in release.rules(model.system):
        given = rule.give(own[rule.target])
        state[rule.source] = given.clone() if rule.row is None else torch.stack([torch.zeros_like(given), given])
    return model, state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with its regions and tokenizer, and published checkpoints of two systems."""
    folder = tmp_path_factory.mktemp("convert")
    data, _ = make_data(folder / "data"), make_store(folder / "store")
    words = make_words(data)
    words.save(folder / "tokenizer.json")
    (folder / "given.json").write_text(json.dumps(CONFIG))
    for name in ("uniter", "vilbert_beta"):
        torch.save(published(RELEASES[name], CONFIG, words.vocab.size)[1], folder / f"{name}.bin")
    return folder


def options(folder: Path, out: Path, name: str = "uniter", **changes: Any) -> ConvertOptions:
    given = {"config": folder / "given.json", "tokenizer": folder / "tokenizer.json", "store": folder / "store"}
    return ConvertOptions(folder / f"{name}.bin", out, **{**given, **changes})


@pytest.mark.parametrize(("name", "release"), [("uniter", "auto"), ("uniter", "uniter"), ("vilbert_beta", "vilbert")])
def test_what_was_published_is_a_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, release: str
) -> None:
    run(options(folder, tmp_path / "run", name, release=release))
    saved = load(tmp_path / "run")
    expected, _ = published(RELEASES[name], CONFIG, saved.model.shape["vocabulary"])
    assert all(torch.equal(tensor, saved.model.state_dict()[key]) for key, tensor in expected.state_dict().items())
    assert saved.features.fingerprint == PRINT
    assert saved.run["release"] == name
    assert saved.run["new"] == []
    text = capsys.readouterr().out
    assert f"mapped: {len(RELEASES[name].rules(expected.system))} tensors" in text
    assert "new: 0 tensors" in text
    assert "layer.0..1." in text
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert iconotext.load(tmp_path / "run").words.vocab.size == saved.model.shape["vocabulary"]


def test_it_trains_on(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "run"))
    given = {"data": folder / "data", "store": folder / "store", "start": tmp_path / "run", "out": tmp_path / "vqa"}
    few = {"steps": 2, "batch": 4, "workers": 0, "precision": "fp32", "evaluate_on": 0}
    finetune.run(finetune.FinetuneOptions(VqaOptions(1), **given, **few))
    assert isinstance(load(tmp_path / "vqa").model, TaskModel)


def test_answers_that_its_head_knows_are_taken_over(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fine-tuning begins with the rows of the answers of the same text, as LXMERT's code does."""
    layers = {"llayers": 1, "xlayers": 1, "rlayers": 1, "num_answers": 19}
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | layers))
    words = Words.load(folder / "tokenizer.json").vocab.size
    model, state = published(RELEASES["lxmert"], CONFIG | layers, words, len(COLOURS))
    torch.save(state, tmp_path / "lxmert.bin")
    answers = ["Red", "no", *map(str, range(17))]
    (tmp_path / "all_ans.json").write_text(json.dumps([{"ans": answer} for answer in answers]))
    given = {"tokenizer": folder / "tokenizer.json", "store": folder / "store", "config": tmp_path / "config.json"}
    converted = ConvertOptions(tmp_path / "lxmert.bin", tmp_path / "run", answers=(tmp_path / "all_ans.json",), **given)
    run(converted)
    begin = {"data": folder / "data", "store": folder / "store", "start": tmp_path / "run", "out": tmp_path / "vqa"}
    few = {"steps": 1, "batch": 4, "workers": 0, "precision": "fp32", "evaluate_on": 0, "learning_rate": 0.0}
    finetune.run(finetune.FinetuneOptions(VqaOptions(1), **begin, **few))
    told = "2 of 5 answers begin as the head iqa knows them."
    assert told in capsys.readouterr().err
    saved = load(tmp_path / "vqa")
    assert saved.run["head"] == [told]
    assert isinstance(saved.model, TaskModel)
    for theirs, answer in enumerate(("red", "no")):
        ours = saved.model.task.answers.index(answer)
        known = model.heads["iqa"].layers[-1].weight[theirs]
        assert torch.equal(saved.model.head.layers[-1].weight[ours], known)


def test_without_a_head_the_rest_is_taken_and_the_head_is_new(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(folder / "uniter.bin")
    (tmp_path / "bare").mkdir()
    kept = {key: tensor for key, tensor in state.items() if not key.startswith(("region_classifier", "itm"))}
    save_file(kept, tmp_path / "bare" / "w.safetensors")
    (tmp_path / "bare" / "config.json").write_text(json.dumps(CONFIG))
    run(ConvertOptions(tmp_path / "bare" / "w.safetensors", tmp_path / "run"))
    saved = load(tmp_path / "run")
    assert set(saved.run["new"]) == {n for n in saved.model.state_dict() if n.startswith(("heads.itm", "heads.mrc"))}
    assert saved.model.shape["classes"] == 1
    text = capsys.readouterr().out
    assert "new: 8 tensors" in text
    assert "convert again with --tokenizer" in text
    assert "convert again with --store" in text
    with pytest.raises(MissingPiece, match="--tokenizer FILE"):
        iconotext.load(tmp_path / "run")


def test_features_that_nobody_named_are_refused(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "run", store=None))
    given = {"data": folder / "data", "store": folder / "store", "start": tmp_path / "run", "out": tmp_path / "vqa"}
    with pytest.raises(FingerprintError, match="that of ChenRocks/UNITER"):
        finetune.run(finetune.FinetuneOptions(VqaOptions(), **given))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release": "unitre"}, "There is no release 'unitre'; there are: auto, vilbert, 12in1"),
        ({"release": "vilbert"}, "bert.embeddings.word_embeddings.weight is missing"),
        ({"config": None}, "needs .*768"),
        ({"config": None, "release": "auto"}, "The nearest is uniter: these tensors do not fit"),
    ],
)
def test_what_cannot_be_taken_says_why_and_leaves_nothing(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        run(options(folder, tmp_path / "run", **{"release": "uniter", **changes}))
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_is_too_large_or_a_store_that_is_too_wide(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(900))]))
    with pytest.raises(DataError, match=r"big\.txt has 905 words"):
        run(options(folder, tmp_path / "run", tokenizer=tmp_path / "big.txt"))
    state = torch.load(folder / "uniter.bin")
    state["uniter.img_embeddings.img_linear.weight"] = torch.zeros(16, 9)
    state["uniter.img_embeddings.mask_embedding.weight"] = torch.zeros(2, 9)
    state["feat_regress.bias"] = torch.zeros(9)
    torch.save(state, tmp_path / "wide.bin")
    with pytest.raises(DataError, match="has features of 7 numbers, the checkpoint reads 9"):
        run(
            ConvertOptions(
                tmp_path / "wide.bin", tmp_path / "run", config=folder / "given.json", store=folder / "store"
            )
        )


def test_nothing_is_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something already"):
        run(options(folder, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("bert_hf", "bert_hf"),
        ("visualbert_hf", "visualbert_hf"),
        ("visualbert", "visualbert_hf"),
        ("lxmert", "lxmert_hf"),
    ],
)
def test_out_and_in_again(tmp_path: Path, golden_dir: Path, source: str, target: str) -> None:
    """A recorded checkpoint to ours, written out, and to ours again: the same tensors, bit for bit."""
    cases = [path.parent for path in sorted(golden_dir.rglob("case.json"))]
    info = {case: json.loads((case / "case.json").read_text()) for case in cases}
    case = next(case for case in cases if info[case]["system"] == source and info[case]["kind"] != "function")
    (tmp_path / "config.json").write_text(json.dumps(info[case]["config"]))
    save_file(recorded(case, "weights"), tmp_path / "weights.safetensors")
    run(ConvertOptions(tmp_path / "weights.safetensors", tmp_path / "one", source, config=tmp_path / "config.json"))
    run(ConvertOptions(tmp_path / "one", tmp_path / "out", to=target.replace("_", "-")))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.json", "model.safetensors"}
    run(ConvertOptions(tmp_path / "out", tmp_path / "two"))
    assert load(tmp_path / "two").run["release"] == target
    one, two = (load_file(tmp_path / number / "model.safetensors") for number in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(torch.equal(tensor, two[key]) for key, tensor in one.items())


def test_only_what_has_a_form_is_written_in_it(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "run"))
    for to in ("uniter", "auto"):
        with pytest.raises(ConfigError, match=f"Nothing is written as '{to}'"):
            run(ConvertOptions(tmp_path / "run", tmp_path / "out", to=to))


def test_names_of_releases() -> None:
    assert [release.name for release in releases("vilbert")] == ["vilbert_beta"]
    assert len(releases("auto")) == len(RELEASES)
    for release in RELEASES.values():
        assert releases(release.name.replace("_", "-")) == [release]
