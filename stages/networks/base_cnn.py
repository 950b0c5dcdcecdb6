"""The "basic" CNN of the dogs-vs-cats TorchServe project: four convolutional blocks and a small classifier."""

from collections import OrderedDict

from torch import nn

CHANNELS = (64, 128, 256, 512)
HIDDEN = 100
HEAD = "fc2"


def build(classes: int, size: int, *, dropout: float = 0.2) -> nn.Module:
    """Return the network, with the published names of its parameters (`conv_block1.conv`, …, `fc2`)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    side, before = size, 3
    for number, channels in enumerate(CHANNELS, 1):
        layers[f"conv_block{number}"] = conv_block(before, channels, dropout)
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        side, before = (side - 2) // 2, channels
    if side < 1:
        raise ValueError(f"pictures of {size} pixels are too small for base_cnn; it needs 46 at least")
    layers["flatten"] = nn.Flatten()
    layers["fc_block1"] = fc_block(side * side * before, HIDDEN, dropout)
    layers["fc2"] = nn.Linear(HIDDEN, classes)
    return nn.Sequential(layers)


def conv_block(before: int, channels: int, dropout: float) -> nn.Module:
    """Return convolution 3 x 3 without padding, batch normalisation, ReLU, dropout."""
    convolution = nn.Conv2d(before, channels, 3)
    norm = nn.BatchNorm2d(channels)
    return nn.Sequential(OrderedDict(conv=convolution, batch_norm=norm, relu=nn.ReLU(), dropout=nn.Dropout(dropout)))


def fc_block(before: int, features: int, dropout: float) -> nn.Module:
    """Return linear, ReLU, dropout."""
    return nn.Sequential(OrderedDict(fc=nn.Linear(before, features), relu=nn.ReLU(), dropout=nn.Dropout(dropout)))
