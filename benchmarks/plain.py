"""The peer of the v2 service: the least code that answers tritonclient, Starlette on the same ONNX Runtime session."""

import json
import os
from pathlib import Path

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stages.core import onnx_model

session = onnx_model.create_session(Path(os.environ["MODEL"]), int(os.environ["THREADS"]))


async def infer(request: Request) -> Response:
    """Answer one binary tensor with one binary tensor; nothing is checked."""
    body = await request.body()
    length = int(request.headers["inference-header-content-length"])
    shape = json.loads(body[:length])["inputs"][0]["shape"]
    answer = session.run(None, {"pixels": np.frombuffer(body, np.uint8, offset=length).reshape(shape)})[0]
    data = answer.tobytes()
    size = {"binary_data_size": len(data)}
    output = {"name": "probabilities", "datatype": "FP32", "shape": list(answer.shape), "parameters": size}
    head = json.dumps({"model_name": "m", "model_version": "1", "outputs": [output]}).encode()
    return Response(head + data, headers={"Inference-Header-Content-Length": str(len(head))})


async def ready(_: Request) -> Response:
    """Say that the model is loaded."""
    return JSONResponse({})


app = Starlette(routes=[Route("/readyz", ready), Route("/v2/models/{model}/infer", infer, methods=["POST"])])
