#!/usr/bin/env bash
# Runs in an empty PostgreSQL: three databases, each with a role that owns it and may open no other. Run again, it gives the
# roles, and its administrator, the passwords of now. None is an argument of psql, which everybody on the machine could read.
set -euo pipefail
admin() { psql -v ON_ERROR_STOP=1 --quiet --dbname postgres --username "${POSTGRES_USER:-postgres}"; }
for name in airflow mlflow studies; do
    password=$(< "${AUFRUF_SECRETS:-/run/secrets}/${name}_db_password")
    ROLE=$name ROLE_PASSWORD=$password admin <<'SQL'
\getenv role ROLE
\getenv password ROLE_PASSWORD
select format('create role %I', :'role') where not exists (select from pg_roles where rolname = :'role') \gexec
alter role :"role" with login nosuperuser nocreatedb nocreaterole noreplication password :'password';
select format('create database %I owner %I', :'role', :'role')
    where not exists (select from pg_database where datname = :'role') \gexec
revoke all on database :"role" from public;
SQL
done
password=$(< "${AUFRUF_SECRETS:-/run/secrets}/postgres_password")
ROLE_PASSWORD=$password admin <<'SQL'
\getenv password ROLE_PASSWORD
revoke all on database postgres, template1 from public;
alter role current_user with password :'password';
SQL
