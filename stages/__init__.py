"""The pipeline, read from left to right: fetch, preprocess, train, evaluate, package, index."""

import gc
import os

# From their import on, ONNX Runtime (1.31) and MLflow report their use to their makers.
SILENT = {"ORT_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
os.environ |= {name: value for name, value in SILENT.items() if name not in os.environ}
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own keeps what is freed

# A framework's import makes a million objects that stay; to look through them again and again is a quarter of its time.
gc.set_threshold(50_000, 10, 10)
