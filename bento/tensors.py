"""Tensors of the Open Inference Protocol (v2): out of JSON or binary bodies, and into them."""

import base64
import binascii
import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST = 2**31
LENGTH = struct.Struct("<I")
DTYPES: dict[str, npt.DTypeLike] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
Array = npt.NDArray[Any]


class Malformed(Exception):
    """A request that the protocol does not allow; the message says what is wrong and what is allowed."""


@dataclass(frozen=True)
class Tensor:
    """A named tensor: numbers as an array of its shape, BYTES as a list of elements."""

    name: str
    datatype: str
    shape: list[int]
    data: Any


@dataclass(frozen=True)
class Output:
    """What is asked of one output: binary or JSON, and how many classes instead of numbers (0: numbers)."""

    name: str
    binary: bool
    classes: int


@dataclass(frozen=True)
class Request:
    """An inference request."""

    id: str | None
    inputs: list[Tensor]
    outputs: list[Output] = field(default_factory=list)
    binary: bool = False


def read(body: bytes, header: str | None) -> Request:
    """Read a request; `header` is Inference-Header-Content-Length, None where the whole body is JSON."""
    length = len(body) if header is None else header_length(header, len(body))
    content = parse(body[:length])
    blocks = Blocks(body[length:])
    inputs = [tensor(item, blocks) for item in items(content, "inputs")]
    if blocks.left:
        raise Malformed(f"{blocks.left} bytes follow the inputs' binary data; the sizes announced do not add up")
    binary = flag(section(content, "parameters", "the request"), "binary_data_output")
    outputs = [output(item, binary) for item in items(content, "outputs")] if content.get("outputs") else []
    if len({item.name for item in outputs}) < len(outputs):
        raise Malformed("outputs: one is asked for twice")
    return Request(text(content, "id", "the request") if "id" in content else None, inputs, outputs, binary)


def header_length(header: str, size: int) -> int:
    """Return the length of the JSON before the binary data."""
    if not (header.isascii() and header.isdigit() and 0 < int(header[:12]) <= size):
        raise Malformed(
            f"Inference-Header-Content-Length: {header[:40]!r} is not between 1 and the body's {size} bytes"
        )
    return int(header)


def parse(content: bytes) -> dict[str, Any]:
    """Parse JSON that must be an object."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Malformed("the body must be a JSON object with inputs")
    return found


def items(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of objects."""
    found = content.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
        raise Malformed(f"{name} must be a list of objects, one at least")
    return found


def text(item: dict[str, Any], name: str, where: str) -> str:
    """Return a string."""
    found = item.get(name)
    if not isinstance(found, str) or any("\ud800" <= letter <= "\udfff" for letter in found):
        raise Malformed(f"{where}: {name} must be a string of Unicode characters")
    return found


def section(item: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """Return an object, an empty one where there is none."""
    found = item.get(name, {})
    if not isinstance(found, dict):
        raise Malformed(f"{where}: {name} must be an object")
    return found


def flag(parameters: dict[str, Any], name: str, default: bool = False) -> bool:
    """Return a boolean parameter."""
    found = parameters.get(name, default)
    if not isinstance(found, bool):
        raise Malformed(f"parameter {name} must be true or false")
    return found


def natural(value: Any, what: str) -> int:
    """Return a whole number from 0 to LARGEST."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise Malformed(f"{what} must be a whole number from 0 to {LARGEST}, not {str(value)[:40]}")
    return value


def output(item: dict[str, Any], binary: bool) -> Output:
    """Read what is asked of an output."""
    name = text(item, "name", "outputs")
    parameters = section(item, "parameters", f"output {name}")
    classes = natural(parameters.get("classification", 0), f"output {name}: classification")
    return Output(name, flag(parameters, "binary_data", binary), classes)


class Blocks:
    """The binary data behind the JSON, taken in order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), 0

    @property
    def left(self) -> int:
        """Bytes that nobody took."""
        return len(self._data) - self._at

    def take(self, size: int, name: str) -> memoryview:
        """Return the next block."""
        if size > self.left:
            raise Malformed(f"input {name}: {size} bytes of binary data announced, {self.left} are there")
        self._at += size
        return self._data[self._at - size : self._at]


