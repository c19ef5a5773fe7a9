"""Ways from Airflow to MLflow: an entry in the menu, and on every task of a classifier a link to its models."""

from typing import Any, ClassVar
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

from aufruf_airflow import links
from aufruf_airflow.links import server


class ModelsLink(BaseOperatorLink):
    """The registered models of the classifier that a task works for."""

    name = "Models in MLflow"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page of the registered model, which is named after the classifier; "" for other DAGs."""
        classifier = links.classifier_of(ti_key.dag_id, ti_key.task_id)
        return f"{server()}/#/models/{quote(classifier)}" if classifier and server() else ""


class VersionLink(BaseOperatorLink):
    """The registered version that a task has made, measured, judged or asked."""

    name = "Version in MLflow"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page of the version; "" where the task named none."""
        classifier = links.classifier_of(ti_key.dag_id, ti_key.task_id)
        return links.version(server(), classifier, links.said_by(ti_key)) if classifier and server() else ""


class RunLink(BaseOperatorLink):
    """The run that a task has made."""

    name = "Run in MLflow"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page of the run; "" where the task made none."""
        ours = links.classifier_of(ti_key.dag_id, ti_key.task_id) and server()
        return links.run(server(), links.said_by(ti_key)) if ours else ""


class MlflowLinks(AirflowPlugin):
    name = "mlflow_links"
    global_operator_extra_links: ClassVar[list[Any]] = [ModelsLink(), VersionLink(), RunLink()]
    # no url_route: MLflow refuses to be framed, so the entry opens a page of its own; under Browse, because what has
    # none is a button without effect at the top level
    external_views: ClassVar[list[Any]] = (
        [{"name": "MLflow", "href": server(), "destination": "nav", "category": "browse"}] if server() else []
    )
