#!/usr/bin/env bash
# Prints environment files as compose reads them, ${NAME:-default} in its place: environment.sh aufruf airflow
# For Kubernetes: kubectl create configmap aufruf --from-env-file=<(docker/environment.sh aufruf airflow airflow-core)
set -euo pipefail
for name in "$@"; do
    while IFS= read -r line; do
        case $line in '' | '#'*) continue ;; esac
        while [[ $line =~ \$\{([A-Za-z0-9_]+)(:-([^}$]*))?\} ]]; do   # the inner one of two first
            found=${!BASH_REMATCH[1]-}
            line=${line//"${BASH_REMATCH[0]}"/"${found:-${BASH_REMATCH[3]}}"}
        done
        printf '%s\n' "$line"
    done < "$(dirname "$0")/env/$name.env"
done
