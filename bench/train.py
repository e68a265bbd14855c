"""Training speed of UNITER base and ViLBERT base against Hugging Face's VisualBERT and LXMERT, and against the floor.

    python bench/train.py [--batch 32] [--rounds 5] [--precision bf16 fp32] [--device cpu] [--json FILE]

Every model takes whole steps (forward, losses, backward, clipping, fused AdamW) on the same pairs: 36 regions x 2048 and
captions of 8-20 words. The models take turns within a round; medians over the rounds are printed. UNITER's figure is the
mean over its mix of objectives (2 ITM+WRA : 2 MLM : 1 MRFR : 1 MRC), as it trains.

The floor is the time of the matrix products alone: for every linear map and attention product of the step its forward, its
input gradient and its weight gradient, at the same shapes and in the same dtype, timed in the same run. The share of it
travels between machines; pairs a second do not.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iconotext.core.batch import Batch
from iconotext.core.machine import peak_memory
from iconotext.core.seed import Draw, generator
from iconotext.core.vocab import Vocab
from iconotext.data.store import PackedRegions
from iconotext.data.words import TokenTable
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.attention import Product
from iconotext.objectives.base import Corrupted, Objective
from iconotext.objectives.mix import OneAtATime, Together, corrupt
from iconotext.recipes.material import seating
from iconotext.systems import SYSTEMS
from iconotext.train.config import TrainConfig
from iconotext.train.optim import adamw, update
from iconotext.train.precision import autocast

REGIONS, FEATURE, CLASSES, WORDS = 36, 2048, 1601, 30522
VOCAB = Vocab(WORDS, pad=0, unknown=100, begin=101, separator=102, mask=103, first=0)
Step = Callable[[], None]


def pairs(batch: int) -> tuple[TokenTable, PackedRegions]:
    """The same synthetic pairs for every model."""
    rng = generator("bench", batch)
    lengths = rng.integers(8, 21, batch)
    offsets = np.concatenate([[0], lengths.cumsum()])
    tokens = TokenTable(
        rng.integers(1000, WORDS, offsets[-1]).astype(np.int32), np.arange(offsets[-1], dtype=np.int32), offsets
    )
    many = batch * REGIONS
    corners = rng.random((many, 2, 2)).astype(np.float32) * (640, 480)
    boxes = np.concatenate([corners.min(1), corners.max(1) + 1], 1).astype(np.float32)
    probs = rng.dirichlet(np.full(CLASSES, 0.01), many).astype(np.float16)
    return tokens, PackedRegions(
        boxes=boxes,
        scores=np.ones(many, np.float32),
        features=np.abs(rng.normal(size=(many, FEATURE))).astype(np.float16),
        class_probs=probs,
        attributes=np.zeros(many, np.int32),
        attribute_scores=np.ones(many, np.float32),
        sizes=np.tile(np.array([[640, 480]], np.int32), (batch, 1)),
        offsets=np.arange(batch + 1, dtype=np.int64) * REGIONS,
    )


def micro_batches(name: str, batch: int) -> list[Corrupted]:
    """The batches of one round: each objective of a mix that takes turns as often as its share says."""
    page = SYSTEMS[name]
    tokens, regions = pairs(batch)
    rows = np.arange(batch, dtype=np.int64)
    clean: Batch = seating(page, VOCAB).batch(tokens, regions, rows % 2 == 0, rows)
    if isinstance(page.mix, OneAtATime):
        turns = [part for share, part in page.mix.parts for _ in range(int(share))]
    else:
        turns = [page.mix]
    chosen: list[tuple[Objective, ...]] = [
        tuple(turn.parts) if isinstance(turn, Together) else (turn,)  # type: ignore[arg-type]
        for turn in turns
    ]
    return [corrupt(some, clean, Draw(0, index, rows), VOCAB) for index, some in enumerate(chosen)]


def ours(name: str, batch: int, precision: str, device: torch.device) -> tuple[Step, int, PretrainModel]:
    """A step over one round of a system's batches, how many batches that is, and the model."""
    torch.manual_seed(0)
    model = PretrainModel(SYSTEMS[name], WORDS, FEATURE, CLASSES).to(device).train()
    weights = {o.name: o.weight for o in model.objectives.values()}
    optimiser = adamw(model, TrainConfig(steps=1))
    micros = [micro.to(device) for micro in micro_batches(name, batch)]

    def step() -> None:
        for micro in micros:
            torch.manual_seed(1)
            with autocast(precision, device):  # type: ignore[arg-type]
                losses = model(micro)
            optimiser.zero_grad(set_to_none=True)
            sum(weights[n] * loss.mean for n, loss in losses.items()).backward()
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            update(optimiser, gradients, min(1.0, 5.0 / float(nn.utils.get_total_norm(gradients))))

    return step, len(micros), model


