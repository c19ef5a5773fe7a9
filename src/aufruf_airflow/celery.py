"""Celery's settings, named by ``[celery] celery_config_options``: Airflow's own, and what a worker loads first."""

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG

CONFIG = {
    **DEFAULT_CELERY_CONFIG,
    "include": ["aufruf_airflow.preload"],
}  # by a worker, before its processes are forked
