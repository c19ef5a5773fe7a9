"""Shows the classifier files that cannot be scheduled, as an import error above Airflow's list of DAGs.

The DAGs of the other classifiers are in their own files and go on. This file makes no DAG; it mentions
airflow so that the DAG processor reads it.
"""

from aufruf_airflow.classifiers import complain

complain()
