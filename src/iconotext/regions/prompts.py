"""Detectors of open vocabulary are asked for things in words: how the words go in, and where their answers come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iconotext.core.errors import ConfigError


@dataclass(frozen=True)
class Prompt:
    """``rows`` is the text of one picture as the network takes it; ``owns`` [classes, outputs] says which outputs speak of
    which thing."""

    rows: dict[str, Tensor]
    owns: Bool[Tensor, "C L"]

    def inputs(self, pictures: int) -> dict[str, Tensor]:
        """The text for so many pictures."""
        return {name: row.repeat(pictures, 1) for name, row in self.rows.items()}

    def probabilities(self, logits: Float[Tensor, "B Q L"]) -> Float[Tensor, "B Q C"]:
        """The highest probability among the outputs of each thing."""
        owns = self.owns.to(logits.device)
        apart = logits.sigmoid()[..., None, : owns.shape[1]]
        return torch.where(owns, apart, apart.new_zeros(())).amax(-1)


def prompt_of(kind: str, tokenizer: Any, asked: Sequence[str]) -> Prompt:
    """The prompt of a network of that kind.

    Raises:
        ConfigError: networks of this kind cannot be asked here.
    """
    if kind not in KINDS:
        raise ConfigError(f"detectors of open vocabulary are asked here if they are of {', '.join(KINDS)}; not {kind}")
    return KINDS[kind](tokenizer, asked)


def _one_text_each(tokenizer: Any, asked: Sequence[str]) -> Prompt:
    """A text a thing (OWL-ViT): "a photo of a ..." as it was trained."""
    texts = [f"a photo of a {thing}" for thing in asked]
    rows = tokenizer(texts, padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    return Prompt(
        {name: rows[name] for name in ("input_ids", "attention_mask")}, torch.eye(len(asked), dtype=torch.bool)
    )


def _one_sentence(tokenizer: Any, asked: Sequence[str]) -> Prompt:
    """All things in one sentence, each ended by a full stop (Grounding DINO); every token has an output."""
    rows = tokenizer(" ".join(f"{thing.lower().strip(' .')}." for thing in asked), return_tensors="pt")
    (stop,) = tokenizer.convert_tokens_to_ids(["."])
    special = set(tokenizer.all_special_ids)
    owns = torch.zeros(len(asked), rows["input_ids"].shape[1], dtype=torch.bool)
    thing = 0
    for place, token in enumerate(rows["input_ids"][0].tolist()):
        if token == stop:
            thing += 1
        elif token not in special:
            if thing >= len(asked):
                raise ConfigError(f"a thing that is asked for has a full stop inside: {', '.join(asked)}")
            owns[thing, place] = True
    return Prompt(dict(rows), owns)


KINDS: dict[str, Callable[[Any, Sequence[str]], Prompt]] = {
    "owlvit": _one_text_each,
    "owlv2": _one_text_each,
    "grounding-dino": _one_sentence,
    "mm-grounding-dino": _one_sentence,
}
