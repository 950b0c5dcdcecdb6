"""Batches for a GPU, made by a thread and copied on a stream of their own while it computes."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

DEPTH = 2  # batches that wait on the GPU


class Ahead:
    """A loader's batches (tuples of pinned tensors), DEPTH of them on the GPU before they are asked for."""

    def __init__(self, loader: DataLoader[Any], device: torch.device) -> None:
        self.loader, self.device = loader, device
        self.sampler = loader.sampler  # Lightning tells it the epoch

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        return self.batches(iter(self.loader), stream)

    def batches(self, made: Iterator[Any], stream: torch.cuda.Stream) -> Iterator[Any]:
        """Yield batches in their order; the thread that makes them ends with the generator."""
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[Any]] = deque(pool.submit(self.copied, made, stream) for _ in range(DEPTH))
            while (found := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(self.copied, made, stream))
                batch, copied = found
                now = torch.cuda.current_stream(self.device)
                now.wait_event(copied)
                for tensor in batch:
                    tensor.record_stream(now)  # its memory is not given away before the step has read it
                yield batch

    def copied(self, made: Iterator[Any], stream: torch.cuda.Stream) -> tuple[Any, torch.cuda.Event] | None:
        """Return the next batch on the GPU and the event after which it is whole; None at the end."""
        batch = next(made, None)
        if batch is None:
            return None
        with torch.cuda.stream(stream):
            moved = type(batch)._make(self.moved(tensor) for tensor in batch)
            return moved, stream.record_event()

    def moved(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the GPU; from pinned memory the copy waits for nobody."""
        return tensor.to(self.device, non_blocking=True)
