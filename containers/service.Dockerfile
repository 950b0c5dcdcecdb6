# syntax=docker/dockerfile:1.7
# A Bento, with what it asks for and nothing else:
#   docker build -f containers/service.Dockerfile -t bestiary artifacts/bentos/bestiary
#   docker run --rm -p 3000:3000 --read-only --tmpfs /tmp --cap-drop ALL bestiary
FROM python:3.11.14-slim-bookworm AS packages
RUN python -m venv --without-pip /opt/venv
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=env/python/requirements.txt,target=/tmp/requirements.txt \
    pip --python /opt/venv/bin/python install -r /tmp/requirements.txt
COPY . /bento
# The service may not write beside its code.
RUN python -m compileall -q /bento/src

FROM python:3.11.14-slim-bookworm
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /bento /bento
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True ORT_DISABLE_TELEMETRY=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3000/readyz', timeout=4)"]
CMD ["bentoml", "serve", "/bento", "--host", "0.0.0.0", "--port", "3000"]
