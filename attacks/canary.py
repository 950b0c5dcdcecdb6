"""Secrets in environment, addresses and config go through the pipeline: none may be found in anything it leaves."""

import argparse
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import yaml

from attacks.drawn import picture, saved
from attacks.leaks import Leak, leaks
from attacks.stores import address, server, spoken
from attacks.verdict import verdict
from stages.config.schema import Synthetic
from stages.core.console import track
from stages.core.files import write_json, write_text
from stages.core.workspace import CODE_ROOT
from stages.fetch import table
from stages.layouts import kaggle

PROJECT = "project"
WHO = ("-c", "user.name=canary", "-c", "user.email=canary@example.org")
PATIENCE = 900.0  # seconds for one command
COPIED = (
    "bento", "conf", "stages", ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml",
    "requirements.lock", "MLproject",
)  # fmt: skip
SECRETS = {
    "AWS key": "AKIA" + "CANARY7F3K2M9QXW",
    "AWS secret": "canary/aws+secret/Zr81kfPq0",
    "AWS session": "canary-session-token/8Hy+22kd",
    "Google key": "canary-google-private-key-p0Qm",
    "MLflow password": "canary-mlflow-password-44",
    "MLflow login": "canary-mlflow-userinfo-91",
    "proxy": "canary-proxy-password-17",
    "login in a table": "canary-table-login-63",
    "signature in a table": "canarytablesignature5e0d",
    "login in the config": "canary-config-login-28",
    "signature in the config": "canaryconfigsignature9b1c",
    "login of the command": "canary-command-login-75",
}


@dataclass(frozen=True)
class Step:
    """A command, its environment beside the secrets' own, and the exit status that it should end with."""

    name: str
    words: tuple[str, ...]
    status: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    before: Callable[[], object] = bool


@dataclass(frozen=True)
class Canary:
    """What is there to attack: a project, the services beside it, the secrets' variables."""

    home: Path
    http: str
    s3: str
    mlflow: str
    table: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that hold secrets, as users set them."""
        google = self.home / "google.json"
        proxy = f"http://proxy:{SECRETS['proxy']}@127.0.0.1:9"
        return {
            "AWS_ACCESS_KEY_ID": SECRETS["AWS key"],
            "AWS_SECRET_ACCESS_KEY": SECRETS["AWS secret"],
            "AWS_SESSION_TOKEN": SECRETS["AWS session"],
            "AWS_ENDPOINT_URL": self.s3,
            "AWS_DEFAULT_REGION": "us-east-1",
            "GOOGLE_APPLICATION_CREDENTIALS": str(google),
            "MLFLOW_TRACKING_USERNAME": "me",
            "MLFLOW_TRACKING_PASSWORD": SECRETS["MLflow password"],
            "HTTP_PROXY": proxy,
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(self.home / PROJECT / ".bentoml"),
            "DVC_NO_ANALYTICS": "1",
        }


def stage(name: str, *words: str) -> tuple[str, ...]:
    """Return the command of a stage."""
    return (sys.executable, "-m", f"stages.{name}", *words)


def steps(canary: Canary) -> list[Step]:
    """Return everything that is done, in order."""
    home = canary.home / PROJECT
    login = canary.http.replace("://", f"://me:{SECRETS['login of the command']}@")
    configured = f"http://me:{SECRETS['login in the config']}@host/x.zip"
    signed = f"http://host/x.zip?X-Amz-Signature={SECRETS['signature in the config']}"
    server = {"MLFLOW_TRACKING_URI": canary.mlflow.replace("://", f"://me:{SECRETS['MLflow login']}@")}
    gone = {"MLFLOW_TRACKING_URI": f"http://me:{SECRETS['MLflow login']}@127.0.0.1:9"}
    good = {
        "kaggle": f"{canary.http}/dogs-vs-cats.zip",
        "artworks": str(canary.table),
        "s3_csv": "s3://canary/s3_images.csv",
    }
    train, dvc = stage("train", "model=base_cnn"), str(Path(sys.executable).with_name("dvc"))
    broken = home / "data" / "prepared" / "kaggle" / "images" / "000000.npy"
    return [
        Step("login, command line", stage("fetch", "dataset=kaggle", f"datasets.kaggle.fetch.url={login}/x.zip"), 2),
        Step("login, conf/", stage("compose"), 2, before=partial(point, home, {"kaggle": configured})),
        Step("signature, conf/", stage("compose"), 2, before=partial(point, home, {"kaggle": signed})),
        Step("conf/", stage("compose"), before=partial(point, home, good)),
        Step("artworks", (dvc, "repro", "preprocess@artworks")),
        Step("bucket", (dvc, "repro", "fetch@s3_csv")),
        Step("no such object", stage("fetch", "dataset=s3_csv", "datasets.s3_csv.fetch.url=s3://canary/no.csv"), 2),
        Step("pipeline", (dvc, "repro", "evaluate@base_cnn", "package@base_cnn")),
        Step("sweep", stage("train", "-m", "model=base_cnn", "models.base_cnn.train.lr=1e-3,1e-4")),
        Step("publish", stage("publish", "model=base_cnn", "models.base_cnn.publish.to=s3://canary/models")),
        Step("experiment", (dvc, "exp", "run", "-S", "models.base_cnn.train.lr=1e-5", "train@base_cnn")),
        Step("Bento, .mar", stage("package.bento", "--config-name", "repro")),
        Step("server", train, variables=server),
        Step("no server", train, variables=gone),
        Step("traceback", train, 1, server, partial(replace, broken, b"broken")),
        Step("doctor", stage("doctor", "--quick"), variables=server),
    ]


def point(project: Path, urls: dict[str, str]) -> None:
    """Let the smallest profile of a project say where datasets come from."""
    file = project / "conf" / "profile" / "smoke.yaml"
    values = yaml.safe_load((CODE_ROOT / "conf" / "profile" / "smoke.yaml").read_text(encoding="utf-8"))
    for name, url in urls.items():
        values["datasets"][name]["fetch"]["url"] = url
    write_text(file, f"# @package _global_\n{yaml.safe_dump(values)}")


def replace(file: Path, content: bytes) -> None:
    """Put other bytes in a file's place; what shares its former bytes keeps them."""
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


