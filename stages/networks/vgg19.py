"""torchvision's VGG19 with batch normalisation, and the classifier of the dogs-vs-cats TorchServe project."""

from collections import OrderedDict

from torch import nn
from torchvision.models import VGG19_BN_Weights, vgg19_bn

IMAGENET = VGG19_BN_Weights.IMAGENET1K_V1
FEATURES = 512 * 7 * 7
HEAD = "pretrained_model.classifier"


def build(classes: int, size: int, *, dropout: float = 0.5) -> nn.Module:  # noqa: ARG001  # any size is pooled to 7 x 7
    """Return the network, with the published names of its parameters (`pretrained_model.classifier.fc1`, …)."""
    vgg = vgg19_bn(weights=None)
    vgg.classifier = nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(FEATURES, 1028),
            relu1=nn.ReLU(),
            dropout1=nn.Dropout(dropout),
            fc2=nn.Linear(1028, 512),
            relu2=nn.ReLU(),
            dropout2=nn.Dropout(dropout),
            fc3=nn.Linear(512, classes),
        )
    )
    return nn.Sequential(OrderedDict(pretrained_model=vgg))


def backbone(network: nn.Module) -> nn.Module:
    """Return the part that torchvision's weights fit; its classifier is ours and stays as it is."""
    return network.get_submodule("pretrained_model")
