import pytest
import torch

from iconotext.train import precision

CPU = torch.device("cpu")


def test_what_is_asked_for_is_taken() -> None:
    assert precision.choose("fp32", CPU)[0] == "fp32"
    assert precision.choose("bf16", CPU)[0] == "bf16"


@pytest.mark.parametrize(("gain", "chosen"), [(2.0, "bf16"), (1.1, "fp32"), (0.3, "fp32")])
def test_auto_takes_what_is_measured_faster(monkeypatch: pytest.MonkeyPatch, gain: float, chosen: str) -> None:
    monkeypatch.setattr(precision, "_product_seconds", lambda dtype: gain if dtype == torch.float32 else 1.0)
    found, why = precision.choose("auto", CPU)
    assert found == chosen
    assert f"{gain:.1f} times" in why


def test_auto_decides_here() -> None:
    assert precision.choose("auto", CPU)[0] in ("bf16", "fp32")


def test_autocast_computes_in_it() -> None:
    a = torch.ones(2, 2)
    with precision.autocast("bf16", CPU):
        assert (a @ a).dtype == torch.bfloat16
    with precision.autocast("fp32", CPU):
        assert (a @ a).dtype == torch.float32
