"""The pipeline, read from left to right: fetch, preprocess, train, evaluate, package."""
