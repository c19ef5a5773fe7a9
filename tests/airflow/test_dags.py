import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("train", "score", "monitor")


def _tasks(bag: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{dag}/{name}", task) for dag, found in bag["dags"].items() for name, task in found["tasks"].items()]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory, recipe: str, make: Any, airflow: Any) -> dict[str, Any]:
    """The DAG folder as Airflow reads it with two classifiers."""
    return airflow.describe(make(tmp_path_factory.mktemp("two"), call_to_action=recipe, second=recipe))


def test_a_classifier_file_makes_one_set_of_dags(tmp_path: Path, recipe: str, make: Any, airflow: Any) -> None:
    """With one classifier there are exactly the four DAGs of the contract, and no import error."""
    found = airflow.describe(make(tmp_path, call_to_action=recipe))
    assert found["errors"] == {}
    assert set(found["dags"]) == {"ingest", *(f"call_to_action.{verb}" for verb in VERBS)}


def test_one_more_file_makes_one_more_set(bag: dict[str, Any]) -> None:
    """A second file adds its three DAGs and its own label task; nothing else changes."""
    expected = {f"{name}.{verb}" for name in ("call_to_action", "second") for verb in VERBS}
    assert set(bag["dags"]) == {"ingest", *expected}
    labels = {name for name in bag["dags"]["ingest"]["tasks"] if name.startswith("label.")}
    assert labels == {"label.call_to_action", "label.second"}


def test_a_task_reads_its_own_classifier_only(tmp_path: Path, recipe: str, make: Any, airflow: Any) -> None:
    """Where a task starts, Airflow says of which DAG, and no DAG of another classifier is built; ``ingest`` has all."""
    two = make(tmp_path, one=recipe, two=recipe, ingest=recipe)
    of = {"_AIRFLOW_PARSING_CONTEXT_TASK_ID": "any", "_AIRFLOW_PARSING_CONTEXT_DAG_ID": "two.train"}
    assert {dag for dag in airflow.describe(two, **of)["dags"] if dag != "ingest"} == {f"two.{verb}" for verb in VERBS}
    every = airflow.describe(two, **of | {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "ingest"})["dags"]["ingest"]["tasks"]
    assert {"label.one", "label.two"} < set(every)


def test_every_dag_says_what_it_does_and_runs_alone(bag: dict[str, Any]) -> None:
    """Documentation with a cure, tags, one run at a time, no catching up, no start date that moves."""
    for name, dag in bag["dags"].items():
        assert "**When it fails.**" in dag["doc"], f"{name}: say in the docstring what to do when it fails"
        assert "arameters" in dag["doc"], f"{name}: say in the docstring which parameters it takes"
        assert (dag["max_active_runs"], dag["catchup"], dag["start_date"]) == (1, False, None), name
        classifier = name.rpartition(".")[0]
        assert dag["tags"] == sorted({"aufruf", classifier} - {""}), f"{name}: tag it with its classifier"


def test_every_task_has_an_owner_a_text_a_time_limit_and_another_try(bag: dict[str, Any]) -> None:
    """No task is anonymous, unexplained or endless."""
    for name, task in _tasks(bag):
        assert task["owner"] == "aufruf", f"{name}: give it common(...)"
        assert task["doc"], f"{name}: write its docstring"
        assert task["timeout"] > 0, f"{name}: make it with step() or verb()"
        assert task["retries"] > 0, f"{name}: transient errors deserve another try"


def test_what_runs_a_model_takes_the_gpu_pool_and_queue(bag: dict[str, Any]) -> None:
    """Pool and queue go together, and the training steps have them."""
    trained = {"sweep.opened", "sweep.trial", "train", "evaluate", "promote"}
    heavy = trained | {"score.opened", "score.shard", "explain"}
    for name, task in _tasks(bag):
        wanted = ("gpu", "gpu") if name.rpartition("/")[2] in heavy else ("default_pool", "default")
        assert (task["pool"], task["queue"]) == wanted, f"{name}: step(gpu=True) is for {sorted(heavy)}"


def test_every_pool_that_a_task_takes_is_imported(bag: dict[str, Any]) -> None:
    """A task in an unknown pool would wait for ever, with no error anywhere."""
    pools = json.loads((ROOT / "docker" / "pools.json").read_text(encoding="utf-8"))
    taken = {task["pool"] for _, task in _tasks(bag)}
    assert taken <= {"default_pool", *pools}
    assert pools["gpu"]["slots"] == 1, "two trainings at once do not fit on one GPU"


def test_the_chain_of_the_night(bag: dict[str, Any]) -> None:
    """split, sweep, train, evaluate, promote, report - and scoring starts only behind new_champion.

    A sweep is opened, tried - one task a trial - and closed.
    """
    tasks = bag["dags"]["second.train"]["tasks"]
    upstream = {name: task["upstream"] for name, task in tasks.items()}
    assert upstream == {
        "split": [],
        "sweep.opened": ["split"],
        "sweep.trial": ["sweep.opened"],
        "sweep.closed": ["sweep.opened", "sweep.trial"],
        "train": ["sweep.closed"],
        "evaluate": ["train"],
        "promote": ["evaluate", "train"],
        "new_champion": ["promote"],
        "report": ["evaluate", "promote"],
    }
    assert {name: task["outlets"] for name, task in tasks.items() if task["outlets"]} == {
        "new_champion": ["second.champion"]
    }
    assert tasks["report"]["trigger_rule"] == "none_failed_min_one_success", "it must run when nothing is promoted"
    assert tasks["sweep.closed"]["trigger_rule"] == "none_skipped", "a worker that died costs a trial, not the sweep"
    assert [name for name, task in tasks.items() if task["mapped"]] == ["sweep.trial"]


def test_with_approval_the_night_waits_for_a_person(tmp_path: Path, recipe: str, make: Any, airflow: Any) -> None:
    """`approve` puts a question and its answer between the gate and the announcement, outside the pool gpu."""
    approved = recipe.replace('mode = "auto"', 'mode = "approve"\nanswer_hours = 2.5')
    tasks = airflow.describe(make(tmp_path, careful=approved))["dags"]["careful.train"]["tasks"]
    asked, settled = tasks["approval.ask"], tasks["approval.settled"]
    assert (asked["upstream"], asked["pool"], asked["waits"]) == (["promote"], "default_pool", 9000)
    assert (settled["upstream"], settled["pool"]) == (["approval.ask", "promote"], "default_pool")
    assert settled["trigger_rule"] == "none_failed_min_one_success", "it passes on what needed nobody"
    assert tasks["new_champion"]["upstream"] == ["approval.settled"]
    assert tasks["report"]["upstream"] == ["approval.settled", "evaluate"]


def test_the_chain_of_the_scoring(bag: dict[str, Any]) -> None:
    """The scoring is opened, done - one task a shard - and closed; then explanations and the report follow.

    The report comes without explanations too, and a last task knows of both.
    """
    tasks = bag["dags"]["second.score"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "champion": [],
        "score.opened": [],
        "score.shard": ["score.opened"],
        "score.closed": ["score.opened", "score.shard"],
        "explain": ["score.closed"],
        "report": ["explain", "score.closed"],
        "done": ["explain", "report"],
    }
    rules = {name: task["trigger_rule"] for name, task in tasks.items()}
    assert rules.pop("report") == "all_done_min_one_success", "prevalence is published whether words are or not"
    assert set(rules.values()) == {"all_success"}
    assert [name for name, task in tasks.items() if task["mapped"]] == ["score.shard"]


def test_the_chain_of_the_monitoring(bag: dict[str, Any]) -> None:
    """Figures first, then the check that fails, and beside it the queue, which a drift does not hold back."""
    tasks = bag["dags"]["second.monitor"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "monitor": [],
        "drift": ["monitor"],
        "queue": ["monitor"],
    }


def test_what_starts_what(bag: dict[str, Any]) -> None:
    """New posts or a new champion start scoring; only the classifier's own labels and champion count."""
    dags = bag["dags"]
    assert dags["ingest"]["tasks"]["posts"]["outlets"] == ["posts"]
    assert dags["ingest"]["tasks"]["label.second"]["outlets"] == ["second.labels"]
    assert "InboxTrigger" in dags["ingest"]["schedule"]
    score = dags["second.score"]["schedule"]
    assert all(word in score for word in ("AssetAny", "'posts'", "'second.champion'", "0 5 * * *", "Europe/Berlin"))
    assert "call_to_action" not in score
    assert "Asset" not in dags["second.train"]["schedule"]


def test_a_new_installation_waits_for_its_first_night(tmp_path: Path, recipe: str, make: Any, airflow: Any) -> None:
    """Set up a minute after the hour of the night, nothing is made up for: the first run is tomorrow's."""
    missed = datetime.now(UTC) - timedelta(minutes=1)
    due = f"{missed.minute} {missed.hour} * * *"
    hours = f'{recipe}\n[schedule]\ntimezone = "UTC"\n' + "".join(f'{verb} = "{due}"\n' for verb in VERBS)
    dags = airflow.describe(make(tmp_path, late=hours, later=f"{hours}train_on_labels = true\n"))["dags"]
    for name in ("late.train", "late.score", "late.monitor", "later.train"):
        assert datetime.fromisoformat(dags[name]["first"]) > missed + timedelta(hours=23), name


def test_training_on_labels_is_a_setting(tmp_path: Path, recipe: str, make: Any, airflow: Any) -> None:
    """With train_on_labels the training waits for labels and for the night; the demo preset sets it."""
    site = make(tmp_path, eager=f"{recipe}\n[schedule]\ntrain_on_labels = true\n", plain=recipe)
    assert "'eager.labels'" in (dags := airflow.describe(site)["dags"])["eager.train"]["schedule"]
    assert "Asset" not in dags["plain.train"]["schedule"]
    assert "'plain.labels'" in airflow.describe(site, AUFRUF_PRESET="demo")["dags"]["plain.train"]["schedule"]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("trials", [None, 1, 200], [0, 201, "3", 1.5]),
        ("preset", [None, "demo", "quick"], ["nightly", 1]),
        ("promote", [True, False], [None, "yes"]),
    ],
)
def test_a_triggered_training_checks_its_parameters(
    bag: dict[str, Any], key: str, good: list[Any], bad: list[Any]
) -> None:
    """Each parameter has a schema that lets the sensible values pass and no others."""
    param = bag["dags"]["second.train"]["params"][key]
    for value in [param["value"], *good]:
        jsonschema.validate(value, param["schema"])
    for value in bad:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, param["schema"])


