#!/usr/bin/env bash
# Makes the secrets that are not there yet, each a file that only its owner can read: secrets.sh [FOLDER]
# Without a FOLDER they are for Compose, and .env beside its files tells it who that owner is: containers become the same.
set -euo pipefail
here=$(dirname "$0")
folder=${1:-$here/secrets}
umask 077
if test $# -eq 0; then
    owner=$(id -u)
    if test "$owner" = 0; then owner=${AUFRUF_UID:-$(sed -n 's/^AUFRUF_UID=//p' "$here/.env" 2> /dev/null || true)}; fi
    if test "${owner:-0}" = 0; then
        echo "aufruf: containers do not run as root. Be an ordinary user, or name one: AUFRUF_UID=1000 docker/secrets.sh" >&2
        exit 78
    fi
    lines=$(grep -sv '^AUFRUF_UID=' "$here/.env" || true)
    printf '%s\n' ${lines:+"$lines"} "AUFRUF_UID=$owner" > "$here/.env"
fi
mkdir -p "$folder"
random() { head -c 256 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c 40; }  # letters and digits: it stands in URLs
fernet() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }                      # 32 bytes, as Fernet wants its key
keep() { test -s "$folder/$1" || printf '%s\n' "$2" > "$folder/$1"; }
for name in postgres_password airflow_db_password mlflow_db_password studies_db_password redis_password \
    s3_access_key s3_secret_key jwt_secret api_secret_key mlflow_admin_password mlflow_secret_key webhook_secret; do
    keep "$name" "$(random)"
done
keep fernet_key "$(fernet)"
keep mlflow_webhook_key "$(fernet)"
keep grafana_password "$(random)"
keep airflow_passwords.json "{\"admin\": \"$(random)\"}"
for key in s3_access_key s3_secret_key; do   # the store's file follows its keys: one that leaked is in no file any more
    grep -qsF "\"$(cat "$folder/$key")\"" "$folder/s3.json" || rm -f "$folder/s3.json"
done
keep s3.json "{\"identities\": [{\"name\": \"aufruf\", \"credentials\": [{\"accessKey\": \"$(cat "$folder/s3_access_key")\",
 \"secretKey\": \"$(cat "$folder/s3_secret_key")\"}], \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\", \"Tagging\"]}]}"
chmod 700 "$folder"
chmod 600 "$folder"/*
if test -n "${owner:-}" && test "$(id -u)" = 0; then chown -R "$owner" "$folder"; fi
echo "Secrets are in $folder; Airflow's login is in airflow_passwords.json, MLflow's password of admin in mlflow_admin_password." >&2
