"""Batches made ahead of time by background processes, in order."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")


@dataclass(frozen=True)
class Loader(Generic[T]):
    """Yields ``make(start)`` to ``make(stop - 1)`` in order; ``workers`` processes make them ahead, 0 makes them in place.

    Since ``make`` depends on its number only, a run goes on exactly with ``start`` set to the first missing number and any
    number of workers. Workers are forked, so ``make`` may be any function and mapped files are shared; tensors come back
    through shared memory. What ``make`` raises is raised here, with the worker's traceback as a note, when its turn comes.
    The workers end when the iterator is exhausted, closed or dropped, also by Ctrl-C or when this process is killed.
    """

    make: Callable[[int], T]
    start: int
    stop: int
    workers: int = 0

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __iter__(self) -> Iterator[T]:
        if self.workers == 0 or len(self) == 0:
            yield from map(self.make, range(self.start, self.stop))
            return
        loader = DataLoader(
            _Made(self.make),
            batch_size=None,
            sampler=range(self.start, self.stop),
            num_workers=min(self.workers, len(self)),
            collate_fn=_as_it_is,
            multiprocessing_context="fork",
            # Without its own generator the number of workers would change the draws of dropout.
            generator=torch.Generator(),
        )
        made = iter(loader)
        try:
            for item in made:
                if isinstance(item, _Failed):
                    raise item.error
                yield item
        finally:
            del made


class _Made(Dataset[object]):
    def __init__(self, make: Callable[[int], object]) -> None:
        self._make = make

    def __getitem__(self, index: int) -> object:
        try:
            return self._make(index)
        except Exception as error:
            return _Failed.of(error)


@dataclass(frozen=True)
class _Failed:
    """An error on its way from a worker."""

    error: Exception

    @classmethod
    def of(cls, error: Exception) -> _Failed:
        """The error made anew from its message, since the objects it holds may not travel."""
        try:
            carried = type(error)(str(error))
        except Exception:  # Some errors are made of more than a message.
            carried = RuntimeError(f"{type(error).__name__}: {error}")
        carried.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return cls(carried)


def _as_it_is(item: object) -> object:
    return item
