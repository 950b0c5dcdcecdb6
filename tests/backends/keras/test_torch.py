"""The guarantees of a Keras training on the torch backend, in a process of its own."""

from pathlib import Path

from tests.conftest import ROOT, python

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from stages.preprocess.store import Store
from stages.backends.base import framework
from tests.conftest import replace, tree

store, scratch = Store(Path(sys.argv[1])), Path(sys.argv[2])
network = {"name": "entry_flow", "rotation": 0.1}
config = replace(tree().models["xception"].train, backend="torch", epochs=2, network=network, schedule="cosine")
keras = framework("keras")

class Killed(BaseException):
    pass

def fit(folder, die_after=0, config=config):
    def report(row):
        if row["epoch"] == die_after:
            raise Killed
    return keras.train(keras.prepare(config, store, ["tests.own.entry_flow"]), config, store, scratch / folder, report)

whole = fit("whole")
expected = keras.state(whole.network)
try:
    fit("killed", 1)
except Killed:
    resumed = fit("killed")
found = keras.state(resumed.network)
assert all(np.array_equal(found[name], expected[name]) for name in expected)
assert resumed.history == whole.history
assert whole.history[0]["lr"] > whole.history[1]["lr"] > 0
print("same")
"""


def test_on_torch_a_killed_training_goes_on_to_the_same_weights(prepared: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = python(str(program), str(prepared), str(tmp_path), cwd=ROOT, PYTHONPATH=str(ROOT))
    assert done.stdout.strip().endswith("same")
