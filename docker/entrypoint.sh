#!/usr/bin/env bash
# Puts secrets where %{name} stands in a variable of the environment, then becomes the command.
# A secret is a file of that name in AUFRUF_SECRETS. A missing one, a short one and a sample are refused.
# entrypoint.sh --secrets only looks at all there are: containers that are not ours wait for that.
# --fresh comes first where a container begins: what it had in TMPDIR when it was killed is nobody's any more.
set -euo pipefail
secrets=${AUFRUF_SECRETS:-/run/secrets}

refuse() { echo "aufruf: $1. Make secrets with docker/secrets.sh." >&2; exit 78; }

strong() {
    case ${2,,} in
        *sample* | *change*me* | *example* | password* | admin* | airflow* | minioadmin*) refuse "the secret $1 is a sample" ;;
    esac
    case $2 in *%\{*) refuse "the secret $1 holds %{" ;; esac
    test "${#2}" -ge 20 || refuse "the secret $1 is shorter than 20 characters"
}

secret() {
    test -s "$secrets/$1" || refuse "there is no secret $1 in $secrets"
    found=$(< "$secrets/$1")
    if test "${1%.json}" = "$1"; then strong "$1" "$found"; return; fi
    local words word   # of "user": "password" or "secretKey": "...", each word is one; names are none
    words=$(grep -oE '"[^"]*": *"[^"]*"' "$secrets/$1" | grep -vE '^"name":' | sed -E 's/^"[^"]*": *"(.*)"$/\1/') || refuse "the secret $1 holds no password"
    while IFS= read -r word; do strong "$1" "$word"; done <<< "$words"
}

if test -n "${TMPDIR:-}"; then mkdir -p "$TMPDIR"; fi
if test "${1:-}" = --fresh; then
    shift
    find "${TMPDIR:?}" -mindepth 1 -delete
fi
if test "${1:-}" = --secrets; then
    for file in "$secrets"/*; do secret "${file##*/}"; done
    exit 0
fi

while IFS= read -r name; do
    value=${!name}
    while [[ $value =~ %\{([a-z0-9_]+)\} ]]; do
        secret "${BASH_REMATCH[1]}"
        value=${value//"${BASH_REMATCH[0]}"/"$found"}   # quoted: & is no sign of its own in it
    done
    if test "$value" != "${!name}"; then export "$name=$value"; fi
done < <(compgen -e)
if test -n "${AUFRUF_WEBHOOK_SECRET_FILE:-}"; then secret webhook_secret; fi   # Airflow's plugin reads it itself
if test -n "${AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE:-}"; then      # Airflow wants to write to this one
    secret airflow_passwords.json
    file=$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE
    mkdir -p "$(dirname "$file")"
    draft=$(mktemp "$file.XXXXXX")
    install -m 600 "$secrets/airflow_passwords.json" "$draft" && mv "$draft" "$file"
fi
exec "$@"
