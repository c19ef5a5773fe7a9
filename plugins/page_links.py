"""Ways from a task to our pages: its classifier, the report that it wrote, the checks of what was taken in."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

from aufruf_airflow import links


class PageLink(BaseOperatorLink):
    """The page of the classifier that a task works for; the list of all for the others."""

    name = "Classifier"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """An address below the configured one of Airflow; "" for tasks of other people's DAGs."""
        classifier = links.classifier_of(ti_key.dag_id, ti_key.task_id)
        return links.page(links.base_url(), classifier) if classifier or ti_key.dag_id == links.INGEST else ""


class ReportLink(BaseOperatorLink):
    """The page that a task has written."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Of the day for `report`, of the version for `evaluate`, else the list of reports; "" without a classifier."""
        classifier = links.classifier_of(ti_key.dag_id, ti_key.task_id)
        return links.report(links.base_url(), classifier, ti_key.task_id, links.said_by(ti_key)) if classifier else ""


class ChecksLink(BaseOperatorLink):
    """What the checks found in the files that were taken in."""

    name = "Data checks"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """A part of the classifier's page; "" without a classifier, whose page would have it."""
        classifier = links.classifier_of(ti_key.dag_id, ti_key.task_id)
        return links.page(links.base_url(), classifier, "#data") if classifier else ""


class PageLinks(AirflowPlugin):
    name = "page_links"
    global_operator_extra_links: ClassVar[list[Any]] = [PageLink(), ReportLink(), ChecksLink()]
