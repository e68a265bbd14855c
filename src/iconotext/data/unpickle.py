"""Pickled records read without running anything that they ask for.

Feature files of the field hold pickles of dictionaries, lists, text, numbers and NumPy arrays. A pickle is a program:
it names functions and calls them. Here it may name those of ``ALLOWED`` and no other, each one by its full name (an
allow-list by module is not enough: NumPy has functions that write files and evaluate text), and what it gets under
these names is ours, not NumPy's: NumPy's own restore dtypes and arrays from states that it does not fully check.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError


class UnsafeData(DataError):
    """A file asks for code to be run; nothing of it was, and nothing else of it is read."""


class _Dtype:
    """The dtype that a pickle describes: plain numbers, text, bytes, or objects."""

    __slots__ = ("_order", "_spec")

    def __init__(self, spec: str) -> None:
        if not re.fullmatch(r"[<>=|]?(b1|i[1248]|u[1248]|f[248]|c8|c16|S\d{1,9}|U\d{1,9}|O8?)", spec):
            raise _refused(f"an array of type {spec[:40]!r}")
        self._spec = spec.lstrip("<>=|")
        self._order = "="

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), order, None, None, None, int(), int(), int(), *_):
                self._order = _ascii(order)
            case _:
                raise _refused("an array of fields")
        if self._order not in ("<", ">", "=", "|"):
            raise _refused("an array of no known byte order")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(object) if self._spec[0] == "O" else np.dtype(self._order + self._spec)


class _Array:
    """An array that is still to get its content, as ``numpy.core.multiarray._reconstruct`` leaves it."""

    __slots__ = ("content",)

    def __init__(self) -> None:
        self.content: Any = None

    def __setstate__(self, state: object) -> None:
        order: Literal["C", "F"]
        match state:
            case (int(), tuple() as shape, _Dtype() as kind, bool() | int() as fortran, content):
                order = "F" if fortran else "C"
            case _:
                raise _refused("an array in an unknown state")
        if isinstance(content, list):
            if kind.dtype != object:
                raise _refused("an array of numbers made of objects")
            self.content = _objects(content).reshape(shape, order=order)
        else:
            self.content = _numbers(content, kind, shape, order)


def loads(data: bytes | memoryview, where: str) -> Any:
    """The value of a pickle: None, bool, int, float, text, bytes, list, tuple, dict, set, NumPy numbers and arrays.

    Text that Python 2 pickled comes as bytes, but for keys of dictionaries, which are always text where they are UTF-8.

    Args:
        data: the pickle; ``where`` names it in messages.

    Raises:
        UnsafeData: it names something that is not allowed.
        DataError: it is cut short or damaged.
    """
    try:
        return _plain(_Unpickler(data).load(), {})
    except UnsafeData as error:
        raise UnsafeData(f"{where}: {error}") from None
    except Exception as error:  # A damaged pickle may raise anything.
        raise DataError(f"{where}: the pickle is cut short or damaged ({type(error).__name__}: {error})") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes | memoryview) -> None:
        super().__init__(io.BytesIO(data), fix_imports=False, encoding="bytes")
        # Made anew for each pickle, so that one cannot leave anything in them for the next.
        self._allowed = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        found = self._allowed.get(f"{module}.{name}")
        if found is None:
            raise _refused(f"{module}.{name}"[:120])
        return found

    def persistent_load(self, pid: object) -> Any:
        raise _refused("an object that lies outside of it")


def _allowed() -> Mapping[str, Callable[..., Any]]:
    """What a sound pickle names, by full name, with what it gets in its place."""

    def ndarray(*_: object) -> None:
        raise _refused("numpy.ndarray as a function")

    def dtype(spec: object, *_: object) -> _Dtype:
        return _Dtype(_ascii(spec))

    def reconstruct(kind: object, *_: object) -> _Array:
        if kind is not ndarray:
            raise _refused("an array of another kind")
        return _Array()

    def scalar(kind: object, content: object) -> Any:
        return _numbers(content, kind, (), "C")[()]

    def from_buffer(content: object, kind: object, shape: object, order: object, axes: Any = None) -> NDArray[Any]:
        array = _numbers(content, kind, shape, "C" if order == "K" else order)
        return array if axes is None else array.transpose(axes)

    def encode(text: object, encoding: object = "latin1") -> bytes:
        if not isinstance(text, str) or _ascii(encoding) not in ("latin1", "latin-1"):
            raise _refused("another encoding than latin1")
        return text.encode("latin1")

    cores = ("numpy.core", "numpy._core")
    return {
        "numpy.ndarray": ndarray,
        "numpy.dtype": dtype,
        **{f"{core}.multiarray._reconstruct": reconstruct for core in cores},
        **{f"{core}.multiarray.scalar": scalar for core in cores},
        "numpy._core.numeric._frombuffer": from_buffer,
        "collections.OrderedDict": dict,
        "_codecs.encode": encode,
    }


ALLOWED = frozenset(_allowed())
"""The only names that a pickle may use."""


def _refused(what: str) -> UnsafeData:
    return UnsafeData(
        f"the pickle asks for {what}, which features have no use for; nothing was run. "
        "Leave the file alone unless you know who made it"
    )


def _ascii(text: object) -> str:
    """Text as Python 3 or, in bytes, as Python 2 pickled it."""
    if not isinstance(text, str | bytes):
        raise _refused("something unusual in the place of a name")
    return text if isinstance(text, str) else text.decode("latin1")


def _numbers(content: object, kind: object, shape: object, order: object) -> NDArray[Any]:
    """An array from its bytes.

    Raises:
        ValueError: there are too many or too few of them.
    """
    if not isinstance(kind, _Dtype) or kind.dtype == object or not isinstance(content, bytes | bytearray):
        raise _refused("an array whose content is no bytes")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"the shape {shape!r} of an array")
    if order not in ("C", "F"):
        raise ValueError(f"the order {order!r} of an array")
    return np.frombuffer(content, kind.dtype).reshape(shape, order="F" if order == "F" else "C")


def _objects(parts: list[Any]) -> NDArray[Any]:
    """The parts side by side, also where they are lists of one length."""
    array = np.empty(len(parts), object)
    for place, part in enumerate(parts):
        array[place] = part
    return array


_LEAVES = (type(None), bool, int, float, complex, str, bytes, bytearray, np.generic)


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """The value with arrays in the place of what stood for them; a part that occurs often is looked at once.

    Raises:
        UnsafeData: a part is nothing that features are made of, or contains itself.
    """
    if isinstance(value, _LEAVES):
        return value
    if id(value) in done:
        if done[id(value)] is done:
            raise _refused("a value that contains itself")
        return done[id(value)]
    done[id(value)] = done
    if isinstance(value, _Array):
        result = _plain(value.content, done)
    elif isinstance(value, np.ndarray):
        result = value
        if value.dtype == object:
            result = _objects([_plain(part, done) for part in value.reshape(-1)]).reshape(value.shape)
    elif isinstance(value, dict):
        result = {_key(key): _plain(part, done) for key, part in value.items()}
    elif isinstance(value, list | tuple | set | frozenset):
        result = type(value)([_plain(part, done) for part in value])
    else:
        raise _refused(f"a {type(value).__name__}")
    done[id(value)] = result
    return result


def _key(key: Any) -> Any:
    """Python 2's text as text; what is not UTF-8 stays bytes."""
    if isinstance(key, bytes):
        try:
            return key.decode()
        except UnicodeDecodeError:
            return key
    if not isinstance(key, _LEAVES):
        raise _refused("a dictionary with unusual keys")
    return key
