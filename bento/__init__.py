"""The services: ONNX Runtime behind BentoML. A module for each protocol; no training framework is imported here."""