def theirs(name: str, batch: int, precision: str, device: torch.device) -> tuple[Step, int, nn.Module]:
    """A step of a Hugging Face model on the same pairs, padded, with its default objectives."""
    import transformers

    tokens, regions = pairs(batch)
    longest = int(tokens.lengths.max()) + 2
    ids, mask = np.zeros((batch, longest), np.int64), np.zeros((batch, longest), np.int64)
    for row in range(batch):
        words = tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]]
        ids[row, : len(words) + 2] = [VOCAB.begin, *words, VOCAB.separator]
        mask[row, : len(words) + 2] = 1
    rng = generator("bench", "labels")
    chosen = (rng.random(ids.shape) < 0.15) & (mask == 1)
    labels = np.where(chosen, ids, -100)
    features = torch.from_numpy(regions.features.astype(np.float32)).view(batch, REGIONS, FEATURE)
    x: dict[str, Any] = {
        "input_ids": torch.from_numpy(np.where(chosen, VOCAB.mask, ids)),
        "attention_mask": torch.from_numpy(mask),
    }
    torch.manual_seed(0)
    if name == "hf_visualbert":
        config = transformers.VisualBertConfig(visual_embedding_dim=FEATURE)
        model: Any = transformers.VisualBertForPreTraining(config)
        none = torch.full((batch, REGIONS), -100)
        x |= {
            "visual_embeds": features,
            "visual_attention_mask": torch.ones(batch, REGIONS, dtype=torch.long),
            "labels": torch.cat([torch.from_numpy(labels), none], 1),
            "sentence_image_labels": torch.arange(batch) % 2,
        }
    else:
        model = transformers.LxmertForPreTraining(transformers.LxmertConfig(task_qa=False))
        flat = torch.ones(batch, REGIONS)
        x |= {
            "visual_feats": features,
            "visual_pos": torch.rand(batch, REGIONS, 4),
            "labels": torch.from_numpy(labels),
            "obj_labels": {
                "obj": (torch.randint(0, 1600, (batch, REGIONS)), flat),
                "attr": (torch.randint(0, 400, (batch, REGIONS)), flat),
                "feat": (features, flat),
            },
            "matched_label": torch.arange(batch) % 2,
        }
    model = model.to(device).train()
    move = lambda v: v.to(device) if isinstance(v, Tensor) else v  # noqa: E731
    x = {k: {n: tuple(map(move, p)) for n, p in v.items()} if isinstance(v, dict) else move(v) for k, v in x.items()}
    if "obj_labels" in x:
        x["obj_labels"]["feat"] = (features.to(device), flat.to(device))
    optimiser = adamw(model, TrainConfig(steps=1))

    def step() -> None:
        with autocast(precision, device):  # type: ignore[arg-type]
            loss = model(**x).loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()

    return step, 1, model


