"""What networks of all kinds share: pictures of one shape together, means over boxes, weights read safely."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import pad
from torchvision.ops import roi_align

from iconotext.core.errors import DataError, MissingPiece
from iconotext.regions.detections import Detections
from iconotext.regions.resize import Fitted

TOGETHER = {"cpu": 1, "cuda": 16}
"""How many pictures a network sees at once, all of one shape: padding one to the size of another would change its features."""

GIVEN = "given, in their order"
"""What a fingerprint says of boxes that were not found but given."""


def alike(pictures: Sequence[Fitted], device: torch.device) -> Iterator[list[int]]:
    """The places of pictures of one shape, so many at a time."""
    shapes: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(pictures):
        shapes.setdefault(picture.pixels.shape, []).append(place)
    together = TOGETHER.get(device.type, 1)
    for places in shapes.values():
        for start in range(0, len(places), together):
            yield places[start : start + together]


def in_groups(
    pictures: Sequence[Fitted], device: torch.device, read: Callable[[list[Fitted]], Iterable[Detections]]
) -> list[Detections]:
    """What ``read`` says of pictures of one shape at a time, in the order of the pictures."""
    found: dict[int, Detections] = {}
    for places in alike(pictures, device):
        found.update(zip(places, read([pictures[place] for place in places]), strict=True))
    return [found[place] for place in range(len(pictures))]


def unlabelled(boxes: Float32[np.ndarray, "R 4"], features: Float[Tensor, "R F"]) -> Detections:
    """Regions of which nothing is known but their look: score 1, no class, no attribute."""
    count = len(boxes)
    return Detections(
        boxes=boxes.astype(np.float32),
        scores=np.ones(count, np.float32),
        features=features.float().cpu().numpy(),
        class_probs=np.zeros((count, 0), np.float32),
        attributes=np.full(count, -1, np.int32),
        attribute_scores=np.zeros(count, np.float32),
    )


def labelled(
    boxes: Float[Tensor, "R 4"], scores: Float[Tensor, "R"], features: Float[Tensor, "R F"], probs: Float[Tensor, "R C"]
) -> Detections:
    """The regions of one picture by a detector that knows no attributes."""
    return Detections(
        boxes=boxes.float().cpu().numpy(),
        scores=scores.float().cpu().numpy(),
        features=features.float().cpu().numpy(),
        class_probs=probs.float().cpu().numpy(),
        attributes=np.full(len(boxes), -1, np.int32),
        attribute_scores=np.zeros(len(boxes), np.float32),
    )


def inside(boxes: Float[Tensor, "R 4"], width: int, height: int) -> Float[Tensor, "R 4"]:
    """The boxes cut to the picture, each at least a pixel wide and high."""
    most = boxes.new_tensor([width, height])
    low = boxes[:, :2].clamp(min=0).minimum((most - 1).clamp(min=0))
    return torch.cat([low, boxes[:, 2:].maximum(low + 1).minimum(most)], dim=1)


def pixels_of(pictures: Sequence[Fitted], device: torch.device) -> Float[Tensor, "B 3 H W"]:
    """Red, green and blue from 0 to 255 of pictures of one shape."""
    stacked = torch.stack([torch.from_numpy(picture.pixels.copy()) for picture in pictures])
    return stacked.to(device).permute(0, 3, 1, 2).float()


def given_boxes(picture: Fitted, device: torch.device) -> Float[Tensor, "R 4"]:
    """The boxes that were given, in pixels of the original.

    Raises:
        DataError: none were.
    """
    if picture.boxes is None:
        raise DataError("this detector needs the boxes of each picture: give them with `detector.fit(picture, boxes)`")
    return torch.from_numpy(picture.boxes).to(device)


def mean_over(maps: Float[Tensor, "B C h w"], shares: Sequence[Float[Tensor, "_ 4"]]) -> Float[Tensor, "N C"]:
    """The mean of each picture's map over its boxes, which are shares (0 to 1) of what the map covers.

    A box has as many samples as it covers cells of the map, at least one.
    """
    high, wide = maps.shape[2:]
    picture = torch.arange(len(shares), device=maps.device).repeat_interleave(
        torch.tensor([len(boxes) for boxes in shares], device=maps.device)
    )
    scale = torch.tensor([wide, high, wide, high], device=maps.device, dtype=torch.float32)
    rois = pad(torch.cat(list(shares)) * scale, (1, 0)) + pad(picture[:, None], (0, 4))
    means: Tensor = roi_align(maps.float().contiguous(), rois, 1, 1.0, sampling_ratio=-1, aligned=True)
    return means.flatten(1)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file: safetensors, or what torch saves, of which nothing but tensors is read.

    Raises:
        MissingPiece: there is no such file.
        DataError: it holds something else.
    """
    if not path.is_file():
        raise MissingPiece(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is no file of tensors: {reason}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} holds no tensors by name")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def fill(model: torch.nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load every tensor of a state into a model for inference.

    Raises:
        DataError: they are not this model's.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(f"{path} holds the weights of another model: {error}") from error
    model.eval().requires_grad_(False)


def extra(module: str, name: str) -> ModuleType:
    """A package that is not installed with Iconotext itself.

    Raises:
        MissingPiece: it is not there; the message names the extra that brings it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPiece(f"the package {error.name} is not installed: pip install 'iconotext[{name}]'") from error
