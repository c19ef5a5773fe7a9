"""Who is told of what: the section ``[notify]`` of a classifier file."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Occasion = Literal["failure", "held_back", "promoted", "waiting", "drift", "late"]
ALL: tuple[Occasion, ...] = ("failure", "held_back", "promoted", "waiting", "drift", "late")


class Notify(BaseModel):
    """Where notifications go, and on which occasions. Nothing is sent without an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook: Annotated[str, Field(pattern=r"^([A-Z_][A-Z0-9_]*)?$")] = ""  # variable that holds the address: a secret
    email: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = ()
    connection: str = "smtp_default"  # Airflow's connection to the mail server
    on: tuple[Occasion, ...] = ALL
    late_hours: Annotated[float, Field(gt=0)] = 10.0  # from a night's start until it counts as late

    def wants(self, occasion: Occasion) -> bool:
        """Whether somebody is told of it."""
        return bool(self.webhook or self.email) and occasion in self.on
