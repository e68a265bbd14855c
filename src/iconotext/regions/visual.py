"""Networks that turn a picture into a map and find nothing: torchvision's and timm's classifiers, EfficientNet-Lite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from iconotext.core.artefacts import digest, from_hub, manifest
from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.regions.pool import extra, fill, read_state
from iconotext.regions.rcnn import weights_file

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Maps = Callable[[Float[Tensor, "B 3 H W"]], Float[Tensor, "B C h w"]]


@dataclass(frozen=True)
class Visual:
    """A backbone ready for use: ``maps`` takes red, green and blue from 0 to 255; ``stride`` is pixels a cell."""

    name: str
    sha256: str
    layer: str
    width: int
    stride: int
    maps: Maps


def load_visual(name: str, weights: Path | None = None, layer: str = "", device: str | torch.device = "cpu") -> Visual:
    """``torchvision:resnet50``, ``timm:vit_base_patch16_224`` or ``efficientnet-lite:efficientnet-lite0``.

    ``weights`` is a file, or (torchvision) a name; None takes what the source itself publishes, if it is here. ``layer`` is
    where the map is read (each source has its own names and a default).

    Raises:
        ConfigError: there is no such source, network or layer.
        MissingPiece: a package or the weights are not here.
        DataError: the file holds something else.
    """
    source, _, model = name.partition(":")
    if source not in SOURCES or not model:
        raise ConfigError(f"{name!r} is no backbone; write SOURCE:NETWORK with a source of {', '.join(SOURCES)}")
    network, path, layer, (mean, deviation), read = SOURCES[source](model, weights, layer)
    fill(network, read_state(path), path)
    network.to(device)
    shift, scale = (255 * torch.tensor(v, device=device).view(3, 1, 1) for v in (mean, deviation))

    def maps(pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        found: Tensor = read((pixels - shift) / scale)
        return found

    with torch.inference_mode():
        width, high = maps(torch.zeros(1, 3, 224, 224, device=device)).shape[1:3]
    return Visual(name, digest([path]), layer, width, 224 // high, maps)


Source = tuple[nn.Module, Path, str, tuple[Any, Any], Callable[[Tensor], Tensor]]


def _torchvision(model: str, weights: Path | None, layer: str) -> Source:
    """The layer is a module's name; by default the last one that still is a map."""
    classifiers = models.list_models(module=models)
    if model not in classifiers:
        raise ConfigError(f"torchvision has no network {model!r} that classifies; there are {', '.join(classifiers)}")
    path, _ = weights_file(model, weights, f"backbone torchvision:{model}")
    network = models.get_model(model, weights=None)
    named = dict(network.named_children())
    layer = layer or next((name for name in ("permute", "layer4", "features") if name in named), "")
    try:
        extractor = create_feature_extractor(network, {layer: "map"})
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"torchvision:{model} has no layer {layer!r}; --layer is one of {', '.join(named)}"
        ) from error
    preset = models.get_model_weights(model)["DEFAULT"].transforms()
    moments = (preset.mean, preset.std) if hasattr(preset, "mean") else IMAGENET
    return network, path, layer, moments, lambda pixels: extractor(pixels)["map"]


def _timm(model: str, weights: Path | None, layer: str) -> Source:
    """The layer is the number of a stage or block; by default the last."""
    timm = extra("timm", "timm")
    if model not in timm.list_models():
        near = ", ".join(timm.list_models(f"*{model[:6]}*")[:12])
        raise ConfigError(f"timm has no network {model!r}; near it are {near or 'none'}")
    try:
        network = timm.create_model(model, pretrained=False, dynamic_img_size=True)
    except TypeError:  # A convolutional network takes pictures of any size anyway.
        network = timm.create_model(model, pretrained=False)
    published = network.pretrained_cfg.get("hf_hub_id")
    path = weights or (from_hub(published, "model.safetensors") if published else None)
    if path is None:
        raise MissingPiece(
            f"timm:{model} needs its weights: give them with `--weights FILE` (model.safetensors of "
            f"{published or 'the network'}, or your own)"
        )
    if layer and not layer.isdigit():
        raise ConfigError(f"timm:{model}: --layer is the number of a stage, not {layer!r}")
    indices = [int(layer)] if layer else 1
    config = timm.data.resolve_model_data_config(network)

    def read(pixels: Tensor) -> Tensor:
        found: Tensor = network.forward_intermediates(pixels, indices=indices, intermediates_only=True)[-1]
        return found

    return network, path, layer or "last", (config["mean"], config["std"]), read


def _efficientnet_lite(model: str, weights: Path | None, layer: str) -> Source:
    """EfficientNet-Lite (package ``efficientnet-lite-pytorch``), read after its last convolution: 1280 channels."""
    lite = extra("efficientnet_lite_pytorch", "lite")
    known = manifest()
    if weights is None and model not in known:
        raise ConfigError(
            f"no weights of {model!r} are known; give them with `--weights FILE`, or take efficientnet-lite0"
        )
    path = weights or known[model].require(f"backbone efficientnet-lite:{model}")
    network = lite.EfficientNet.from_name(model)
    # As the published training did it: (value - 127) / 128.
    return network, path, layer or "head", ((127 / 255,) * 3, (128 / 255,) * 3), network.extract_features


SOURCES: dict[str, Callable[[str, Path | None, str], Source]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "efficientnet-lite": _efficientnet_lite,
}
