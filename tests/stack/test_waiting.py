"""How long whoever writes to Airflow's database waits for another."""

import asyncio
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from aufruf.settings import Settings
from aufruf.stack import environment

CHECKOUT = Path(__file__).resolve().parents[2]


def test_a_busy_database_is_waited_for(tmp_path):
    """A minute, by both kinds of connection that Airflow makes; SQLite's own five seconds ended a busy scheduler."""
    settings = replace(Settings.load(tmp_path / "home", env={}), classifiers=CHECKOUT / "classifiers")
    settings.airflow.mkdir(parents=True)
    told = environment.airflow_environment(settings, environment.Site(settings, {}), "mark", None)
    url = told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]

    async def asked() -> int:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with engine.connect() as connection:
            found = (await connection.exec_driver_sql("pragma busy_timeout")).scalar_one()
        await engine.dispose()
        return int(found)

    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("pragma busy_timeout").scalar_one() == 60_000
    engine.dispose()
    assert asyncio.run(asked()) == 60_000
    assert (settings.airflow / "airflow.db").is_file()
