"""A TorchServe archive: `<model>.mar` by torch-model-archiver, with nothing in it that needs this project."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging import generate_model_archive
from torch import nn

from stages.core import image
from stages.core.archive import zip_folder
from stages.core.files import write_json
from stages.core.registry import NETWORKS, find_module, find_source, split_options
from stages.package import torchserve_setup
from stages.train.model import Description

HANDLER = Path(__file__).with_name("torchserve_handler.py")
MODEL_FILE = '''"""What TorchServe loads; the architecture itself lies beside it."""

from network import build
from torch import nn


class Model(nn.Module):
    """The network, with the options it was trained with."""

    def __new__(cls) -> nn.Module:
        return build({classes}, {size}, **{options})
'''


def archive(network: nn.Module, model: Description, version: str, folder: Path) -> Path:
    """Write `<model>.mar` into the folder (model file, state dict, handler, labels, image.py), and how to start it."""
    parts = folder / "parts"
    parts.mkdir()
    (parts / "model.py").write_text(model_file(model), encoding="utf-8")
    module = find_module(NETWORKS[model.framework], str(model.network["name"]), model.plugins, "network")
    shutil.copyfile(find_source(module), parts / "network.py")
    torch.save(network.state_dict(), parts / "weights.pth")
    write_json(parts / "index_to_name.json", {str(number): label for number, label in enumerate(model.labels)})
    write_json(parts / "input.json", {"size": model.size, "resize": model.resize, **model.config["normalize"]})
    extra = [parts / "network.py", parts / "index_to_name.json", parts / "input.json", Path(image.__file__)]
    generate_model_archive(
        ModelArchiverConfig(
            model_name=model.name,
            version=version,
            model_file=str(parts / "model.py"),
            serialized_file=str(parts / "weights.pth"),
            handler=str(HANDLER),
            extra_files=",".join(map(str, extra)),
            export_path=str(parts),
            archive_format="no-archive",
            force=True,
        )
    )
    timeless(parts / model.name)
    target = folder / f"{model.name}.mar"
    zip_folder(parts / model.name, target)
    shutil.rmtree(parts)
    torchserve_setup.write(model.name, folder)
    return target


def model_file(model: Description) -> str:
    """Return the source of a module with the one class that TorchServe expects, whatever the network's file defines."""
    _, options = split_options(model.network)
    return MODEL_FILE.format(classes=len(model.labels), size=model.size, options=options)


def timeless(folder: Path) -> None:
    """Take the date out of the manifest, so that equal models give equal archives."""
    manifest = folder / "MAR-INF" / "MANIFEST.json"
    content: dict[str, Any] = json.loads(manifest.read_text())
    content.pop("createdOn", None)
    write_json(manifest, content)