def test_reading_the_dag_files_loads_nothing_heavy(bag: dict[str, Any]) -> None:
    """The DAG processor and every task start without torch, pandas and the like."""
    assert bag["heavy"] == []


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_a_dag_file_is_a_table_of_contents(file: Path) -> None:
    """Wiring fits in less than sixty lines; what does not belongs into src/aufruf_airflow or a step."""
    assert len(file.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[training]\nepoch = 3\n", "unknown key 'training.epoch'. Did you mean 'epochs'?"),
        ("labels = [\n", "not valid TOML"),
        ('[schedule]\ntimezone = "Europe/Nowhere"\n', "there is no time zone 'Europe/Nowhere'"),
        ('[schedule]\ntimezone = "Europe"\n', "there is no time zone 'Europe'"),
        ('[schedule]\ntrain = "61 * * * *"\n', "schedule.train:"),
        ("[notify]\nlate_hours = inf\n", "notify.late_hours: Input should be a finite number"),
        ("[notify]\nlate_hours = 1e300\n", "notify.late_hours: "),
    ],
    ids=["key", "toml", "timezone", "folder", "cron", "infinite", "huge"],
)
def test_a_broken_classifier_file_takes_no_other_dag_down(
    tmp_path: Path, recipe: str, make: Any, airflow: Any, broken: str, said: str
) -> None:
    """The good classifier keeps its DAGs, and one import error names the file and what is wrong with it."""
    toml = broken if "labels" in broken else f"{recipe}\n{broken}"
    found = airflow.describe(make(tmp_path, broken=toml, call_to_action=recipe))
    assert set(found["dags"]) == {"ingest", *(f"call_to_action.{verb}" for verb in VERBS)}
    [error] = found["errors"].values()
    last = error.strip().splitlines()[-1]
    assert "broken.toml" in last
    assert said in last
