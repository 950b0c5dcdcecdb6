"""An inference request of the Open Inference Protocol, from body to response; it runs in the desk's threads."""

import numpy as np
from starlette.responses import Response

from bento import tensors
from bento.encoding import compress, decompress
from bento.face import Face
from bento.model import Model
from bento.tensors import Array, Malformed, Output, Request, Tensor
from stages.core.image import Pixels
from stages.core.onnx_model import Outputs

LENGTH = "Inference-Header-Content-Length"


def answer(found: Face, body: bytes, headers: dict[str, str], limit: int) -> Response:
    """Read a request, compute it and write the response."""
    plain = decompress(body, headers.get("content-encoding", ""), limit)
    header = headers.get(LENGTH.lower())
    asked = raw(found, plain) if header == "0" else tensors.read(plain, header)
    wanted = asked.outputs or [Output(found.output["name"], asked.binary, 0)]
    for item in wanted:
        if item.name != found.output["name"]:
            raise Malformed(f"model {found.name} has no output {item.name[:40]!r}; there is {found.output['name']}")
    probabilities = compute(found, asked.inputs)
    own = {"model_name": found.name, "model_version": found.model.version}
    head = own | ({"id": asked.id} if asked.id is not None else {})
    content, length = tensors.write(head, [(item, shaped(item, probabilities, found.model)) for item in wanted])
    return respond(content, length, headers.get("accept-encoding", ""))


def raw(found: Face, body: bytes) -> Request:
    """Return the request that a body without JSON makes: it is the only input's only element."""
    name, one = found.input["name"], found.input["shape"][1:]
    if found.encoded:
        return Request(None, [Tensor(name, "BYTES", [1], [body])])
    flat = np.frombuffer(body, np.uint8)
    return Request(None, [Tensor(name, "UINT8", one, tensors.formed(flat, one, name))])


def compute(found: Face, inputs: list[Tensor]) -> Outputs:
    """Return the probabilities of a request's images."""
    name = found.input["name"]
    if [item.name for item in inputs] != [name]:
        given = ", ".join(item.name[:40] for item in inputs)
        raise Malformed(f"model {found.name} takes one input, {name}; not {given}")
    tensor = inputs[0]
    if found.encoded != (tensor.datatype == "BYTES"):
        allowed = "BYTES" if found.encoded else "UINT8 or FP32"
        raise Malformed(f"input {name} of model {found.name} is {allowed}, not {tensor.datatype}")
    count = tensor.shape[0] if found.encoded or len(tensor.shape) == 4 else 1
    if not 1 <= count <= found.limit:
        raise Malformed(f"input {name}: a batch of {count}; allowed is 1 to {found.limit}")
    return found.model.predict(pictures(tensor)) if found.encoded else found.model.run(pixels(tensor, found))


def pictures(tensor: Tensor) -> list[bytes]:
    """Return the encoded pictures of a BYTES tensor, N or N x 1."""
    if len(tensor.shape) > 2 or tensor.shape[1:] not in ([], [1]):
        raise Malformed(f"input {tensor.name}: shape {tensor.shape}; it must be [batch] or [batch, 1]")
    found: list[bytes] = tensor.data
    return found


def pixels(tensor: Tensor, found: Face) -> Pixels:
    """Return the images of a tensor, N x H x W x 3 or one of H x W x 3, as bytes; FP32 is rounded."""
    one = found.input["shape"][1:]
    if tensor.shape[-3:] != one or len(tensor.shape) not in (3, 4):
        raise Malformed(f"input {tensor.name}: shape {tensor.shape}; it must be {['batch', *one]} or {one}")
    values: Array = tensor.data.reshape(-1, *one)
    if tensor.datatype == "FP32":
        if not (values.min() >= 0 and values.max() <= 255):
            raise Malformed(f"input {tensor.name}: pixels lie between 0 and 255; normalisation is in the model")
        values = np.rint(values).astype(np.uint8)
    return values


def shaped(wanted: Output, probabilities: Outputs, model: Model) -> Array:
    """Return the numbers, or, where classes are asked for, the best as "probability:index:label"."""
    if not wanted.classes:
        return probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, : wanted.classes]
    rows = [
        [f"{row[i]:f}:{i}:{model.labels[i]}".encode() for i in best]
        for row, best in zip(probabilities, order, strict=True)
    ]
    return np.array(rows, dtype="S")


def respond(content: bytes, length: int | None, accepted: str) -> Response:
    """Return a response, compressed where the client asks for it."""
    headers = {} if length is None else {LENGTH: str(length)}
    content, encoding = compress(content, accepted)
    if encoding:
        headers["Content-Encoding"] = encoding
    kind = "application/json" if length is None else "application/octet-stream"
    return Response(content, headers=headers, media_type=kind)
