"""Makes the clone's own choice of recorded cases: ``python tests/golden/choice.py RECORDED OUT``.

Tensors are packed by xz, which keeps them bit for bit. Three systems whose original is transformers, which is at hand, are
narrower than they were recorded: every weight is cut to its first rows and columns, and the original is run again on the
same inputs. Before that it is run on the recorded case itself, and has to give what was recorded.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save
from torch import Tensor

CHOSEN = (
    "lxmert/pretraining",
    "unimo/img2txt",
    "uniter/encoder",
    "uniter/ot_alone",
    "uniter/pretraining",
    "vilbert_beta/pretraining",
    "vilbert_multitask/encoder_task_token",
    "visualbert/pretraining",
    "vl_bert/pretraining",
    "vlp/pretraining_s2s",
    "volta/ctrl_lxmert/encoder",
    "volta/ctrl_uniter/encoder",
    "volta/ctrl_vilbert/encoder",
    "volta/ctrl_visualbert/encoder",
    "volta/ctrl_vlbert/pretraining",
)
NARROWER = ("bert_hf/pretraining", "lxmert_hf/pretraining", "visualbert_hf/encoder_alignment")
PARTS = ("weights", "inputs", "outputs")
NARROW = {"hidden_size": 16, "intermediate_size": 32}
Outputs = dict[str, Tensor]


def bert(model: Any, x: dict[str, Tensor]) -> Outputs:
    """BertForPreTraining and VisualBertForPreTraining have one form."""
    labels = {name: x[name] for name in ("labels", "next_sentence_label", "sentence_image_labels") if name in x}
    found = model(**x, output_hidden_states=True)
    trunk = model.bert if hasattr(model, "bert") else model.visual_bert
    out = {
        "embedding_output": found.hidden_states[0],
        "last_hidden_state": found.hidden_states[-1],
        "pooled_output": trunk(**{name: tensor for name, tensor in x.items() if name not in labels}).pooler_output,
        "prediction_logits": found.prediction_logits,
        "seq_relationship_logits": found.seq_relationship_logits,
    }
    out |= {
        f"hidden_states.{i}": state
        for i, state in enumerate(found.hidden_states)
        if 0 < i < len(found.hidden_states) - 1
    }
    if "labels" in labels:
        count = model.config.vocab_size
        words = torch.nn.functional.cross_entropy(
            found.prediction_logits.view(-1, count), labels.pop("labels").view(-1)
        )
        (match,) = (
            torch.nn.functional.cross_entropy(found.seq_relationship_logits, label) for label in labels.values()
        )
        out |= {"loss/mlm": words, "loss/nsp": match, "total_loss": found.loss}
    return out


def lxmert(model: Any, x: dict[str, Tensor]) -> Outputs:
    """LxmertForPreTraining; each loss is what the class returns when asked for it alone."""
    names = ("input_ids", "visual_feats", "visual_pos", "attention_mask", "visual_attention_mask", "token_type_ids")
    given = {name: x[name] for name in names}
    visual = {
        "obj": (x["obj_label"], x["obj_conf"]),
        "attr": (x["attr_label"], x["attr_conf"]),
        "feat": (x["feat_target"], x["feat_mask"]),
    }
    asked: dict[str, dict[str, Any]] = {
        "mlm": {"labels": x["lm_labels"]},
        "matched": {"matched_label": x["matched_label"]},
        "qa": {"ans": x["ans"]},
    }
    for name in visual:
        only = {key: (label, weight * (key == name)) for key, (label, weight) in visual.items()}
        asked[name] = {"obj_labels": only}
    trunk = model.lxmert(**given, output_hidden_states=True)
    found = model(**given, **asked["mlm"], **asked["matched"], **asked["qa"], obj_labels=visual)
    embed, see = model.lxmert.embeddings, model.lxmert.encoder.visn_fc
    out = {
        "embedding_output": embed(x["input_ids"], x["token_type_ids"]),
        "visual_embedding_output": see(x["visual_feats"], x["visual_pos"]),
        "language_output": trunk.language_output,
        "vision_output": trunk.vision_output,
        "pooled_output": trunk.pooled_output,
        "prediction_logits": found.prediction_logits,
        "cross_relationship_score": found.cross_relationship_score,
        "question_answering_score": found.question_answering_score,
        **{f"visual_scores/{name}": score for name, score in model.obj_predict_head(trunk.vision_output).items()},
        **{f"loss/{name}": model(**given, **wanted).loss for name, wanted in asked.items()},
        "total_loss": found.loss,
    }
    for stream in ("language", "vision"):
        states = getattr(trunk, f"{stream}_hidden_states")
        out |= {f"{stream}_hidden_states.{i}": state for i, state in enumerate(states[:-1])}
    return out


ORIGINALS: dict[str, tuple[str, Callable[[Any, dict[str, Tensor]], Outputs]]] = {
    "bert_hf": ("Bert", bert),
    "visualbert_hf": ("VisualBert", bert),
    "lxmert_hf": ("Lxmert", lxmert),
}


def run(info: dict[str, Any], weights: dict[str, Tensor], inputs: dict[str, Tensor], changes: dict[str, int]) -> Any:
    """(state dict, outputs) of the original with the config changed and its weights cut to fit; gradients as listed."""
    name, outputs = ORIGINALS[info["system"]]
    config = getattr(transformers, f"{name}Config")(**info["config"] | changes)
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{name}ForPreTraining")(config).eval()
    sizes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    model.load_state_dict({key: tensor[tuple(map(slice, sizes[key]))].clone() for key, tensor in weights.items()})
    found = outputs(model, inputs)
    if "total_loss" in found:
        found["total_loss"].backward()
        parameters = dict(model.named_parameters())
        wanted = [key for key in info["outputs"] if key.startswith("grad/")]
        found |= {key: parameters[key.removeprefix("grad/")].grad for key in wanted}
    return model.state_dict(), {key: tensor.detach().clone() for key, tensor in found.items()}


def narrower(source: Path) -> tuple[dict[str, Any], tuple[dict[str, Tensor], ...]]:
    """(case, weights, inputs and outputs) of a recorded case at a third of its widths; the recorded one is met first."""
    info = json.loads((source / "case.json").read_text("utf-8"))
    weights, inputs, outputs = (load_file(source / f"{name}.safetensors") for name in PARTS)
    _, same = run(info, weights, inputs, {})
    assert same.keys() == outputs.keys()
    worst = max((same[key] - tensor).abs().max().item() for key, tensor in outputs.items())
    assert worst < info["tolerance"]["max_abs"] / 2, worst
    state, found = run(info, weights, inputs, NARROW)
    info["config"] |= NARROW
    info["notes"].append(
        "The recorded case of this name with every weight cut to its first rows and columns, and run again "
        f"(tests/golden/choice.py, transformers {transformers.__version__}); float64_run_differs_by is the wider case's."
    )
    for name, tensor in found.items():
        info["outputs"][name]["shape"] = list(tensor.shape)
    return info, (state, inputs, found)


def packed(data: bytes) -> bytes:
    """Packed by xz, with its context set to numbers of four bytes."""
    settings = ({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": lc, "lp": 2} for lc in (0, 1, 2))
    return min((lzma.compress(data, filters=[one]) for one in settings), key=len)


def main(recorded: Path, out: Path) -> None:
    """Writes the chosen cases."""
    for name in CHOSEN + NARROWER:
        (out / name).mkdir(parents=True)
        if name in NARROWER:
            info, parts = narrower(recorded / name)
            (out / name / "case.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n", "utf-8")
            files = [save({key: tensor.clone().contiguous() for key, tensor in part.items()}) for part in parts]
        else:
            shutil.copyfile(recorded / name / "case.json", out / name / "case.json")
            paths = [recorded / name / f"{part}.safetensors" for part in PARTS]
            files = [path.read_bytes() if path.is_file() else b"" for path in paths]
        for part, data in zip(PARTS, files, strict=True):
            if data:
                (out / name / f"{part}.safetensors.xz").write_bytes(packed(data))
        print(name, sum(path.stat().st_size for path in (out / name).iterdir()), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
