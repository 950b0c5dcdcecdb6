"""Where packages and indexes lie and how the services answer; the same in the project and inside a Bento."""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """The `bento` section of params.yaml; conf/bento/default.yaml says what each key does."""

    workers: int
    threads: int
    concurrency: int
    queue: int
    precision: str
    timeout: float
    client_timeout: float
    drain: float
    max_images: int
    max_body_mb: float
    max_megapixels: float
    min_confidence: float
    max_results: int
    cors: list[str]
    url_hosts: list[str]
    url_timeout: float
    max_url_fetches: int

    @property
    def max_body(self) -> int:
        """The largest body, bytes."""
        return int(self.max_body_mb * 2**20)

    @property
    def max_pixels(self) -> int:
        """The largest picture, pixels."""
        return int(self.max_megapixels * 1_000_000)


def settings() -> Settings:
    """Read the settings that lie beside this package."""
    params = yaml.safe_load((CODE / "params.yaml").read_text(encoding="utf-8"))
    return Settings(**params["bento"])


def packages() -> Path:
    """Return the folder of packages: of BESTIARY_HOME (a run's folder, say), else beside this package."""
    return Path(os.environ.get("BESTIARY_HOME", CODE)).resolve() / "artifacts" / "packages"


def indexes() -> Path:
    """Return the folder of indexes, beside that of packages."""
    return packages().with_name("indexes")


def packaged(folder: Path) -> list[str]:
    """Return the names of the packaged models in a folder."""
    return sorted(file.parent.name for file in folder.glob("[!.]*/model.json"))


def indexed(folder: Path) -> list[str]:
    """Return the names of the indexes in a folder."""
    return sorted(file.parent.name for file in folder.glob("[!.]*/index.json"))
