"""The house starts bare: nothing heavy at import, small modules, and folders that shadow no package."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HEAVY = [
    "airflow",
    "torch",
    "transformers",
    "mlflow",
    "great_expectations",
    "deltalake",
    "pandas",
    "lime",
    "optuna",
    "sklearn",
]


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh Python has loaded after ``statement``."""
    asked = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import aufruf",
        "import aufruf.cli; aufruf.arguments.parser()",
        "import aufruf.classifier, aufruf.settings, aufruf.errors, aufruf.schemas, aufruf.phrases",
    ],
)
def test_nothing_heavy_is_loaded(statement):
    """The package, its command line and its settings load without any of the large libraries."""
    assert loaded_by(statement) == set()


def test_the_promotion_rule_is_pure():
    """The gate knows no model and no registry: it loads without MLflow and without torch."""
    assert loaded_by("import aufruf.release.promotion") == set()


def test_each_room_loads_only_what_is_its_own():
    """What release loads holds no torch, and what model loads holds no MLflow, no Airflow, no Delta Lake."""
    release = loaded_by("import aufruf.release.registry, aufruf.release.tracking")
    model = loaded_by("import aufruf.model.training, aufruf.model.predictor, aufruf.model.explain, aufruf.model.sweep")
    assert "mlflow" in release
    assert release & {"torch", "transformers", "airflow", "deltalake", "great_expectations"} == set()
    assert "torch" in model
    assert model & {"mlflow", "airflow", "deltalake", "great_expectations"} == set()


def test_modules_stay_small():
    """No module is longer than 300 lines, no DAG file longer than 60."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in (CHECKOUT / "src").rglob("*.py")}
    dags = {path: len(path.read_text("utf-8").splitlines()) for path in (CHECKOUT / "dags").glob("*.py")}
    assert len(lengths) > 50
    assert dags
    assert [path.name for path, length in lengths.items() if length > 300] == []
    assert [path.name for path, length in dags.items() if length > 60] == []


def test_folders_named_like_packages_hold_no_python():
    """mlflow/ and docker/ at the root are data; imports of these names find the installed packages."""
    for folder in ("mlflow", "docker"):
        assert (CHECKOUT / folder).is_dir()
        assert list((CHECKOUT / folder).rglob("*.py")) == []
    assert not (CHECKOUT / "datasets").exists()
    import mlflow

    assert "site-packages" in str(mlflow.__file__)


def test_there_is_no_conftest_at_the_root():
    """A conftest.py at the root would put the root, and its folders, on the import path."""
    assert not (CHECKOUT / "conftest.py").exists()
