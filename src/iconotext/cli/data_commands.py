"""The verbs that make data sets and regions."""

from __future__ import annotations

from iconotext.cli.command import Command

DATA_COMMANDS: tuple[Command, ...] = (
    Command(
        "world",
        "Draw the built-in data set: pictures whose truth is known, with texts and questions.",
        recipe="world",
        options="WorldOptions",
        examples=(
            "iconotext world data/world --size small",
            "iconotext world data/tiny --size tiny --languages en",
        ),
    ),
    Command(
        "ingest",
        "Make a data set of your own pictures and texts.",
        recipe="ingest",
        options="IngestOptions",
        examples=(
            "iconotext ingest photos data/photos",
            "iconotext ingest shop data/shop --table shop/captions.csv --image-column file --text-column title",
            "iconotext ingest train2017 data/coco --table captions_train2017.json",
            "iconotext ingest vqa/annotations data/vqa --format vqa --images coco",
        ),
    ),
    Command(
        "extract",
        "Find the regions of all pictures and keep them, with their features, in a region store.",
        recipe="extract",
        options="ExtractOptions",
        flags="flags",
        examples=(
            "iconotext extract data/world data/regions --detector world",
            "iconotext extract data/photos data/photo-regions --detector grid --columns 5 --rows 5",
            "iconotext extract data/photos data/found --detector torchvision --model fasterrcnn_resnet50_fpn_v2",
            "iconotext extract data/shop data/products --detector boxes --backbone efficientnet-lite:efficientnet-lite0",
        ),
    ),
    Command(
        "plan",
        "Predict the time, the disk and the memory of an extraction by a short trial.",
        recipe="plan",
        options="PlanOptions",
        flags="flags",
        examples=("iconotext plan data/world --detector world", "iconotext plan data/photos --features int8"),
    ),
    Command(
        "import-features",
        "Make a region store of features that others extracted, in any layout of the field.",
        recipe="import_features",
        options="ImportOptions",
        examples=(
            "iconotext import-features trainval_resnet101_faster_rcnn_genome_36.tsv data/coco-regions",
            "iconotext import-features img_db/flickr30k data/flickr-regions --sizes data/flickr30k",
        ),
    ),
    Command(
        "clean",
        "Find the texts that do not belong to their pictures, and make a data set without them.",
        recipe="clean",
        options="CleanOptions",
        examples=(
            "iconotext clean data/web --model runs/uniter --store data/regions --out runs/clean",
            "iconotext clean data/web --model runs/uniter --store data/regions --out runs/clean --remove 0.2",
            "iconotext clean data/web --model runs/uniter --store data/regions --out runs/clean --weigh",
        ),
    ),
    Command(
        "artefacts",
        "List the weights and corpora that are known by hash, and whether they are here.",
        recipe="artefacts",
        options="ArtefactsOptions",
        examples=("iconotext artefacts",),
    ),
    Command(
        "artefacts keep",
        "Put a file into the folder of artefacts, so that models find it by its hash.",
        recipe="artefacts",
        options="KeepOptions",
        run="keep_file",
        examples=("iconotext artefacts keep shop-detector.pth --licence MIT",),
    ),
    Command(
        "artefacts fetch",
        "Fetch an artefact from one of its sources, and check its hash.",
        recipe="artefacts",
        options="FetchOptions",
        run="fetch",
        examples=("iconotext artefacts fetch efficientnet-lite0",),
    ),
    Command(
        "detector train",
        "Train the detector of regions on pictures whose objects are known.",
        recipe="detector",
        options="TrainDetector",
        examples=("iconotext detector train --data data/world --out detector.safetensors",),
    ),
    Command(
        "detector evaluate",
        "Measure a detector: mean average precision, recall, colours, pictures a second.",
        recipe="detector",
        options="EvaluateDetector",
        run="evaluate",
        examples=("iconotext detector evaluate --data data/world",),
    ),
)
"""In the order of the overview."""
