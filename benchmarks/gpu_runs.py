"""Whole trainings for the benchmark of a GPU, as the train stage runs them."""

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from safetensors.numpy import save

from benchmarks.gpu_data import Pictures
from stages.backends.lightning import prepare, state, train
from stages.config.schema import LightningTrain
from stages.core.files import hash_bytes
from stages.train.history import Trained


def trained(config: LightningTrain, pictures: Pictures) -> Trained:
    """Train from the start, with checkpoints and validation."""
    with tempfile.TemporaryDirectory() as scratch:
        return train(prepare(config, pictures.store, []), config, pictures.store, Path(scratch), lambda _: None)


def documented(config: LightningTrain, pictures: Pictures) -> float:
    """Return the training images of all epochs by the seconds that everything took."""
    start = time.perf_counter()
    trained(config, pictures)
    return config.epochs * len(pictures.train) / (time.perf_counter() - start)


def weights(config: LightningTrain, pictures: Pictures) -> str:
    """Train and return the hash of the weights."""
    return hash_bytes(save(state(trained(config, pictures).network)))


def weights_twice(config: LightningTrain, pictures: Pictures) -> tuple[str, str]:
    """Return the hashes of two trainings, each in a process of its own: cuBLAS is set up before CUDA starts."""
    one, other = (in_own_process(config, pictures) for _ in range(2))
    return one, other


def in_own_process(config: LightningTrain, pictures: Pictures) -> str:
    """Train in a fresh process and return the hash of the weights."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(weights, config, pictures).result()
