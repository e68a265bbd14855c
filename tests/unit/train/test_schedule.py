import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconotext.core.errors import ConfigError
from iconotext.train.config import TrainConfig
from iconotext.train.schedule import learning_rate

RUNS = st.integers(1, 500).flatmap(
    lambda steps: st.fixed_dictionaries(
        {
            "steps": st.just(steps),
            "warmup": st.integers(0, steps),
            "schedule": st.sampled_from(["linear", "cosine", "constant"]),
            "floor": st.floats(0, 1),
            "learning_rate": st.floats(1e-8, 1),
        }
    )
)


@given(RUNS)
def test_rises_to_the_stated_rate_and_then_never_rises(settings: dict) -> None:
    config = TrainConfig(**settings)
    rates = [learning_rate(config, step) for step in range(config.steps)]
    up, down = rates[: config.warmup], rates[config.warmup :]
    assert all(0 < rate <= config.learning_rate * (1 + 1e-12) for rate in rates)
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert max(rates) == pytest.approx(config.learning_rate)


def test_linear_values() -> None:
    config = TrainConfig(steps=10, warmup=2, learning_rate=8.0, schedule="linear")
    assert [learning_rate(config, step) for step in range(10)] == [4, 8, 8, 7, 6, 5, 4, 3, 2, 1]


def test_floor_and_cosine_values() -> None:
    config = TrainConfig(steps=4, learning_rate=1.0, schedule="cosine", floor=0.2)
    assert learning_rate(config, 2) == pytest.approx(0.2 + 0.8 * 0.5)
    assert learning_rate(config, 4) == pytest.approx(0.2)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 5, "warmup": 6}, {"steps": 5, "clip": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must hold"):
        TrainConfig(**wrong)