def products(model: PretrainModel, step: Step) -> Counter[tuple[int, ...]]:
    """The shapes of a step's matrix products: (rows, in, out) of linear maps, (batch, m, k, n) of attention."""
    found: Counter[tuple[int, ...]] = Counter()

    def linear(module: nn.Linear, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        found[inputs[0].numel() // module.in_features, module.in_features, module.out_features] += 1

    def attention(_: Product, inputs: tuple[Any, ...], __: Tensor) -> None:
        q, k = inputs[0], inputs[1]
        many = q.shape[0] * q.shape[1]
        found[many, q.shape[2], q.shape[3], k.shape[2]] += 1
        found[many, q.shape[2], k.shape[2], q.shape[3]] += 1

    def decoder(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        found[inputs[0].shape[0], inputs[0].shape[1], out.shape[1]] += 1

    hooks = [m.register_forward_hook(linear) for m in model.modules() if isinstance(m, nn.Linear)]
    hooks += [m.register_forward_hook(attention) for m in model.modules() if isinstance(m, Product)]
    # The tied decoders are functional products behind these heads' transforms.
    hooks += [model.heads[n].register_forward_hook(decoder) for n in ("mlm", "mrfr") if n in model.heads]
    step()
    for hook in hooks:
        hook.remove()
    return found


def floor_of(shapes: Counter[tuple[int, ...]], dtype: torch.dtype, device: torch.device) -> Step:
    """All products of a step: forward, input gradient, weight gradient."""
    work: list[tuple[int, Tensor, Tensor, Tensor]] = []
    for shape, count in shapes.items():
        if len(shape) == 3:
            rows, inputs, outputs = shape
            a, b, g = (rows, inputs), (outputs, inputs), (rows, outputs)
        else:
            many, m, k, n = shape
            a, b, g = (many, m, k), (many, n, k), (many, m, n)
        work.append((count, *(torch.randn(size, dtype=dtype, device=device) for size in (a, b, g))))  # type: ignore[arg-type]

    def run() -> None:
        for count, a, b, g in work:
            for _ in range(count):
                torch.matmul(a, b.transpose(-1, -2))
                torch.matmul(g, b)
                torch.matmul(g.transpose(-1, -2), a)

    return run


def seconds(step: Step, device: torch.device) -> float:
    """Wall time of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def make(name: str, batch: int, precision: str, device: torch.device) -> tuple[Step, int, Any]:
    return (theirs if name.startswith("hf_") else ours)(name, batch, precision, device)


def memory(name: str, args: argparse.Namespace, precision: str) -> float:
    """Peak memory of a process that takes two steps, in GB (on a GPU: of the device)."""
    command = [sys.executable, __file__, "--only", name, "--batch", str(args.batch), "--device", args.device]
    out = subprocess.run([*command, "--precision", precision], capture_output=True, text=True, check=True).stdout
    return float(out.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--couples", nargs="+", default=["uniter:hf_visualbert", "vilbert:hf_lxmert"])
    parser.add_argument("--json", default="")
    parser.add_argument("--only", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    device = torch.device(args.device)
    if args.only:
        step, _, _ = make(args.only, args.batch, args.precision[0], device)
        step()
        step()
        peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_memory()
        print(peak / 1e9)
        return
    results = []
    for precision in args.precision:
        for couple in args.couples:
            results += compare(couple.split(":"), precision, args, device)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=1)


def compare(couple: list[str], precision: str, args: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """Our system, theirs and the floor, alternating."""
    made = {name: make(name, args.batch, precision, device) for name in couple}
    step, _many, model = made[couple[0]]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    floor = floor_of(products(model, step), dtype, device)
    runs: dict[str, Step] = {**{name: made[name][0] for name in couple}, "floor": floor}
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, device))
    middle = {name: median(values) for name, values in times.items()}
    rows = []
    for name in couple:
        count = made[name][1]
        row = {
            "model": name,
            "precision": precision,
            "batch": args.batch,
            "step_ms": middle[name] / count * 1e3,
            "pairs_per_second": args.batch * count / middle[name],
            "memory_gb": memory(name, args, precision),
        }
        if name == couple[0]:
            row["share_of_floor"] = middle["floor"] / middle[name]
        rows.append(row)
    ratio = rows[0]["pairs_per_second"] / rows[1]["pairs_per_second"]
    for row in rows:
        print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v}" for k, v in row.items()))
    print(f"{couple[0]} / {couple[1]} in {precision}: {ratio:.2f} times the pairs a second", flush=True)
    del made, runs, floor, step, model
    gc.collect()
    return rows


if __name__ == "__main__":
    main()
