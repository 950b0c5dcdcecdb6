from pathlib import Path

import pytest

from attacks.origin import origin
from stages.core.download import download
from stages.core.errors import UserError


def test_a_broken_download_goes_on_where_it_was(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    with origin({"set.zip": content}, rate=1e9) as server:
        url = f"{server.url}/set.zip"
        whole = download(url, tmp_path, None)
        part = whole.with_name(".set.zip.part")
        part.write_bytes(content[:100_000])
        whole.unlink()
        before = server.sent
        assert download(url, tmp_path, None).read_bytes() == content
        assert server.sent - before == len(content) - 100_000
        with pytest.raises(UserError, match="not found"):
            download(f"{server.url}/other.zip", tmp_path, None)
