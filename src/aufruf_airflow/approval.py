"""A person's approval as tasks: one asks in Airflow's UI and waits, one writes down the answer."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import TaskGroup
from airflow.sdk.exceptions import AirflowSkipException

from aufruf.classifier import Classifier
from aufruf.errors import NothingYet
from aufruf_airflow.task import step, take

PROMOTE, KEEP = "Promote", "Keep"


class Ask(HITLOperator):
    """Shows the evidence and waits, with no worker and no slot of a pool; skipped when nothing waits for a person.

    The answer that it passes on names the account, never the person; Airflow's own log has the name.
    """

    template_fields = (*HITLOperator.template_fields, "decision")

    def __init__(self, *, classifier: str, decision: Any, hours: float, **options: Any) -> None:
        super().__init__(
            subject=f"{classifier}: a challenger waits",
            options=[PROMOTE, KEEP],
            defaults=KEEP,
            response_timeout=timedelta(hours=hours),
            doc_md="Ask a person whether the challenger becomes champion; nobody's answer keeps the champion.",
            **options,
        )
        self.classifier, self.decision = classifier, decision

    def execute(self, context: Any) -> Any:
        """Ask, unless the gate has decided by itself."""
        if self.decision["verdict"] != "waiting":
            raise AirflowSkipException("Nothing waits for a person.")
        try:
            found = take("approval.asked", self.classifier, context["params"], challenger=self.decision["challenger"])
        except NothingYet as decided:  # somebody was faster, in MLflow
            raise AirflowSkipException(decided.sentence()) from None
        self.subject, self.body = found["subject"], found["body"]
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """The answer: ``approved``, and ``by`` whose account; None: the time was up."""
        given = super().execute_complete(context, event)
        user = given["responded_by_user"]
        return {"approved": given["chosen_options"] == [PROMOTE], "by": user["id"] if user else None}


def approval(classifier: Classifier, decision: Any) -> Any:
    """The group ``approval`` of a train DAG; its output is the decision that holds in the end."""
    name, hours = classifier.name, classifier.gate.answer_hours

    @step(trigger_rule="none_failed_min_one_success")
    def settled(decision: dict[str, Any], answer: dict[str, Any] | None, params: Any = None) -> dict[str, Any]:
        """Write down what was answered, and crown the challenger if so; pass on a decision that needed nobody."""
        if answer is None:
            return decision
        return take("approval.settled", name, params, challenger=decision["challenger"], **answer)

    with TaskGroup("approval"):
        ask = Ask(task_id="ask", classifier=name, decision=decision, hours=hours)
        return settled(decision, ask.output)
