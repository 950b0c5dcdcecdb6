"""The Dockerfiles, by a linter and by what it does not know; no container engine is needed."""

import fnmatch
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from stages.package import bento
from stages.package.triton import DOCKERFILE
from tests.conftest import ROOT, tree

FOLDER = ROOT / "containers"
TRITON = DOCKERFILE.format(name="pets-triton", image=tree().models["base_cnn"].package.triton.image)
FILES = {file.name: file.read_text() for file in sorted(FOLDER.glob("*.Dockerfile"))} | {"triton": TRITON}
OURS = [name for name in FILES if name != "triton"]
BENTO = {".", "env/python/requirements.txt"}  # what is copied out of a Bento, which is the service's context


def instructions(text: str) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions and their words, continued lines joined."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined)]


def said(name: str, word: str) -> list[str]:
    return [rest for found, rest in instructions(FILES[name]) if found == word]


def sources(name: str) -> set[str]:
    """Return what is copied or bound from the context."""
    copied = [words for words in said(name, "COPY") if "--from=" not in words]
    names = {source for words in copied for source in words.split()[:-1] if not source.startswith("--")}
    return names | set(re.findall(r"type=bind,source=([^,\s]+)", FILES[name]))


@pytest.mark.parametrize("name", FILES)
def test_the_linter_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(FILES[name])
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", file], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", FILES)
def test_a_rule_that_is_left_out_has_its_reason(name: str) -> None:
    lines = FILES[name].splitlines()
    for number, line in enumerate(lines):
        if "hadolint ignore" in line:
            assert lines[number - 1].startswith("# "), line


@pytest.mark.parametrize("name", FILES)
def test_they_do_not_run_as_root(name: str) -> None:
    last = said(name, "USER")[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last)


@pytest.mark.parametrize("name", OURS)
def test_base_images_are_exact_and_have_the_locks_python(name: str) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    minor = re.search(r"--python-version (\S+)", lock)
    assert minor
    images = {words.split()[0] for words in said(name, "FROM")}
    assert images
    assert all(re.fullmatch(rf"python:{re.escape(minor[1])}\.\d+-slim-[a-z]+", image) for image in images)


def test_tritons_image_is_exact() -> None:
    assert re.search(r":\d+\.\d+-py3$", said("triton", "ARG")[0])


@pytest.mark.parametrize("source", sorted(sources("train.Dockerfile")))
def test_what_is_copied_exists_and_reaches_the_builder(source: str) -> None:
    assert (ROOT / source).exists()
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert any(rule == f"!{source}" for rule in rules)


def test_nothing_else_reaches_the_builder() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule[0] == "!"} == sources("train.Dockerfile")
    assert not any(fnmatch.fnmatch(name, rule[1:]) for rule in rules if rule[0] == "!" for name in ("data", ".git"))


def test_the_service_installs_what_its_bento_says() -> None:
    """One list of packages: the extra `serve`, which a Bento holds as env/python/requirements.txt."""
    assert sources("service.Dockerfile") == BENTO
    assert not any(f"{package}==" in FILES["service.Dockerfile"] for package in bento.serve_requirements())


def test_the_service_listens_where_it_is_exposed_and_asked() -> None:
    (port,), (command,) = said("service.Dockerfile", "EXPOSE"), said("service.Dockerfile", "CMD")
    assert yaml.safe_load(command)[-4:] == ["--host", "0.0.0.0", "--port", port]
    assert f"127.0.0.1:{port}/readyz" in said("service.Dockerfile", "HEALTHCHECK")[0]


def test_volumes_lie_where_the_pipeline_writes_and_belong_to_its_user() -> None:
    volumes = yaml.safe_load(said("train.Dockerfile", "VOLUME")[0])
    assert volumes == [f"/project/{name}" for name in ("data", "artifacts", ".dvc/cache", ".checkpoints")]
    assert all(volume in said("train.Dockerfile", "RUN")[-2] for volume in volumes)


@pytest.mark.parametrize("name", OURS)
def test_no_cache_and_no_secret_stays(name: str) -> None:
    for words in said(name, "RUN"):
        assert "apt-get install" not in words or "rm -rf /var/lib/apt/lists/*" in words
        assert not re.search(r"\b(uv )?pip\b.* install", words) or "--mount=type=cache" in words
    assert not re.search(r"(?i)\b(ARG|ENV)\b.*(secret|token|password|access_key)", FILES[name])
    assert "PYTHONDONTWRITEBYTECODE" not in FILES[name]


def test_a_cluster_without_work_has_no_machine_but_its_head() -> None:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    schema = json.loads((Path(str(spec.origin)).parent / "autoscaler" / "ray-schema.json").read_text())
    given = yaml.safe_load((FOLDER / "cluster.yaml").read_text())
    jsonschema.validate(given, schema)
    kinds = given["available_node_types"]
    assert kinds["worker"]["min_workers"] == 0
    assert kinds[given["head_node_type"]]["resources"]["CPU"] == 0