def tensor(item: dict[str, Any], blocks: Blocks) -> Tensor:
    """Read an input."""
    name = text(item, "name", "inputs")
    datatype = text(item, "datatype", f"input {name}")
    if datatype not in (*DTYPES, "BYTES"):
        raise Malformed(f"input {name}: datatype {datatype[:20]} is not taken; send {', '.join(DTYPES)} or BYTES")
    shape = item.get("shape")
    if not isinstance(shape, list) or not 1 <= len(shape) <= 8:
        raise Malformed(f"input {name}: shape must be a list of 1 to 8 numbers")
    sides = [natural(side, f"input {name}: a side of shape") for side in shape]
    parameters = section(item, "parameters", f"input {name}")
    if "binary_data_size" in parameters:
        size = natural(parameters["binary_data_size"], f"input {name}: binary_data_size")
        block = blocks.take(size, name)
        data: Any = elements(block, name) if datatype == "BYTES" else numbers(block, datatype, name)
    else:
        if "data" not in item:
            raise Malformed(f"input {name}: neither data nor binary_data_size")
        data = decoded(item["data"], name) if datatype == "BYTES" else listed(item["data"], datatype, name)
    if len(data) != math.prod(sides):
        raise Malformed(f"input {name}: shape {sides} holds {math.prod(sides)} elements, the data {len(data)}")
    return Tensor(name, datatype, sides, data if datatype == "BYTES" else formed(data, sides, name))


def formed(data: Array, sides: list[int], name: str) -> Array:
    """Return an array in its shape; one without elements may still announce sides beyond any memory."""
    try:
        return data.reshape(sides)
    except ValueError as error:
        raise Malformed(f"input {name}: shape {sides} is no shape: {error}") from error


def numbers(block: memoryview, datatype: str, name: str) -> Array:
    """Return binary numbers, little-endian, as a flat array."""
    dtype = np.dtype(DTYPES[datatype])
    if len(block) % dtype.itemsize:
        raise Malformed(f"input {name}: {len(block)} bytes are not a whole number of {datatype} elements")
    return np.frombuffer(block, dtype)


def listed(data: Any, datatype: str, name: str) -> Array:
    """Return numbers of JSON, nested or not, as a flat array."""
    # As objects first: NumPy would make room for the longest text in every element.
    found = np.array(data, dtype=object).reshape(-1)
    kinds = set(map(type, found))
    if list in kinds:
        raise Malformed(f"input {name}: the lists of data are not of one length")
    if not kinds <= {int, float}:
        raise Malformed(f"input {name}: data must be a list of {datatype} numbers")
    try:
        values = found.astype(np.float64)
    except OverflowError:
        raise Malformed(f"input {name}: a number of data is too large") from None
    if datatype == "UINT8" and not (((values >= 0) & (values <= 255)).all() and (values % 1 == 0).all()):
        raise Malformed(f"input {name}: UINT8 numbers are whole and lie between 0 and 255")
    with np.errstate(over="ignore"):
        return values.astype(DTYPES[datatype])


def elements(block: memoryview, name: str) -> list[bytes]:
    """Return BYTES elements: each its length in four bytes, little-endian, then its content."""
    found, at = [], 0
    while at < len(block):
        size = LENGTH.unpack_from(block, at)[0] if at + LENGTH.size <= len(block) else len(block)
        at += LENGTH.size + size
        if at > len(block):
            raise Malformed(f"input {name}: a BYTES element is cut off")
        found.append(bytes(block[at - size : at]))
    return found


def decoded(data: Any, name: str) -> list[bytes]:
    """Return BYTES elements of JSON, which are base64, flat or one to a row."""
    if not isinstance(data, list):
        raise Malformed(f"input {name}: data must be a list of base64 strings")
    found = []
    for row in data:
        for element in row if isinstance(row, list) else [row]:
            try:
                found.append(base64.b64decode(element, validate=True))
            except (TypeError, ValueError, binascii.Error):
                raise Malformed(f"input {name}: a BYTES element in JSON must be a base64 string") from None
    return found


def write(head: dict[str, Any], results: list[tuple[Output, Array]]) -> tuple[bytes, int | None]:
    """Return a response's body, and the length of the JSON in it where binary data follow."""
    described, blocks = [], []
    for wanted, values in results:
        datatype = "BYTES" if values.dtype.kind == "S" else "FP32"
        item: dict[str, Any] = {"name": wanted.name, "datatype": datatype, "shape": list(values.shape)}
        if wanted.binary:
            block = packed(values) if datatype == "BYTES" else values.astype("<f4").tobytes()
            item["parameters"] = {"binary_data_size": len(block)}
            blocks.append(block)
        else:
            flat = values.reshape(-1).tolist()
            item["data"] = [element.decode() for element in flat] if datatype == "BYTES" else flat
        described.append(item)
    content = json.dumps(head | {"outputs": described}, separators=(",", ":")).encode()
    return b"".join((content, *blocks)), len(content) if blocks else None


def packed(values: Array) -> bytes:
    """Return BYTES elements, each after its length."""
    return b"".join(LENGTH.pack(len(element)) + element for element in values.reshape(-1).tolist())
