"""Assets and defaults that the DAG files share."""
