"""Where things live, and how a failure speaks."""

import ast
from pathlib import Path

import pytest

from aufruf import errors
from aufruf.errors import AufrufError, DataRefused, LeakFound, NothingYet, UsageError, nearest
from aufruf.settings import Settings
from aufruf.stack.environment import Site, airflow_environment, urls


def test_everything_lives_under_home(tmp_path):
    """Every place that settings name lies under home, and naming it creates nothing."""
    found = Settings.load(tmp_path / "home", env={})
    places = [getattr(found, name) for name in dir(Settings) if isinstance(getattr(Settings, name), property)]
    folders = [place for place in places if isinstance(place, Path)]
    assert len(folders) >= 8
    assert all(found.home in place.parents for place in folders)
    assert (found.lake, found.tracking_uri) == (f"{found.home}/lake", f"sqlite:///{found.home}/mlflow/mlflow.db")
    assert not found.home.exists()


def test_the_option_wins_over_the_environment(tmp_path):
    """--home wins over AUFRUF_HOME, which wins over ./var."""
    env = {"AUFRUF_HOME": str(tmp_path / "env")}
    assert Settings.load(tmp_path / "option", env).home == tmp_path / "option"
    assert Settings.load(None, env).home == tmp_path / "env"
    assert Settings.load(None, {}).home == Path("var").resolve()


def test_each_place_can_be_moved(tmp_path):
    """The lake, the classifiers, the registry and the ports each have a variable of their own."""
    found = Settings.load(
        tmp_path,
        {
            "AUFRUF_LAKE": "s3://bucket/lake",
            "AUFRUF_CLASSIFIERS": str(tmp_path / "c"),
            "MLFLOW_TRACKING_URI": "http://mlflow.example:5000",
            "AUFRUF_MLFLOW_PORT": "5001",
            "AUFRUF_AIRFLOW_PORT": "8081",
            "AUFRUF_PRESET": "demo",
        },
    )
    assert (found.lake, found.classifiers) == ("s3://bucket/lake", tmp_path / "c")
    assert (found.airflow_port, found.mlflow_port, found.preset) == (8081, 5001, "demo")


@pytest.mark.parametrize(
    ("uri", "embedded"),
    [
        (None, True),
        ("http://127.0.0.1:5000", True),
        ("http://localhost:5000", True),
        ("http://127.0.0.1:5999", False),
        ("https://mlflow.example.org", False),
        ("sqlite:///home/mlflow/mlflow.db", True),
        ("sqlite:///elsewhere.db", False),
    ],
)
def test_the_embedded_registry_is_recognised(tmp_path, uri, embedded, monkeypatch):
    """The file under home is the embedded registry, as a file or through its own server; another file is not."""
    monkeypatch.chdir(tmp_path)
    found = Settings.load("home", {"MLFLOW_TRACKING_URI": uri} if uri else {})
    assert found.embedded_registry is embedded


@pytest.mark.parametrize("port", ["five", "0", "65536", "99999", "-1"])
def test_what_is_no_port_is_wrong_usage(tmp_path, port):
    """A variable that cannot be meant is named with its value; so is an address with such a port."""
    with pytest.raises(UsageError, match=rf"AUFRUF_MLFLOW_PORT.*'{port}'"):
        Settings.load(tmp_path, {"AUFRUF_MLFLOW_PORT": port})
    if port != "0":
        with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI is no address"):
            Settings.load(tmp_path, {"MLFLOW_TRACKING_URI": f"http://mlflow.example:{port}"})


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"AUFRUF_LAKE": "gopher://x/lake"}, r"AUFRUF_LAKE names no storage.*gopher://.*s3://"),
        ({"AUFRUF_LAKE": __file__}, r"AUFRUF_LAKE is no folder"),
        ({"MLFLOW_TRACKING_URI": "foo"}, r"MLFLOW_TRACKING_URI is no address of a tracking server.*http://HOST:PORT"),
        ({"MLFLOW_TRACKING_URI": "file:///mlruns"}, r"MLFLOW_TRACKING_URI is no address of a tracking server"),
    ],
)
def test_an_address_of_what_is_none_is_wrong_usage(tmp_path, env, said):
    """A lake there would look empty, and MLflow would end in a trace; the sentence names what can be meant."""
    with pytest.raises(UsageError, match=said):
        Settings.load(tmp_path, env)


