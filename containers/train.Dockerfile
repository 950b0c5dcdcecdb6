# syntax=docker/dockerfile:1.7
# The pipeline, on GPUs where the host has NVIDIA's container toolkit:
#   docker build -f containers/train.Dockerfile -t bestiary-train .
#   docker run --rm --gpus all -v bestiary-data:/project/data -v bestiary-artifacts:/project/artifacts \
#     -v bestiary-cache:/project/.dvc/cache -v bestiary-checkpoints:/project/.checkpoints bestiary-train
# A command of one's own follows the image's name, credentials and MLFLOW_TRACKING_URI come by --env.
# The CUDA libraries are the wheels that the lock names; a CUDA base image would bring them a second time.
FROM python:3.11.14-slim-bookworm AS environment
RUN --mount=type=cache,target=/root/.cache/pip pip install uv==0.13.9
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN python -m venv --without-pip /opt/venv
# The project's own dependencies in the versions of the lock, with its hashes, and none of those for development.
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=pyproject.toml,target=/lock/pyproject.toml \
    --mount=type=bind,source=requirements.lock,target=/lock/requirements.lock \
    uv pip install --python /opt/venv/bin/python -r /lock/pyproject.toml --extra cpu --extra serve -c /lock/requirements.lock

FROM python:3.11.14-slim-bookworm
# A compiler for torch.compile, git for DVC. Debian keeps one version of each in a release: a pinned one would be gone soon.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc git libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home bestiary \
    && mkdir -p /project/data /project/artifacts /project/.checkpoints /project/.dvc/cache \
    && chown -R 10001:10001 /project
COPY --from=environment /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 BENTOML_DO_NOT_TRACK=True DVC_NO_ANALYTICS=1 \
    ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true
USER 10001:10001
WORKDIR /project
COPY --chown=10001:10001 .dvcignore dvc.lock dvc.yaml params.yaml ./
COPY --chown=10001:10001 .dvc/config .dvc/
COPY --chown=10001:10001 conf conf
COPY --chown=10001:10001 stages stages
COPY --chown=10001:10001 bento bento
# There is no git history in an image.
RUN dvc config --local core.no_scm true
VOLUME ["/project/data", "/project/artifacts", "/project/.dvc/cache", "/project/.checkpoints"]
CMD ["dvc", "repro"]
