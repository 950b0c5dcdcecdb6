"""Whatever bytes come: a request, or a Malformed that says why; never another error."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bento.encoding import Bloated, Damaged, compress, decompress
from bento.tensors import LENGTH, Malformed, Output, read, write

ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("pixels") | ANY,
        "datatype": st.sampled_from(["UINT8", "FP32", "BYTES", "INT64"]) | ANY,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | ANY,
        "data": st.lists(st.integers(0, 255) | st.floats(), max_size=6) | ANY,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(0, 12) | ANY}) | ANY,
    },
)
REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR, max_size=2) | ANY},
    optional={"id": ANY, "parameters": ANY, "outputs": st.lists(ANY, max_size=2) | ANY},
)


@given(REQUEST | ANY, st.binary(max_size=16), st.none() | st.text(max_size=4))
@example({"inputs": [{"name": "p", "datatype": "UINT8", "shape": [2**62, 4], "data": []}]}, b"", None)
@example({"inputs": [{"name": "p", "datatype": "FP32", "shape": [0, 2**70], "data": []}]}, b"", None)
@example({"inputs": [{"name": "p", "datatype": "UINT8", "shape": [10**4000] * 3, "data": []}]}, b"", None)
@example({"id": "\ud800", "inputs": [{"name": "p", "datatype": "UINT8", "shape": [1], "data": [1]}]}, b"", None)
@example({"inputs": [{"name": "\ud800", "datatype": "UINT8", "shape": [1], "data": []}]}, b"", None)
def test_no_request_crashes_the_reader(content: Any, data: bytes, header: str | None) -> None:
    head = json.dumps(content).encode()
    for length in (header, str(len(head))):
        try:
            found = read(head + data, length)
        except Malformed as error:
            str(error).encode()
        else:
            write({"id": found.id}, [(item, np.zeros((1, 2), np.float32)) for item in found.outputs])
            assert all(item.shape == list(np.shape(item.data)) for item in found.inputs if item.datatype != "BYTES")


@given(st.binary(max_size=64), st.none() | st.text(max_size=12))
def test_no_bytes_crash_the_reader(body: bytes, header: str | None) -> None:
    with pytest.raises(Malformed):
        read(body, header)


@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(0, 60))
def test_bytes_elements_come_back_whole_or_not_at_all(given_elements: list[bytes], cut: int) -> None:
    data = b"".join(LENGTH.pack(len(element)) + element for element in given_elements)
    shape = [len(given_elements)]
    parameters = {"binary_data_size": len(data[:cut])}
    tensor = {"name": "image", "datatype": "BYTES", "shape": shape, "parameters": parameters}
    head = json.dumps({"inputs": [tensor]}).encode()
    try:
        found = read(head + data[:cut], str(len(head))).inputs[0].data
    except Malformed:
        assert cut < len(data)
    else:
        assert found == given_elements


@pytest.mark.parametrize("binary", [True, False])
def test_what_is_written_is_read(binary: bool) -> None:
    values = np.array([[0.25, 0.75]], np.float32)
    content, length = write({"model_name": "m"}, [(Output("probabilities", binary, 0), values)])
    (found,) = json.loads(content[:length])["outputs"]
    numbers = np.frombuffer(content[length:], "<f4") if binary else found["data"]
    assert list(numbers) == [0.25, 0.75]
    assert (found["datatype"], found["shape"], length is not None) == ("FP32", [1, 2], binary)


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "deflate", "br, deflate;q=0.5", "identity", ""]))
def test_compressed_is_the_same(body: bytes, accepted: str) -> None:
    packed, encoding = compress(body, accepted)
    assert decompress(packed, encoding, len(body)) == body
    if encoding and body:
        with pytest.raises(Bloated):
            decompress(packed, encoding, len(body) - 1)
        with pytest.raises(Damaged):
            decompress(packed[:-1], encoding, len(body))


def test_long_texts_among_many_take_no_memory() -> None:
    tracemalloc.start()
    tensor = {"name": "p", "datatype": "FP32", "shape": [100_001], "data": ["a" * 1000] + [""] * 100_000}
    with pytest.raises(Malformed, match="must be a list of FP32 numbers"):
        read(json.dumps({"inputs": [tensor]}).encode(), None)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
