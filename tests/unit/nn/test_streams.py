"""Two streams as two tensors or as one."""

from __future__ import annotations

import torch

from iconotext.nn.streams import Dims, Streams

TEXT, REGION = torch.arange(6.0).view(3, 2), torch.arange(10.0, 14.0).view(2, 2)


def test_joint_and_back() -> None:
    streams = Streams.of(TEXT, REGION)
    joint = streams.joint
    assert torch.equal(joint, torch.cat([TEXT, REGION]))
    doubled = streams.with_joint(joint * 2)
    assert doubled.joint is doubled.joint
    assert torch.equal(doubled["text"], TEXT * 2)
    assert torch.equal(doubled["region"], REGION * 2)


def test_replace_keeps_the_other() -> None:
    streams = Streams.of(TEXT, REGION).with_joint(torch.cat([TEXT, REGION]) + 1)
    changed = streams.replace({"text": TEXT * 0})
    assert not changed["text"].any()
    assert torch.equal(changed["region"], REGION + 1)
    assert torch.equal(changed.joint, torch.cat([TEXT * 0, REGION + 1]))
    assert torch.equal(streams["text"], TEXT + 1)


def test_empty_streams() -> None:
    streams = Streams.of(TEXT, REGION[:0])
    assert torch.equal(streams.with_joint(streams.joint)["text"], TEXT)
    assert streams.with_joint(streams.joint)["region"].shape == (0, 2)


def test_equal_needs_all_three_sizes() -> None:
    same = Dims({"text": 8, "region": 8}, {"text": 2, "region": 2}, {"text": 9, "region": 9})
    assert same.equal
    assert not Dims({"text": 8, "region": 8}, {"text": 2, "region": 2}, {"text": 9, "region": 8}).equal