@contextmanager
def prepared(home: Path) -> Iterator[Canary]:
    """Make a project of its own under git, the files that it fetches, and the services that it asks."""
    from moto.server import ThreadedMotoServer

    served = home / "served"
    served.mkdir()
    kaggle.draw(served, Synthetic(images=80, unlabelled=4, corrupt=2, classes=2, smallest=64, largest=120), seed=7)
    write_json(home / "google.json", {"type": "service_account", "private_key": SECRETS["Google key"]})
    copied(home / PROJECT)
    with ExitStack() as stack:
        http = stack.enter_context(files(served))
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the bucket's server would tell of every request
        bucket = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        bucket.start()
        stack.callback(bucket.stop)
        host, port = bucket.get_host_and_port()
        mlflow = address(stack.enter_context(server(spoken)))
        canary = Canary(home, http, f"http://{host}:{port}", mlflow, home / "tables" / "artworks.tsv")
        fill(canary)
        yield canary


def copied(project: Path) -> None:
    """Copy the project's own files, as a fresh clone would hold them, with the smallest profile."""
    for name in COPIED:
        source, target = CODE_ROOT / name, project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    config = project / "conf" / "config.yaml"
    write_text(config, config.read_text(encoding="utf-8").replace("- profile: demo", "- profile: smoke"))
    for words in (("init", "-q"), ("add", "-A"), (*WHO, "commit", "-qm", "start")):
        subprocess.run(["git", *words], cwd=project, check=True)


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """Serve a folder; yield its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=found.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield address(found)
    finally:
        found.shutdown()
        found.server_close()


def fill(canary: Canary) -> None:
    """Put pictures where the tables name them: on the web server, with login and signature, and in the bucket."""
    import boto3

    store = boto3.client(
        "s3", endpoint_url=canary.s3, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    store.create_bucket(Bucket="canary")
    login = canary.http.replace("://", f"://me:{SECRETS['login in a table']}@")
    artworks, objects = [], []
    for number in range(24):
        content = saved(picture("RGB", number), "JPEG")
        (canary.home / "served" / f"{number}.jpg").write_bytes(content)
        store.put_object(Bucket="canary", Key=f"pictures/{number}.jpg", Body=content)
        url = f"{login}/{number}.jpg?id={number}&X-Amz-Signature={SECRETS['signature in a table']}"
        artworks.append({"id": str(number), "Title": "x", "Culture": str(number % 3), "Thumbnail_Url": url})
        kind = {"category": ("cat", "dog")[number % 2], "label": str(number % 2)}
        objects.append({"bucket": "canary", "s3_image": f"pictures/{number}.jpg", **kind})
    table.write(canary.table, artworks, "\t")
    table.write(canary.home / "s3_images.csv", objects)
    store.upload_file(str(canary.home / "s3_images.csv"), "canary", "s3_images.csv")


def done(canary: Canary, step: Step) -> tuple[str, list[str]]:
    """Run a step; return what it printed, and what is wrong with how it ended."""
    step.before()
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("DVC", "MLFLOW", "AWS"))}
    try:
        run = subprocess.run(
            step.words, cwd=canary.home / PROJECT, env=outer | canary.environment | step.variables,
            capture_output=True, text=True, errors="replace", timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "", [f"{step.name}: not done after {PATIENCE:.0f} s"]
    said = run.stdout + run.stderr
    if run.returncode == step.status:
        return said, []
    return said, [f"{step.name}: exit status {run.returncode} instead of {step.status}: {said[-600:]}"]


def attack(home: Path, names: Collection[str] = ()) -> tuple[list[Leak], list[str]]:
    """Do the steps, all or some; return the traces that the secrets left, and the steps that ended otherwise."""
    wrong: list[str] = []
    with prepared(home) as canary:
        chosen = [step for step in steps(canary) if not names or step.name in names]
        logs = home / PROJECT / "captured"
        logs.mkdir()
        for step in track(chosen, len(chosen), "steps"):
            said, faults = done(canary, step)
            write_text(logs / f"{step.name}.txt", said)
            wrong += faults
    return leaks(home / PROJECT, SECRETS), wrong


def main() -> int:
    """Do every step, look at every byte, and print where a secret was found."""
    parser = argparse.ArgumentParser(prog="python -m attacks.canary", description=__doc__)
    parser.add_argument("--steps", nargs="*", default=[], help="only these (default: all)")
    given = parser.parse_args()
    with TemporaryDirectory() as home:
        found, wrong = attack(Path(home), given.steps)
    rows = [((name,), sorted({f"{one.where} ({one.form})" for one in found if one.secret == name})) for name in SECRETS]
    return verdict(("secret",), [*rows, (("every step ended as it should",), wrong)])


if __name__ == "__main__":
    sys.exit(main())
