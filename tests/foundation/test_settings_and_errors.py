"""Where things live, and how a failure speaks."""

from pathlib import Path

import pytest

from aufruf import errors
from aufruf.errors import AufrufError, DataRefused, LeakFound, NothingYet, UsageError, nearest
from aufruf.settings import Settings


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
    ],
)
def test_the_embedded_registry_is_recognised(tmp_path, uri, embedded):
    """The file under home is the embedded registry, reached as a file or through its own server."""
    found = Settings.load(tmp_path, {"MLFLOW_TRACKING_URI": uri} if uri else {})
    assert found.embedded_registry is embedded


def test_a_port_that_is_no_number_is_wrong_usage(tmp_path):
    """A variable that cannot be meant is named with its value."""
    with pytest.raises(UsageError, match=r"AUFRUF_MLFLOW_PORT.*'five'"):
        Settings.load(tmp_path, {"AUFRUF_MLFLOW_PORT": "five"})


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
