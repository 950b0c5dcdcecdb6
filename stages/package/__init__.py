"""package: a trained model → `artifacts/packages/<model>/`: ONNX, proven equal, and the formats of other servers."""
