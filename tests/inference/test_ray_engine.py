"""Two machines of a Ray cluster write what one machine writes, also when an actor and then a machine die in between."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import make_picture

from moda.inference.describer import Settings
from moda.inference.inputs import open_inputs
from moda.inference.local import describe_locally
from moda.inference.ray_engine import describe_on_ray
from moda.inference.run import describe_catalogue


PICTURES = 72


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    for index in range(PICTURES):
        make_picture(index).save(folder / f"{index:02}.png")
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:200])
    return open_inputs([str(folder)])


@pytest.fixture(scope="module")
def cluster():
    """Two machines of a core each, as processes of this one, beside one without a core where the run is started."""
    ray = pytest.importorskip("ray", reason="Ray comes with moda[ray]")
    pytest.importorskip("ray.data")
    from ray.cluster_utils import Cluster

    tests = Path(__file__).parents[1]
    environment = pytest.MonkeyPatch()
    environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
    environment.setenv("PYTHONPATH", f"{tests.parent}{os.pathsep}{tests}")  # for the processes of the cluster
    size = {"object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **size})
    nodes = [cluster.add_node(num_cpus=1, **size) for _ in range(2)]
    ray.init(cluster.address, log_to_driver=False)
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()
    environment.undo()


def actors():
    """Process ids, below this process, of the actors that describe."""
    parents, found = {}, []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if "_Describe" in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:  # it has ended
            pass
    return [pid for pid in found if os.getpid() in ancestors(pid, parents)]


def ancestors(pid, parents):
    while pid in parents:
        pid = parents[pid]
        yield pid


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the actors' processes in /proc")
def test_an_actor_and_a_machine_die_and_every_row_is_there_once(repository, inputs, cluster, tmp_path):
    settings = Settings(model=str(repository), max_new_tokens=6, batch_size=2, threads=1)
    killed = []

    def engine(*given, **options):
        for done, rows in enumerate(describe_on_ray(*given, **options)):
            yield rows
            if done == 4:
                killed.append(actors()[0])
                os.kill(killed[0], signal.SIGKILL)
            elif done == 16:
                killed.append(cluster[1][0])
                cluster[0].remove_node(killed[1], allow_graceful=False)

    notes = []
    summaries, tables = [], []
    for name, run in (("ray", engine), ("local", describe_locally)):
        output = tmp_path / name / "descriptions.jsonl"
        output.parent.mkdir()
        summaries.append(describe_catalogue(inputs, settings, output, run, say=notes.append))
        tables.append([output.read_text(), (output.parent / "failures.jsonl").read_text()])
    assert len(killed) == 2 and "2 actors describe, 1 threads each, on 2 machines of a Ray cluster" in notes
    assert [(summary["described"], summary["failed"]) for summary in summaries] == [(PICTURES - 1, 1)] * 2
    assert tables[0] == tables[1]


def test_a_cluster_without_room_is_said(repository, inputs, cluster):
    with pytest.raises(ValueError, match="No machine of the Ray cluster has 64 cores for an actor"):
        list(describe_on_ray(inputs, range(4), Settings(model=str(repository), threads=64)))


def test_ray_is_asked_for_where_it_is_not_installed(repository, inputs, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'install it with `pip install "moda\[ray\]"`'):
        list(describe_on_ray(inputs, range(4), Settings(model=str(repository))))


def test_a_ray_of_its_own_says_what_is_wrong_with_the_model_and_leaves_nothing(inputs, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray comes with moda[ray]")
    ray.shutdown()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **options: str(short))
    short = Path("/tmp") / f"moda-ray-test-{os.getpid()}"
    short.mkdir()
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match="is neither a folder with a model nor a model that the Hub gives out"):
        list(describe_on_ray(inputs, range(4), Settings(model=str(tmp_path / "model"), threads=1)))
    assert not ray.is_initialized() and not short.exists()
