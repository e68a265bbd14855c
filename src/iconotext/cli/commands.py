"""The verbs of the command line, each a line that names a recipe; a recipe is imported when its verb is called."""

from __future__ import annotations

from iconotext.cli.command import Command
from iconotext.cli.data_commands import DATA_COMMANDS

GROUPS: dict[str, tuple[Command, ...]] = {
    "Begin": (
        Command(
            "demo",
            "Go the whole way on the built-in world and write a report to look at.",
            recipe="demo",
            options="DemoOptions",
            examples=("iconotext demo", "iconotext demo --out demo-vilbert --system vilbert"),
        ),
    ),
    "Data and regions": DATA_COMMANDS,
    "Train": (
        Command(
            "pretrain",
            "Pre-train a system on texts and the regions of their pictures.",
            recipe="pretrain",
            options="PretrainOptions",
            examples=(
                "iconotext pretrain --system uniter --size tiny --data data/world --store data/regions --out runs/uniter",
                "torchrun --nproc-per-node 2 -m iconotext pretrain --data data/world --store data/regions --out runs/two",
            ),
        ),
        Command(
            "finetune vqa",
            "Fine-tune a pre-trained model to answer questions on pictures.",
            recipe="finetune",
            options="OPTIONS",
            of="vqa",
            examples=(
                "iconotext finetune vqa --from runs/uniter --data data/world --store data/regions --out runs/vqa",
            ),
        ),
        Command(
            "finetune gqa",
            "Fine-tune a pre-trained model to answer GQA's questions.",
            recipe="finetune",
            options="OPTIONS",
            of="gqa",
            examples=(
                "iconotext finetune gqa --from runs/uniter --data data/world --store data/regions --out runs/gqa",
            ),
        ),
        Command(
            "finetune retrieval",
            "Fine-tune a pre-trained model to tell a text's picture from others, and a picture's text.",
            recipe="finetune",
            options="OPTIONS",
            of="retrieval",
            examples=(
                "iconotext finetune retrieval --from runs/uniter --data data/world --store data/regions --out runs/find",
            ),
        ),
        Command(
            "finetune expressions",
            "Fine-tune a pre-trained model to find the region that a description means.",
            recipe="finetune",
            options="OPTIONS",
            of="expressions",
            examples=(
                "iconotext finetune expressions --from runs/uniter --data data/world --store data/regions --out runs/refer",
            ),
        ),
        Command(
            "finetune grounding",
            "Fine-tune a pre-trained model to find what each phrase of a sentence means.",
            recipe="finetune",
            options="OPTIONS",
            of="grounding",
            examples=(
                "iconotext finetune grounding --from runs/uniter --data data/world --store data/regions --out runs/phrases",
            ),
        ),
        Command(
            "finetune choices",
            "Fine-tune a pre-trained model to choose an answer, and the reason for it, among several.",
            recipe="finetune",
            options="OPTIONS",
            of="choices",
            examples=(
                "iconotext finetune choices --from runs/uniter --data data/world --store data/regions --out runs/choose",
            ),
        ),
        Command(
            "finetune statements",
            "Fine-tune a pre-trained model to say whether a statement is true of two pictures.",
            recipe="finetune",
            options="OPTIONS",
            of="statements",
            examples=(
                "iconotext finetune statements --from runs/uniter --data data/world --store data/regions --out runs/compare",
            ),
        ),
        Command(
            "finetune entailment",
            "Fine-tune a pre-trained model to say whether a picture entails or contradicts a sentence.",
            recipe="finetune",
            options="OPTIONS",
            of="entailment",
            examples=(
                "iconotext finetune entailment --from runs/uniter --data data/world --store data/regions --out runs/entail",
            ),
        ),
        Command(
            "finetune captions",
            "Fine-tune a pre-trained model to write captions of pictures.",
            recipe="finetune",
            options="OPTIONS",
            of="captions",
            examples=(
                "iconotext finetune captions --from runs/vlp --data data/world --store data/regions --out runs/write",
            ),
        ),
        Command(
            "finetune foils",
            "Fine-tune a pre-trained model to tell a true sentence from its twin with one word made false.",
            recipe="finetune",
            options="OPTIONS",
            of="foils",
            examples=(
                "iconotext finetune foils --from runs/uniter --data data/world --store data/regions --out runs/foils",
            ),
        ),
        Command(
            "finetune relevance",
            "Fine-tune a pre-trained model to order products by how relevant they are to a query.",
            recipe="finetune",
            options="OPTIONS",
            of="relevance",
            examples=(
                "iconotext finetune relevance --from runs/uniter --data data/world --store data/regions --out runs/rank",
            ),
        ),
        Command(
            "finetune multi",
            "Fine-tune a pre-trained model for several tasks in one run.",
            recipe="multitask",
            options="MultiOptions",
            examples=(
                "iconotext finetune multi vqa gqa --from runs/uniter --data data/world --store data/regions --out runs/all",
                "iconotext finetune multi tasks.toml --from runs/uniter --data data/world --store data/regions --out runs/all",
            ),
        ),
    ),
    "Measure and use": (
        Command(
            "measure",
            "Measure on the built-in world what a pre-trained model has learned.",
            recipe="measure",
            options="MeasureOptions",
            examples=("iconotext measure runs/uniter --data data/world --store data/regions",),
        ),
        Command(
            "evaluate",
            "Measure a fine-tuned model on its task or tasks, or a pre-trained one on retrieval.",
            recipe="evaluate",
            options="EvaluateOptions",
            examples=(
                "iconotext evaluate runs/vqa --data data/world --store data/regions",
                "iconotext evaluate runs/all --task vqa",
            ),
        ),
        Command(
            "errors",
            "Show where two evaluated models differ, and test the difference.",
            recipe="errors",
            options="ErrorsOptions",
            examples=("iconotext errors runs/vqa-uniter runs/vqa-vilbert",),
        ),
        Command(
            "report",
            "Write a page that shows what was trained and what came out of it.",
            recipe="report",
            options="ReportOptions",
            examples=("iconotext report runs/uniter", "iconotext report runs"),
        ),
        Command(
            "search",
            "Find the pictures of a folder that a text describes best.",
            recipe="search",
            options="SearchOptions",
            flags="use_flags",
            examples=('iconotext search runs/uniter photos "a red apple on the grass"',),
        ),
        Command(
            "use answer",
            "Answer a question on a picture.",
            recipe="using",
            options="AnswerOptions",
            flags="use_flags",
            run="answer",
            examples=('iconotext use answer runs/vqa photo.png "what colour is the car"',),
        ),
        Command(
            "use choose",
            "Choose the answer to a question on a picture among several.",
            recipe="using",
            options="ChooseOptions",
            flags="use_flags",
            run="choose",
            examples=(
                'iconotext use choose runs/choose photo.png "what is the dog doing" --answers "it runs" "it sleeps"',
            ),
        ),
        Command(
            "use ground",
            "Find what a description means in a picture, and draw it.",
            recipe="using",
            options="GroundOptions",
            flags="use_flags",
            run="ground",
            examples=('iconotext use ground runs/refer photo.png "the red car on the left" --out found.png',),
        ),
        Command(
            "use phrases",
            "Find what each phrase of a sentence means in a picture, and draw them all.",
            recipe="using",
            options="PhrasesOptions",
            flags="use_flags",
            run="phrases",
            examples=('iconotext use phrases runs/phrases photo.png "[a red car] left of [two dogs]" --out found.png',),
        ),
        Command(
            "use compare",
            "Say whether a statement is true of two pictures.",
            recipe="using",
            options="CompareOptions",
            flags="use_flags",
            run="compare",
            examples=('iconotext use compare runs/compare left.png right.png "both pictures show a dog"',),
        ),
        Command(
            "use caption",
            "Write a caption of a picture.",
            recipe="using",
            options="CaptionOptions",
            run="caption",
            examples=("iconotext use caption runs/write photo.png --beams 5 --out captioned.png",),
        ),
        Command(
            "use rank",
            "Order products, pictures with or without titles, by how relevant they are to a query.",
            recipe="using",
            options="RankOptions",
            flags="use_flags",
            run="rank",
            examples=(
                'iconotext use rank runs/rank "red running shoes" photos --out ranked.png',
                'iconotext use rank runs/rank "red running shoes" products.csv --json',
            ),
        ),
    ),
    "Checkpoints": (
        Command(
            "convert",
            "Make a published checkpoint one of ours, or write one of ours as Hugging Face has it.",
            recipe="convert",
            options="ConvertOptions",
            examples=(
                "iconotext convert uniter-base.pt runs/uniter --tokenizer vocab.txt --store data/regions",
                "iconotext convert pytorch_model_9.bin runs/vilbert --from vilbert --config bert_base_6layer_6conect.json",
                "iconotext convert runs/lxmert lxmert-hf --to lxmert-hf",
            ),
        ),
    ),
    "Look": (
        Command(
            "show",
            "Write pictures with their regions, labels, scores and attributes drawn.",
            recipe="show",
            options="ShowOptions",
            examples=("iconotext show data/world data/regions --ids test-0 test-1",),
        ),
        Command(
            "stats",
            "Write a page on a region store: counts, sizes, scores, classes, coverage, duplicates.",
            recipe="stats",
            options="StatsOptions",
            examples=("iconotext stats data/regions",),
        ),
        Command(
            "preview",
            "Print one batch in words: what is masked, what is a target, what each loss scores.",
            recipe="preview",
            options="PreviewOptions",
            examples=(
                "iconotext preview data/world data/regions --system uniter",
                "iconotext preview data/world data/regions --system vilbert --pictures preview",
            ),
        ),
        Command(
            "systems",
            "List the systems, or draw one and say in words what its page says.",
            recipe="systems",
            options="SystemsOptions",
            examples=("iconotext systems", "iconotext systems vilbert --size tiny"),
        ),
        Command(
            "systems diff",
            "Say in words how two systems differ.",
            recipe="systems",
            options="DiffOptions",
            run="diff",
            examples=("iconotext systems diff uniter vilbert",),
        ),
        Command(
            "systems write",
            "Write the pages of docs/systems and the table of the README, in a checkout.",
            recipe="systems",
            options="PagesOptions",
            run="write",
            examples=("iconotext systems write .",),
        ),
    ),
}
"""What there is to call, in the order of the overview."""
