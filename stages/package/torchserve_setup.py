"""How TorchServe is started with an archive: `torchserve/config.properties`, and `torchserve/run.sh` for Docker."""

from pathlib import Path

from stages.core.files import write_text

FOLDER = "torchserve"
IMAGE = "pytorch/torchserve:0.12.0-cpu"
CONFIG = """\
# From the project's folder, with Java 17 and a Python that has torchserve 0.12 and torch:
#   torchserve --start --foreground --ncs --ts-config artifacts/packages/NAME/torchserve/config.properties
#   curl -X POST http://localhost:8080/predictions/NAME -T image.jpg
# In Docker: artifacts/packages/NAME/torchserve/run.sh
inference_address=http://127.0.0.1:8080
management_address=http://127.0.0.1:8081
metrics_address=http://127.0.0.1:8082
model_store=artifacts/packages/NAME
load_models=NAME=NAME.mar
# Without tokens whoever reaches the ports may ask; they are bound to this machine. With false here, TorchServe writes
# key_file.json where it is started, and requests need `-H "Authorization: Bearer <its inference key>"`.
disable_token_authorization=true
# bytes; as much as the services of this project take (TorchServe's own limit is 6.5 MB)
max_request_size=16000000
# variables come first: TS_INFERENCE_ADDRESS, TS_DEFAULT_WORKERS_PER_MODEL …
enable_envvars_config=true
"""
RUN = """\
#!/usr/bin/env bash
# TorchServe in Docker, on ports 8080 (inference), 8081 (management) and 8082 (metrics) of this machine alone.
#   bash run.sh                         serves NAME
#   bash run.sh ../../vgg19/vgg19.mar   serves that archive too, as vgg19
# On a GPU: IMAGE=pytorch/torchserve:0.12.0-gpu OPTIONS="--gpus all" bash run.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=/home/model-server
volumes=() models=()
for archive in "$here/../NAME.mar" "$@"; do
  model=$(basename "$archive" .mar)
  volumes+=(-v "$(realpath "$archive"):$home/model-store/$model.mar:ro")
  models+=("$model=$model.mar")
done
# in the container TorchServe listens on all addresses; Docker publishes them on 127.0.0.1
# shellcheck disable=SC2086
exec docker run --rm --init --name torchserve_docker ${OPTIONS:-} \\
  -p 127.0.0.1:8080:8080 -p 127.0.0.1:8081:8081 -p 127.0.0.1:8082:8082 \\
  -e TS_INFERENCE_ADDRESS=http://0.0.0.0:8080 -e TS_MANAGEMENT_ADDRESS=http://0.0.0.0:8081 \\
  -e TS_METRICS_ADDRESS=http://0.0.0.0:8082 \\
  -v "$here/config.properties:$home/config.properties:ro" "${volumes[@]}" \\
  "${IMAGE:-DEFAULT}" \\
  torchserve --start --foreground --ncs --ts-config "$home/config.properties" \\
  --model-store "$home/model-store" --models "${models[@]}"
"""


def write(name: str, folder: Path) -> None:
    """Write what starts TorchServe with `<name>.mar` of this folder, into `torchserve/` in it."""
    write_text(folder / FOLDER / "config.properties", CONFIG.replace("NAME", name))
    write_text(folder / FOLDER / "run.sh", RUN.replace("NAME", name).replace("DEFAULT", IMAGE))
