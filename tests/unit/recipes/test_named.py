"""Systems by name, and one of the user's own: a page in a package, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from toy_data import make_data, make_store

import iconotext
from iconotext.core.errors import ConfigError
from iconotext.models.checkpoint import load
from iconotext.recipes.named import imported, page_of
from iconotext.recipes.systems import DiffOptions, SystemsOptions, diff
from iconotext.recipes.systems import run as describe
from iconotext.systems import SYSTEMS
from iconotext.systems.uniter import UNITER
from iconotext.train.log import read

PAGE = '''
    """A system that nobody has published: streams that cross, then join; three objectives, one of them always."""

    from iconotext.heads.answer import AnswerHeadKind
    from iconotext.heads.pool import Product
    from iconotext.models.system import Layout, Recipe, System
    from iconotext.nn.schedule import cross_layer, joint_layer, twin_layer
    from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, TextEmbedding, Word
    from iconotext.objectives.itm import ITM
    from iconotext.objectives.mix import OneAtATime, Together
    from iconotext.objectives.mlm import MLM
    from iconotext.objectives.mrc import MRC
    from iconotext.objectives.mrfr import MRFR

    PAGE = System(
        name="crossroads",
        title="Crossroads",
        paper="Nobody and Noone, Crossroads, nowhere 2026",
        text=TextEmbedding((Word(), Position(64))),
        region=RegionEmbedding((Feature(norm=True), Location("box7"))),
        schedule=twin_layer() + cross_layer() + joint_layer(),
        pool=Product(24),
        mix=Together((MLM(rate=0.3), OneAtATime(((2, ITM()), (1, MRFR(tied=False)), (1, MRC("hard")))))),
        answer=AnswerHeadKind("transform", hidden=1.0),
        layout=Layout(whole_image="mean", max_words=20, max_regions=8),
        recipe=Recipe(steps=60, batch=16, learning_rate=3e-3, warmup=6),
        width=24,
        heads=2,
        hidden=48,
        region_width=24,
        region_heads=2,
        region_hidden=48,
        norm="pre",
        init=0.0,
        dropout=0.0,
        attention_dropout=0.0,
    )
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a made-up system in a package of its own."""
    (tmp_path / "somebodys").mkdir()
    (tmp_path / "somebodys" / "__init__.py").write_text("")
    (tmp_path / "somebodys" / "crossroads.py").write_text(textwrap.dedent(PAGE))
    monkeypatch.syspath_prepend(tmp_path)
    return "somebodys.crossroads:PAGE"


def test_a_made_up_system_trains_from_the_command_line(package: str, tmp_path: Path) -> None:
    """A page in a package that Python finds is all there is; the program is another process."""
    make_data(tmp_path / "data")
    make_store(tmp_path / "store")
    command = [sys.executable, "-m", "iconotext", "pretrain", "--system", package, "--data", "data", "--store", "store"]
    flags = ["--out", "run", "--size", "base", "--workers", "0", "--precision", "fp32", "--log-every", "5"]
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [*command, *flags], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    saved = load(tmp_path / "run")
    assert saved.model.system == imported(package, "")
    words = [line["losses"]["mlm"] for line in read(tmp_path / "run" / "log.jsonl") if line["kind"] == "step"]  # type: ignore[index]
    assert sum(words[-3:]) < 0.8 * sum(words[:3])
    assert set(saved.model.heads) == {"mlm", "itm", "mrfr", "mrc_hard"}
    assert iconotext.load(tmp_path / "run").words.vocab.size == saved.model.shape["vocabulary"]


def test_a_made_up_system_is_described(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    describe(SystemsOptions(package))
    text = capsys.readouterr().out
    assert "1 (twin + cross) + 1 joint" in text
    assert "GFLOPs a pair" in text
    diff(DiffOptions(package, "uniter"))
    assert "only Crossroads: product (width 24)" in capsys.readouterr().out


def test_names_of_the_table() -> None:
    assert page_of("uniter", "base") is UNITER
    assert page_of("uniter", "large").width == 1024
    with pytest.raises(ConfigError, match=r"no system 'unitre'; there are: .*uniter.*; your own is MODULE:NAME"):
        page_of("unitre", "tiny")


@pytest.mark.parametrize("name", ["no_such_module:PAGE", "iconotext.systems:NO_SUCH_PAGE", "iconotext.systems:SYSTEMS"])
def test_what_is_no_page(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        page_of(name, "base")
    assert len(SYSTEMS) > 2