def test_a_home_is_a_folder(tmp_path):
    """A file of that name is wrong usage; what is not there yet may become one."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="the home is no folder"):
        Settings.load(tmp_path / "file", {})
    assert (
        Settings.load(tmp_path / "new", {"MLFLOW_TRACKING_URI": "postgresql+psycopg://me@host/db"}).home.name == "new"
    )


def test_a_folder_that_delta_lake_misreads_is_refused(tmp_path):
    """Delta Lake's library takes %20 in a name for a space, and finds no table there; 50 % is a name like others."""
    for home in (tmp_path / "a%20b", tmp_path / "a%C3%BC"):
        with pytest.raises(UsageError, match=r"tables cannot lie under a name with % and two hex digits.*AUFRUF_LAKE"):
            Settings.load(home, {})
    assert Settings.load(tmp_path / "50 %", {}).home.name == "50 %"
    assert Settings.load(tmp_path / "a%20b", {"AUFRUF_LAKE": str(tmp_path)}).home.name == "a%20b"


def test_a_relative_path_is_meant_from_the_working_folder(tmp_path, monkeypatch):
    """It is whole from then on: tasks work in another folder. Names of the hub and addresses stay as they are."""
    monkeypatch.chdir(tmp_path)
    env = {"AUFRUF_LAKE": "mylake", "AUFRUF_ENCODER": "../gbert", "MLFLOW_TRACKING_URI": "sqlite:///m.db?timeout=9"}
    found = Settings.load(None, env)
    assert found.lake == str(tmp_path / "mylake")
    assert found.encoder == str(tmp_path.parent / "gbert")
    assert found.tracking_uri == f"sqlite:///{tmp_path}/m.db?timeout=9"
    assert found.registry_file == tmp_path / "m.db"
    assert found.registry_unmade
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert Settings.load(None, {"AUFRUF_LAKE": "~/lake"}).lake == str(tmp_path / "me" / "lake")
    plain = Settings.load(None, {"AUFRUF_LAKE": "gs://bucket/lake", "AUFRUF_ENCODER": "deepset/gbert-base"})
    assert (plain.lake, plain.encoder) == ("gs://bucket/lake", "deepset/gbert-base")


def test_a_failure_says_what_where_and_what_next():
    """One sentence for people, one object for programs, from the same three words."""
    failure = DataRefused("no column Text", where="posts.csv", next="Name it with --columns.")
    assert str(failure) == "posts.csv: no column Text. Name it with --columns."
    assert failure.as_json() == {
        "type": "DataRefused",
        "what": "no column Text",
        "where": "posts.csv",
        "next": "Name it with --columns.",
    }
    assert str(AufrufError("it broke")) == "it broke"


def test_what_to_do_next_is_a_sentence():
    """Each is read behind another sentence: it begins as one and ends as one."""
    source = Path(errors.__file__).parents[1]
    trees = [ast.parse(path.read_text("utf-8")) for path in source.rglob("*.py")]
    given = [
        node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "next"
    ]
    told = [one.value for one in given if isinstance(one, ast.Constant) and one.value]
    assert len(told) > 100
    assert [one for one in told if not (one[0].isupper() or one[0] == "`") or one[-1] not in ".?"] == []


def test_wrong_usage_says_what_to_do_next():
    """So does a command that comes too early. What joins sentences of several files has theirs."""
    source = Path(errors.__file__).parents[1]
    made = [
        (path.name, node)
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"UsageError", "NothingYet"}
    ]
    named = [(file, node.lineno) for file, node in made if "next" not in {word.arg for word in node.keywords}]
    assert len(made) > 60
    assert [one for one in named if one[0] != "classifiers.py"] == []


def test_exit_codes_follow_the_family():
    """0 done, 1 failed, 2 wrong usage, 3 the data was refused - and every failure is drawn in the tree."""
    family = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, AufrufError)]
    codes = {one.__name__: one.exit_code for one in family}
    assert {name for name, code in codes.items() if code == 2} == {"UsageError"}
    assert {name for name, code in codes.items() if code == 3} == {"DataRefused", "LeakFound"}
    assert set(codes.values()) == {1, 2, 3}
    assert issubclass(LeakFound, DataRefused)
    assert not issubclass(NothingYet, DataRefused)
    assert [name for name, code in codes.items() if f"{name} " not in (errors.__doc__ or "") or not code] == []


def test_the_nearest_word_is_named():
    """A near miss is answered with the word; anything else with all of them."""
    assert nearest("trian", ["train", "test"]) == "Did you mean 'train'?"
    assert nearest("qqq", ["train", "test"]) == "Known: test, train."
    assert nearest("qqq", []) == "Known: none."


def test_people_are_shown_no_login(tmp_path):
    """An address of a tracking server is shown without its name and password; tasks are handed the whole one."""
    written = "https://me:secret@mlflow.example/"
    settings = Settings.load(home=tmp_path, env={"MLFLOW_TRACKING_URI": written})
    assert settings.registry_url == urls(settings)["mlflow"] == "https://mlflow.example"
    site = Site(settings, {"AUFRUF_DAGS": str(Path(__file__).resolve().parents[2] / "dags")})
    handed = airflow_environment(settings, site, "mark", None)["MLFLOW_TRACKING_URI"]
    assert handed == settings.tracking_uri == written
