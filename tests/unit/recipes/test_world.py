"""The command that draws the world: what it makes, what it leaves alone, what it refuses."""

import pytest

from iconotext.core.errors import ConfigError, DataError
from iconotext.recipes.world import WorldOptions, plan_of, run
from iconotext.world.write import WORLD_SIZES, Size


def test_command_makes_a_world_and_leaves_a_finished_one_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(WORLD_SIZES, "tiny", Size(12, {"train": 20, "validation": 5, "test": 5}))
    made = run(WorldOptions(tmp_path / "data", size="tiny", seed=5, languages="zh", noise=0.5))
    assert "OpenMoji" in made.info["made_by"]["licence"]
    assert made.info["languages"] == ["zh"]
    assert set(made.table("texts", "train").column("language").to_pylist()) == {"zh"}
    assert not all(made.table("texts", "train").column("matched").to_pylist())
    names = [file for file in made.path.rglob("*") if file.is_file()]
    before = {name: name.stat().st_mtime_ns for name in names}
    run(WorldOptions(made.path, size="tiny", seed=5, languages="zh", noise=0.5))
    assert {name: name.stat().st_mtime_ns for name in names} == before
    with pytest.raises(DataError, match="another way"):
        run(WorldOptions(made.path, size="tiny", seed=6))


@pytest.mark.parametrize("wrong", [{"languages": "en,fr"}, {"languages": ""}, {"noise": 1.5}, {"workers": -1}])
def test_wrong_options_are_named(tmp_path, wrong):
    with pytest.raises(ConfigError, match=f"--{next(iter(wrong))}"):
        plan_of(WorldOptions(tmp_path, **wrong))
