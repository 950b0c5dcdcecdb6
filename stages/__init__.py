"""The pipeline, read from left to right: fetch, preprocess, train, evaluate, package, index."""

import os

# From their import on, ONNX Runtime (1.31) and MLflow report their use to their makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own keeps what is freed
