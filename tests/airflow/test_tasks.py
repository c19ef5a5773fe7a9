from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

TRY = """
import json, sys
from aufruf import errors
from aufruf_airflow.task import step

name, waits = sys.argv[1], sys.argv[2] == "waits"
failure = getattr(errors, name, None) or OSError

@step(waits=waits)
def work():
    "Fail."
    raise failure("the lake is dry", **({} if failure is OSError else {"where": "lake", "next": "Wait for rain."}))

try:
    work.function()
except Exception as error:
    print("\\n" + json.dumps([type(error).__name__, str(error)]))
"""


@pytest.mark.parametrize(
    ("failure", "waits", "becomes"),
    [
        ("UsageError", "", "AirflowFailException"),
        ("DataRefused", "", "AirflowFailException"),
        ("LeakFound", "waits", "AirflowFailException"),
        ("BundleRefused", "", "AirflowFailException"),
        ("NothingYet", "", "AirflowFailException"),
        ("NothingYet", "waits", "AirflowSkipException"),
        ("TrainingFailed", "waits", "TrainingFailed"),
    ],
)
def test_a_failure_that_another_try_cannot_mend_is_not_tried_again(
    airflow: Any, make: Any, tmp_path: Path, failure: str, waits: str, becomes: str
) -> None:
    """Refusals and wrong settings fail at once, with their sentence; only the first step of a chain skips."""
    found = airflow.python(make(tmp_path), TRY, failure, waits or "-")
    assert found == [becomes, "lake: the lake is dry. Wait for rain."]


def test_a_passing_trouble_is_tried_again(airflow: Any, make: Any, tmp_path: Path) -> None:
    """An error that is not the library's reaches Airflow as it is, and Airflow retries."""
    assert airflow.python(make(tmp_path), TRY, "no failure of ours", "waits") == ["OSError", "the lake is dry"]


PROMOTE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

promote = DagBag(sys.argv[1]).dags["call_to_action.train"].task_dict["promote"].python_callable
promote.__wrapped__.__globals__["take"] = lambda verb, name, params, **more: [verb, name, more]
found = [promote(trained, params={"promote": True}) for trained in ({"model_version": "7"}, None)]
print("\\n" + json.dumps(found))
"""


def test_a_run_promotes_what_it_has_trained(airflow: Any, make: Any, tmp_path: Path, recipe: str) -> None:
    """The gate is handed the version of `train`, and none where a person has set `train` to success."""
    found = airflow.python(make(tmp_path, call_to_action=recipe), PROMOTE, str(ROOT / "dags"))
    said = ["promote", "call_to_action"]
    assert found == [[*said, {"challenger": "7"}], [*said, {}]]


LINK = """
import json, sys, types
sys.path.insert(0, sys.argv[1])
import mlflow_links, page_links
link = lambda dag: mlflow_links.ModelsLink().get_link(None, ti_key=types.SimpleNamespace(dag_id=dag, task_id="train"))
found = [link("call_to_action.train"), link("ingest"), mlflow_links.MlflowLinks.external_views]
foreign = types.SimpleNamespace(dag_id="sales.train", task_id="train")
every = [*mlflow_links.MlflowLinks.global_operator_extra_links, *page_links.PageLinks.global_operator_extra_links]
print("\\n" + json.dumps([*found, [one.get_link(None, ti_key=foreign) for one in every]]))
"""


def test_tasks_link_to_their_models(airflow: Any, make: Any, tmp_path: Path, recipe: str) -> None:
    """A classifier's tasks link to its registered model, `ingest` to none, the menu to the server; tasks of somebody
    else's DAG have no link of ours."""
    server, site = "http://me:secret@127.0.0.1:5000/", make(tmp_path, call_to_action=recipe)
    models, none, menu, foreign = airflow.python(site, LINK, str(ROOT / "plugins"), MLFLOW_TRACKING_URI=server)
    assert (models, none, set(foreign)) == ("http://127.0.0.1:5000/#/models/call_to_action", "", {""})
    assert [(entry["name"], entry["href"]) for entry in menu] == [("MLflow", "http://127.0.0.1:5000")]


def test_without_a_server_there_is_nothing_to_link_to(airflow: Any, make: Any, tmp_path: Path, recipe: str) -> None:
    """A tracking store that is a file gives no links that lead nowhere."""
    store, site = "sqlite:///mlflow.db", make(tmp_path, call_to_action=recipe)
    found = airflow.python(site, LINK, str(ROOT / "plugins"), MLFLOW_TRACKING_URI=store)
    assert found[:3] == ["", "", []]


@pytest.mark.parametrize("name", ["mlflow", "docker"])
def test_a_folder_named_like_a_package_is_bare(name: str) -> None:
    """Python files in it would make the folder at the root win against the installed package."""
    assert list((ROOT / name).rglob("*.py")) == []


def test_mlflow_is_the_installed_one(make: Any, tmp_path: Path) -> None:
    """From the root of the checkout, `import mlflow` finds site-packages."""
    code = "import importlib.util as u, os, sys; os.chdir(sys.argv[1]); print(u.find_spec('mlflow').origin)"
    done = make(tmp_path).python("-c", code, str(ROOT))
    assert "site-packages" in Path(done.stdout.strip()).parts, done.stderr


ASK = """
import json
from datetime import UTC, datetime
from airflow.sdk.exceptions import AirflowSkipException
from aufruf_airflow.approval import Ask

def answered(chosen, user):
    event = {"chosen_options": [chosen], "params_input": {}, "responded_at": datetime.now(UTC)}
    return ask.execute_complete({}, event | {"responded_by_user": user, "timedout": user is None})

ask = Ask(task_id="ask", classifier="c", decision={"verdict": "kept"}, hours=16)
try:
    skipped = ask.execute({})
except AirflowSkipException as error:
    skipped = str(error)
ada = {"id": "7", "name": "Ada Lovelace"}
print("\\n" + json.dumps([skipped, answered("Promote", ada), answered("Keep", ada), answered(ask.defaults[0], None)]))
"""


def test_an_answer_names_the_account_and_never_the_person(airflow: Any, make: Any, tmp_path: Path) -> None:
    """XCom gets yes or no and an account; the time being up is a no of nobody; a sure verdict asks nobody."""
    assert airflow.python(make(tmp_path), ASK) == [
        "Nothing waits for a person.",
        {"approved": True, "by": "7"},
        {"approved": False, "by": "7"},
        {"approved": False, "by": None},
    ]


ANNOUNCE = """
import json, types
from airflow.sdk.exceptions import AirflowSkipException
from aufruf_airflow.task import announce

class Events(list):
    def ascending(self, up):
        assert not up
        return self
    def limit(self, count):
        return self[:count]

def told(verdict, *versions):
    out = {"asset": types.SimpleNamespace(extra={})}
    seen = Events(types.SimpleNamespace(extra={"version": version} if version else {}) for version in versions)
    try:
        announce("asset", {"verdict": verdict, "champion": "3"}, out, {"asset": seen})
    except AirflowSkipException:
        return "skipped"
    return out["asset"].extra

found = [told("kept"), told("promoted"), told("promoted", "3"), told("first", "2", "3"), told("first", None)]
print("\\n" + json.dumps(found))
"""


def test_a_new_champion_is_announced_once(airflow: Any, make: Any, tmp_path: Path) -> None:
    """Unless the asset's last event, as a rule the webhook's, names it already; a champion that stays is no news."""
    new = {"version": "3"}
    assert airflow.python(make(tmp_path), ANNOUNCE) == ["skipped", new, "skipped", new, new]
