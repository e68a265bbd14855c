"""The flags of the verbs that take a detector, and whether what they name is here: told without PyTorch, which takes seconds to
import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional, Suppress

from iconotext.data.records import DataSet
from iconotext.recipes.needs import require_detector


@dataclass(frozen=True)
class ExtractOptions:
    """Find the regions of all pictures of a data set and keep them, with their features, in a region store.

    A run that was interrupted goes on where it stopped. Pictures that cannot be used are left out, counted, and named with the
    reason in STORE/quarantine.jsonl. Equal files are looked at once.
    """

    data: Positional[Path]
    """The data set, made by `iconotext world` or `iconotext ingest`."""
    store: Positional[Path]
    """Folder of the region store."""
    detector: Literal["world", "grid", "patches", "boxes", "bottom-up", "torchvision", "transformers", "onnx"] = "world"
    """world finds drawn things and names them, grid cuts any picture into cells, patches into plain pixels (ViLT),
    boxes takes the boxes of the objects; torchvision, transformers and onnx find things by a network of theirs or yours."""
    model: str = ""
    """The network: torchvision's name, a folder or a name of the hub (transformers), a file (onnx)."""
    weights: Path | None = None
    """A weights file, or torchvision's name of one; None takes those that are published with the network."""
    backbone: str = ""
    """What grid, patches and boxes look with, as SOURCE:NETWORK (torchvision, timm, efficientnet-lite)."""
    layer: str = ""
    """Where a feature is read: a backbone's layer; backbone or queries (transformers)."""
    ask: tuple[str, ...] = ()
    """Things that a detector of open vocabulary looks for (transformers)."""
    given: bool = False
    """Take the boxes of the objects in place of those that the detector finds."""
    min: int = 10
    """Fewest regions of a picture (detectors that find)."""
    max: int = 36
    """Most regions of a picture (detectors that find)."""
    threshold: float = 0.2
    """Confidence from which a box counts as a region (detectors that find)."""
    nms: float = 0.5
    """Overlap (IoU) from which a more confident box hides another (detectors that find)."""
    columns: int = 6
    """Cells side by side (grid, patches)."""
    rows: int = 4
    """Cells one above the other (grid, patches)."""
    width: int = 512
    """Pixels across that a backbone sees (grid, boxes)."""
    height: int = 384
    """Pixels down that a backbone sees (grid, boxes)."""
    batch: int = 32
    """Pictures that are handed to the detector at once; changes the speed, never a result."""
    workers: int = 0
    """Threads that decode and detect; 0 takes one a core."""
    device: str = "auto"
    """auto takes a GPU where there is one; cpu or cuda."""
    features: Literal["float16", "int8"] = "float16"
    """How features are kept; int8 takes half of the disk and errs by less than 1 % of a feature's standard deviation."""
    top_classes: int = 0
    """Class probabilities of a region that are kept, with the sum of the others; 0 keeps all."""
    part: str = "1/1"
    """I/N does the I-th of N parts of the work: start N processes, on any machines that see the store, and the last one to
    end completes it."""
    engine: Literal["threads", "ray"] = "threads"
    """ray spreads the work over the machines of a Ray cluster (RAY_ADDRESS), or starts Ray on this one."""
    ray_workers: int = 0
    """Workers on the cluster, each with --workers threads; 0 takes as many as have room."""


@dataclass(frozen=True)
class PlanOptions(ExtractOptions):
    """Predict the time, the disk and the memory of `iconotext extract` by extracting a few pictures.

    Takes the flags of extract, so the trial is what the whole will be; what it writes is thrown away.
    """

    store: Suppress[Path] = Path()
    part: Suppress[str] = "1/1"
    engine: Suppress[Literal["threads", "ray"]] = "threads"
    ray_workers: Suppress[int] = 0
    pictures: int = 128
    """Pictures of the trial, drawn from all."""
    processes: int = 1
    """Processes (--part I/N) or machines that share the work."""


def require(options: ExtractOptions) -> None:
    """Look for the pictures and the weights.

    Raises:
        DataError: there is no data set.
        MissingPiece: the weights are not here.
    """
    DataSet.open(options.data)
    require_detector(options.detector, options.model, options.weights, options.backbone)
