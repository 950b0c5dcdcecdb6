import numpy as np
import pytest
import torch
from torch import nn

from stages.backends.lightning.model import Classifier, Input
from stages.backends.lightning.module import Sums, make_optimizer, make_schedule
from tests.conftest import tree

TRAIN = tree().models["base_cnn"].train


def test_input_is_the_documented_normalisation() -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    expected = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2)
    assert np.allclose(Input(mean, std)(torch.from_numpy(pixels)).numpy(), expected, atol=1e-5)


def test_a_change_sees_images_between_0_and_1() -> None:
    seen: list[float] = []

    def change(images: torch.Tensor) -> torch.Tensor:
        seen.append(float(images.max()))
        return images

    pixels = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    given = Input([0.5] * 3, [0.5] * 3)
    assert torch.allclose(given(pixels, change), given(pixels))
    assert seen == [1.0]


def test_a_classifier_answers_probabilities() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    answer = Classifier(network, [0.5] * 3, [0.5] * 3)(torch.zeros(4, 2, 2, 3, dtype=torch.uint8))
    assert torch.allclose(answer.sum(1), torch.ones(4))


def test_sums_are_exact_whatever_the_batches() -> None:
    logits, labels = torch.randn(10, 3), torch.randint(0, 3, (10,))
    whole, parts = Sums(), Sums()
    whole.add(nn.functional.cross_entropy(logits, labels), logits, labels)
    for part in (slice(0, 7), slice(7, 10)):
        parts.add(nn.functional.cross_entropy(logits[part], labels[part]), logits[part], labels[part])
    assert whole.means("val") == pytest.approx(parts.means("val"))


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [("constant", 0.0, [1, 1, 1]), ("cosine", 0.0, [1, 0.5, 0]), ("constant", 0.5, [1 / 51, 1, 1])],
)
def test_schedules(schedule: str, warmup: float, expected: list[float]) -> None:
    config = tree(f"models.base_cnn.train.schedule={schedule}", f"models.base_cnn.train.warmup={warmup}")
    train = config.models["base_cnn"].train
    optimizer = make_optimizer(nn.Linear(2, 2), train)
    made = make_schedule(optimizer, train, 100)
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"] / train.lr)
        optimizer.step()
        made.step()
    assert [rates[0], rates[50], rates[100]] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimisers_train_what_is_not_frozen(name: str) -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    train = tree(f"models.base_cnn.train.optimizer.name={name}").models["base_cnn"].train
    made = make_optimizer(network, train)
    assert type(made).__name__.lower() == name
    assert len(made.param_groups[0]["params"]) == 2
