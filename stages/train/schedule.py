"""The learning rate over the steps of a training, whatever the framework."""

import math

from stages.config.schema import Train

RISE = 25  # onecycle starts at lr / 25 …
FALL = 1e4  # … and ends at a ten-thousandth of that (Smith and Topin 2018, with fastai's values)


def rate(config: Train) -> float:
    """Return lr, for the images of a step: as it is, or as `lr_scaling` has it follow from their number."""
    times = config.batch_size * config.accumulate_grad_batches / config.lr_base_batch_size
    return config.lr * {"none": 1.0, "linear": times, "sqrt": math.sqrt(times)}[config.lr_scaling]


def factor(schedule: str, warmup: float, step: int, steps: int) -> float:
    """Return what lr is multiplied by at a step: a linear warm-up, then constant or half a cosine; or one cycle."""
    if schedule == "onecycle":
        return onecycle(step / max(1, steps - 1), warmup or 0.3)
    warm = int(warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    if schedule == "cosine":
        return half_cosine(1, 0, (step - warm) / max(1, steps - warm))
    return 1.0


def onecycle(done: float, rise: float) -> float:
    """Return the factor after a share of the steps: up to 1 in the share `rise`, then down to almost nothing."""
    if done < rise:
        return half_cosine(1 / RISE, 1, done / rise)
    return half_cosine(1, 1 / (RISE * FALL), (done - rise) / (1 - rise))


def half_cosine(start: float, end: float, done: float) -> float:
    """Return the value between start and end after a share `done` of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * min(done, 1))) / 2
