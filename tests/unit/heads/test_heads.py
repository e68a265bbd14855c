"""The heads: published forms, tied weights, and what they own."""

from __future__ import annotations

import copy

import pytest
import torch
from samples import shake
from torch import nn
from torch.nn import functional as F

from iconotext.heads.answer import AnswerHead, AnswerHeadKind
from iconotext.heads.match import MatchHead
from iconotext.heads.region import ClassHead, RegressionHead
from iconotext.heads.transform import Transform
from iconotext.heads.vocabulary import VocabularyHead

STATES = torch.randn(7, 8, generator=torch.Generator().manual_seed(0))


def names(module: nn.Module) -> set[str]:
    return {name for name, _ in module.named_parameters()}


@pytest.mark.parametrize(("activation", "function"), [("gelu", F.gelu), ("relu", F.relu)])
def test_transform(activation: str, function) -> None:
    layer = Transform(8, 6, 1e-12, activation)
    expected = F.layer_norm(function(layer.linear(STATES)), (6,), layer.norm.weight, layer.norm.bias, 1e-12)
    torch.testing.assert_close(layer(STATES), expected)


def test_the_vocabulary_head_is_tied_to_the_word_table() -> None:
    words = nn.Embedding(30, 6)
    head = VocabularyHead(8, words, 1e-12)
    shake(head)
    assert names(head) == {
        "bias",
        "transform.linear.weight",
        "transform.linear.bias",
        "transform.norm.weight",
        "transform.norm.bias",
    }
    torch.testing.assert_close(head(STATES), head.transform(STATES) @ words.weight.T + head.bias)
    head(STATES).sum().backward()
    assert words.weight.grad is not None


def test_the_regression_head_is_tied_to_the_feature_map_or_has_its_own() -> None:
    feature = nn.Linear(5, 8)
    tied, own = RegressionHead(8, 5, 1e-12, feature), RegressionHead(8, 5, 1e-12, None)
    torch.testing.assert_close(tied(STATES), tied.transform(STATES) @ feature.weight + tied.bias)
    torch.testing.assert_close(own(STATES), own.decoder(own.transform(STATES)) + own.bias)
    assert names(own) - names(tied) == {"decoder.weight"}
    tied(STATES).sum().backward()
    assert feature.weight.grad is not None
    assert feature.bias.grad is None


def test_the_class_head() -> None:
    head = ClassHead(8, 5, 1e-12)
    torch.testing.assert_close(head(STATES), head.decoder(head.transform(STATES)))
    assert head(STATES).shape == (7, 5)


def test_the_match_head_drops_in_training() -> None:
    head = MatchHead(8, 0.5)
    assert torch.equal(head.eval()(STATES), head.linear(STATES))
    assert not torch.equal(head.train()(STATES), head.linear(STATES))


def test_answers_by_a_transform() -> None:
    head = AnswerHead(AnswerHeadKind("transform", 2.0), 8, 3, 1e-12)
    transform, linear = head.layers
    assert transform.linear.weight.shape == (16, 8)
    torch.testing.assert_close(head(STATES), linear(transform(STATES)))
    assert head(STATES).shape == (7, 3)


def test_answers_by_weight_normed_maps() -> None:
    """One norm for a whole matrix: doubling the direction changes nothing, doubling the norm doubles the map."""
    head = AnswerHead(AnswerHeadKind("weight_norm", 1.5), 8, 3, 1e-12).eval()
    up, relu, _, down = head.layers
    torch.testing.assert_close(head(STATES), down(relu(up(STATES))))
    norm, direction = up.parametrizations.weight.original0, up.parametrizations.weight.original1
    assert norm.numel() == 1
    assert direction.shape == (12, 8)
    torch.testing.assert_close(up.weight, norm * direction / direction.norm())
    before = up.weight.detach().clone()
    with torch.no_grad():
        direction.mul_(2)
        torch.testing.assert_close(up.weight, before)
        norm.mul_(2)
        torch.testing.assert_close(up.weight, 2 * before)


def test_copies_stay_tied_to_their_own_tables() -> None:
    """A head keeps its table out of its parameters; a deep copy of a whole model must not point back to the old one."""
    whole = nn.ModuleDict({"words": nn.Embedding(30, 8)})
    whole["head"] = VocabularyHead(8, whole["words"], 1e-12)
    other = copy.deepcopy(whole)
    with torch.no_grad():
        other["words"].weight.zero_()
    assert torch.equal(other["head"](STATES), torch.zeros(7, 30))
    assert whole["head"](STATES).any()


@pytest.mark.parametrize("kind", ["transform", "weight_norm"])
def test_an_answer_head_may_begin_at_the_answers_shares(kind: str) -> None:
    head = AnswerHead(AnswerHeadKind(kind), 8, 3, 1e-12).eval()  # type: ignore[arg-type]
    shares = torch.tensor([0.5, 0.1, 0.0])
    head.begin_at(shares)
    nothing = torch.sigmoid(head.layers[-1].bias)
    torch.testing.assert_close(nothing, torch.tensor([0.5, 0.1, 1e-4]))
