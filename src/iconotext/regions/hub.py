"""Any object detector of transformers: its boxes and classes, with features from its backbone or from its queries."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from torchvision.ops import box_convert

from iconotext.core.artefacts import digest, hub_folder
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.pool import GIVEN, extra, given_boxes, in_groups, inside, labelled, mean_over
from iconotext.regions.prompts import Prompt, prompt_of
from iconotext.regions.resize import Fitted, as_it_is
from iconotext.regions.select import Selection, choose

BACKBONE, QUERIES = "backbone", "queries"
LAYERS = {
    BACKBONE: "backbone, mean of its last map over the box",
    QUERIES: "queries, the state from which the detector reads class and box",
}
"""Where a feature is read; the first word is the option."""

_SETTINGS = ("do_resize", "size", "resample", "do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
_SQUARE = ("owlv2",)
"""Detectors whose boxes are shares of a square around the picture, which fills it from the upper left."""


@dataclass(frozen=True)
class Hub:
    """A detector with what prepares its pictures and, where it is asked for things in words, the words."""

    model: nn.Module
    processor: Any
    kind: str
    sha256: str
    class_names: tuple[str, ...]
    prompt: Prompt | None


def load_hub(name: str, asked: Sequence[str] = ()) -> Hub:
    """A detector from a local folder, or one of the hub that was fetched before; nothing is fetched here.

    ``asked`` are the things that a detector of open vocabulary looks for.

    Raises:
        MissingPiece: transformers or the detector is not here.
        ConfigError: it is no detector, or it has to be asked and was not, or the other way round.
        DataError: the folder is damaged.
    """
    transformers = extra("transformers", "hf")
    folder = hub_folder(name)
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise MissingPiece(f"{folder} holds no weights (*.safetensors or pytorch_model.bin)")
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        open_vocabulary = type(config) in transformers.MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING
        if not open_vocabulary and type(config) not in transformers.MODEL_FOR_OBJECT_DETECTION_MAPPING:
            raise ConfigError(f"{name}: a {config.model_type} of transformers detects no objects")
        if open_vocabulary != bool(asked):
            does = "looks for what it is asked: name it with `--ask`" if open_vocabulary else "has its own classes"
            raise ConfigError(f"{name}: a {config.model_type} {does}")
        auto = transformers.AutoModelForZeroShotObjectDetection if open_vocabulary else None
        auto = auto or transformers.AutoModelForObjectDetection
        model = auto.from_pretrained(folder, dtype=torch.float32)
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder) if open_vocabulary else None
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise DataError(f"{folder} cannot be read as a detector of transformers: {error}") from error
    prompt = prompt_of(config.model_type, tokenizer, asked) if tokenizer is not None else None
    names = tuple(asked) or tuple(config.id2label[number] for number in sorted(config.id2label))
    model.eval().requires_grad_(False)
    return Hub(model, processor, config.model_type, digest(files), ("background", *names), prompt)


class HubDetector:
    """The detector's own boxes, each with its highest probability, of which ``selection`` chooses.

    ``layer`` "backbone" reads a feature from the box alone (a box that is given has the feature of one that was found),
    "queries" takes the state of the query that found it. Where the detector decides on each class apart (a sigmoid), the
    background has what the most probable class leaves, and the classes share the rest in proportion. Of ``given`` boxes
    nothing but the feature is known.
    """

    attribute_names: tuple[str, ...] = ()
    fit = staticmethod(as_it_is)

    def __init__(
        self, hub: Hub, selection: Selection, device: torch.device, layer: str = "", given: bool = False
    ) -> None:
        layer = layer or BACKBONE
        if layer not in LAYERS or (given and layer == QUERIES):
            raise ConfigError(
                f"--layer {layer}: a detector of transformers has {' or '.join(LAYERS)}; given boxes have no query"
            )
        self._model, self._hub, self._device = hub.model.to(device), hub, device
        self._selection, self._layer, self.needs_boxes = selection, layer, given
        self._seen = threading.local()
        backbone = next((m for name, m in hub.model.named_modules() if name.split(".")[-1] == "backbone"), None)
        if backbone is not None:
            backbone.register_forward_hook(self._note)
        self.class_names = () if given else hub.class_names
        self.fingerprint = self._fingerprint()

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture, the most confident first, or the given ones in their order.

        Raises:
            DataError: boxes are to be given, and were not.
        """
        return in_groups([p if isinstance(p, Fitted) else self.fit(p) for p in pictures], self._device, self._alike)

    def _alike(self, pictures: list[Fitted]) -> Iterator[Detections]:
        inputs, outputs = self._run(pictures)
        frames = [torch.tensor(self._frame(p.size) * 2, device=self._device).float() for p in pictures]
        if self.needs_boxes:
            given = [given_boxes(picture, self._device) for picture in pictures]
            features = self._pooled(inputs, outputs, given, frames)
            for box, feature in zip(given, features):
                yield labelled(box, box.new_ones(len(box)), feature, box.new_zeros(len(box), 0))
            return
        probs = self._probabilities(outputs)
        found = box_convert(outputs.pred_boxes, "cxcywh", "xyxy")
        boxes: list[Tensor] = []
        rows: list[Tensor] = []
        scores: list[Tensor] = []
        for picture, shares, frame, prob in zip(pictures, found, frames, probs):
            mine = inside(shares * frame, *picture.size)
            order, confidence = choose(mine, prob[:, 1:].amax(-1), self._selection)
            boxes.append(mine[order])
            rows.append(order)
            scores.append(confidence)
        if self._layer == QUERIES:
            features = [state[row] for state, row in zip(self._states(outputs), rows)]
        else:
            features = self._pooled(inputs, outputs, boxes, frames)
        for box, score, feature, prob, row in zip(boxes, scores, features, probs, rows):
            yield labelled(box, score, feature, self._shared(prob[row]))

    def _run(self, pictures: list[Fitted]) -> tuple[dict[str, Tensor], Any]:
        """The network's input and output for pictures of one shape."""
        images = [torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1) for picture in pictures]
        try:
            inputs = dict(self._hub.processor(images=images, input_data_format="channels_first", return_tensors="pt"))
        except (ValueError, RuntimeError, ZeroDivisionError) as error:  # A picture so thin that one side vanishes.
            sides = "x".join(map(str, pictures[0].size))
            raise DataError(f"the detector cannot bring a picture of {sides} pixels to its size: {error}") from error
        if self._hub.prompt is not None:
            inputs |= self._hub.prompt.inputs(len(pictures))
        inputs = {name: value.to(self._device) for name, value in inputs.items() if isinstance(value, Tensor)}
        self._seen.maps = None
        return inputs, self._model(**inputs)

    def _note(self, module: nn.Module, inputs: object, output: Any) -> None:
        """Keep the backbone's last map: an output is a list of maps with masks, or that list and their positions."""
        levels = output[0] if isinstance(output, tuple) else output
        self._seen.maps = levels[-1][0] if isinstance(levels[-1], tuple | list) else levels[-1]

    def _map(self, inputs: dict[str, Tensor], outputs: Any) -> Float[Tensor, "B C h w"]:
        """The map of the backbone; of a plain vision transformer its patches, as far as they are told apart."""
        maps: Tensor | None = self._seen.maps
        if maps is not None:
            return maps
        if getattr(outputs, "image_embeds", None) is not None:
            embeds: Tensor = outputs.image_embeds
            return embeds.permute(0, 3, 1, 2)
        if self._hub.kind == "yolos":
            high, wide = inputs["pixel_values"].shape[2:]
            config: Any = self._model.config
            grid = high // config.patch_size, wide // config.patch_size
            patches: Tensor = outputs.last_hidden_state[:, 1 : 1 + grid[0] * grid[1]]
            return patches.transpose(1, 2).reshape(len(patches), -1, *grid)
        raise ConfigError(f"a {self._hub.kind} of transformers shows no map of its backbone: take `--layer queries`")

    def _pooled(
        self, inputs: dict[str, Tensor], outputs: Any, boxes: list[Tensor], frames: list[Tensor]
    ) -> Sequence[Tensor]:
        """The mean of the map over each picture's boxes; a mask tells what of the input a picture fills."""
        share = torch.ones(4, device=self._device)
        mask = inputs.get("pixel_mask")
        if mask is not None:
            fill = torch.stack([mask[0].any(0).float().mean(), mask[0].any(1).float().mean()])
            share = fill.repeat(2)
        shares = [box / frame * share for box, frame in zip(boxes, frames)]
        return torch.split(mean_over(self._map(inputs, outputs), shares), [len(box) for box in boxes])

    def _states(self, outputs: Any) -> Float[Tensor, "B Q D"]:
        states: Tensor | None = getattr(outputs, "class_embeds", None)
        if states is None:
            states = outputs.last_hidden_state[:, -outputs.logits.shape[1] :]
        return states

    def _frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """The width and height of which boxes are shares."""
        return (max(size), max(size)) if self._hub.kind in _SQUARE else size

    def _probabilities(self, outputs: Any) -> Float[Tensor, "B Q C"]:
        """The background first; of classes that are decided apart, their own probabilities."""
        classes = len(self._hub.class_names) - 1
        if self._hub.prompt is not None:
            own = self._hub.prompt.probabilities(outputs.logits)
        elif outputs.logits.shape[-1] == classes + 1:  # The last one says "no object".
            together: Tensor = outputs.logits.softmax(-1).roll(1, dims=-1)
            return together
        else:
            own = outputs.logits[..., :classes].sigmoid()
        return torch.cat([1 - own.amax(-1, keepdim=True), own], dim=-1)

    @staticmethod
    def _shared(probs: Float[Tensor, "R C"]) -> Float[Tensor, "R C"]:
        """The same as a distribution; one that is a distribution stays as it is."""
        own = probs[:, 1:]
        return torch.cat([probs[:, :1], own * ((1 - probs[:, :1]) / own.sum(-1, keepdim=True).clamp(min=1e-12))], -1)

    def _fingerprint(self) -> Fingerprint:
        hub = self._hub
        asked = (
            "" if hub.prompt is None else f", asked {hashlib.sha256(repr(hub.class_names).encode()).hexdigest()[:8]}"
        )
        settings = {name: getattr(hub.processor, name, None) for name in _SETTINGS}
        return Fingerprint(
            detector=f"transformers:{hub.kind}{asked}",
            weights=hub.sha256,
            layer=LAYERS[self._layer],
            resize=json.dumps(settings, sort_keys=True, default=lambda value: dict(value)),
            colour_order="RGB",
            boxes=GIVEN if self.needs_boxes else str(self._selection),
            dtype="float32",
            feature_dim=self._width(),
            classes=len(self.class_names),
            attributes=0,
        )

    @torch.inference_mode()
    def _width(self) -> int:
        """Entries of a feature, from a grey picture."""
        grey = torch.full((64, 64, 3), 128, dtype=torch.uint8).numpy()
        inputs, outputs = self._run([as_it_is(grey)])
        if self._layer == QUERIES:
            return self._states(outputs).shape[-1]
        return self._map(inputs, outputs).shape[1]
