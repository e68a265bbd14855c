import json
import math
from pathlib import Path

import torch

from iconotext.train.log import JsonLines, Meter, TensorBoard, read
from iconotext.train.state import Progress
from iconotext.train.step import Outcome


def test_goes_on_after_its_state_and_forgets_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonLines(path, 0)
    for step in range(1, 6):
        log.write("step", step, {"losses": {"mlm": 0.1 * step}})
    log.close()
    with path.open("a") as file:
        file.write('{"kind": "step", "st')
    again = JsonLines(path, 3)
    again.write("step", 4, {"losses": {"mlm": 9.0}})
    again.sync()
    again.close()
    assert [(line["step"], line["losses"]["mlm"]) for line in read(path)] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.1 * 3),
        (4, 9.0),
    ]


def test_every_line_is_json_also_of_numbers_that_are_not_finite(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl", 0)
    log.write("skipped", 1, {"losses": {"mlm": float("nan")}, "gradient_norm": math.inf, "where": ["行 1"]})
    log.close()
    text = (tmp_path / "log.jsonl").read_text()
    line = json.loads(text, parse_constant=lambda name: AssertionError(name))
    assert line == {"kind": "skipped", "step": 1, "losses": {"mlm": "nan"}, "gradient_norm": "inf", "where": ["行 1"]}


def test_meter_means_over_everything_since_the_last_line() -> None:
    progress = Progress()
    meter = Meter(progress)
    meter.add(Outcome({"mlm": (6.0, 2.0)}, 1.0, 4, 10, False), seconds=0.5, waited=0.25)
    meter.add(Outcome({"mlm": (3.0, 1.0), "itm": (1.0, 4.0)}, 1.0, 4, 10, False), seconds=0.5, waited=0.0)
    meter.add(Outcome({"mlm": (math.nan, 1.0)}, 1.0, 4, 10, False), seconds=1.0, waited=0.0)
    line = meter.take(1e-3, 0.7, torch.device("cpu"))
    assert line["losses"] == {"mlm": 3.0, "itm": 0.25}
    assert (line["rows_per_second"], line["tokens_per_second"], line["waiting"]) == (6.0, 15.0, 0.125)
    assert progress.seconds == 2.0
    assert line["memory_mb"] > 1
    assert progress.sums == {}


def test_meter_goes_on_with_the_sums_of_its_state() -> None:
    meter = Meter(Progress(sums={"mlm": [6.0, 2.0]}))
    meter.add(Outcome({"mlm": (3.0, 1.0)}, 1.0, 4, 0, False), seconds=0.5, waited=0.0)
    line = meter.take(1e-3, 0.7, torch.device("cpu"))
    assert line["losses"] == {"mlm": 3.0}
    assert "tokens_per_second" not in line


def test_tensorboard_writes_its_file(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path / "board", 0)
    board.write("step", 1, {"losses": {"mlm": 0.5}, "gradient_norm": 2.0, "text": "words"})
    board.sync()
    board.close()
    assert b"step/losses/mlm" in next((tmp_path / "board").iterdir()).read_bytes()
