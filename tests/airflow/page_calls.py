"""Asks every route of every plugin of a real Airflow API server, in many roles; prints the answers as one JSON object.

A script of its own, because importing Airflow changes the logging of the process that does it.
"""

import json
import sys

from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.configuration import conf
from airflow.plugins_manager import get_fastapi_plugins
from fastapi.testclient import TestClient

BASE = "http://airflow.example:8080"
PAGE = "/aufruf/classifiers/call_to_action/"
FILLED = {
    "{classifier}": "call_to_action",
    "{which}": "undecided",
    "{path:path}": "2026-11-25/index.html",
    "{check}": "0123456789ab.html",
}
ODD = {
    "up, quoted": "reports/%2e%2e/%2e%2e/secret.html",
    "up, quoted slashes": "reports/..%2f..%2fsecret.html",
    "up, twice quoted": "reports/%252e%252e/secret.html",
    "backslash": "reports/..%5c..%5csecret.html",
    "absolute": "reports//etc/passwd",
    "link to a file": "reports/2026-11-25/link.html",
    "link to a folder": "reports/linked/secret.html",
    "hidden": "reports/2026-11-25/.draft.html",
    "other kind": "reports/2026-11-25/notes.py",
    "folder": "reports/2026-11-25",
    "NUL": "reports/2026-11-25/a%00.html",
    "long": f"reports/{'x' * 5000}.html",
    "check, up": "checks/..%2fcall_to_action%2f2026-11-25%2findex.html",
    "check, link": "checks/link.html",
    "queue": "queue/..%2fsecret.json",
}


class ByDag(SimpleAuthManager):
    """One that tells DAGs apart, as real ones do: ``lea`` may not read ``ingest``."""

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        if user.username == "lea" and details and details.id == "ingest":
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)


def address(route: str) -> str:
    for name, value in FILLED.items():
        route = route.replace(name, value)
    return route


def main():
    conf.set("core", "auth_manager", f"{__name__}.ByDag")
    app = create_app(apps="core")
    apps = get_fastapi_plugins()[0]
    routes = [(one["url_prefix"], route) for one in apps for route in one["app"].routes]
    client = TestClient(app, base_url=BASE, follow_redirects=False)
    manager = get_auth_manager()

    def token(role, name="ada", **more):
        return manager.generate_jwt(SimpleAuthManagerUser(username=name, role=role), **more)

    viewer, nobody = token("viewer"), token(None)
    expired = token("admin", expiration_time_in_seconds=-10)
    roles = {
        "nothing": {},
        "garbage cookie": {"Cookie": "_token=guess"},
        "garbage bearer": {"Authorization": "Bearer guess"},
        "unsigned": {"Cookie": f"_token={viewer.rpartition('.')[0]}."},
        "expired": {"Cookie": f"_token={expired}"},
        "basic": {"Authorization": "Basic YWRtaW46YWRtaW4="},
        "no role": {"Cookie": f"_token={nobody}"},
        "viewer": {"Cookie": f"_token={viewer}"},
        "viewer, bearer": {"Authorization": f"Bearer {viewer}"},
        "viewer, forged host": {"Cookie": f"_token={viewer}", "Host": "evil.example"},
        "viewer, on loopback": {"Cookie": f"_token={viewer}", "Host": "127.0.0.1:8080"},
    }

    def ask(method, path, headers, asked=client, **more):
        answer = asked.request(method, path, headers=headers, **more)
        return {"status": answer.status_code, "text": answer.text[:20_000], "headers": dict(answer.headers)}

    found = {"kinds": sorted({type(route).__name__ for _, route in routes}), "routes": {}}
    for prefix, route in routes:
        path, methods = getattr(route, "path", str(route)), sorted(getattr(route, "methods", None) or ["GET"])
        for method in methods:
            answers = {role: ask(method, prefix + address(path), given) for role, given in roles.items()}
            found["routes"][f"{method} {prefix}{path}"] = answers
    mine = roles["viewer"]
    found["odd"] = {case: ask("GET", PAGE + path, mine) for case, path in ODD.items()}
    found["writes"] = {method: ask(method, PAGE, mine) for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
    found["large"] = ask("POST", PAGE, mine, content=b"x" * 5_000_000)
    found["other classifier"] = ask("GET", "/aufruf/classifiers/other/", mine)
    found["other classifier, no role"] = ask("GET", "/aufruf/classifiers/other/", roles["no role"])
    lea = {"Cookie": f"_token={token('viewer', 'lea')}"}
    found["without ingest"] = {path: ask("GET", PAGE + path, lea) for path in ("", "checks/0123456789ab.html")}
    found["docs"] = [ask("GET", f"/aufruf/classifiers/{page}", {})["status"] for page in ("docs", "openapi.json")]
    conf.set("core", "simple_auth_manager_all_admins", "True")
    purge_cached_app()
    open_to_all = TestClient(create_app(apps="core"), base_url=BASE)
    for opened in ("with an address", "without one"):
        if opened == "without one":
            conf.set("api", "base_url", "")
        for host in ("127.0.0.1", "evil.example"):
            found[f"open, {opened}, {host}"] = ask("GET", PAGE, {"Host": host}, open_to_all)["status"]
    loaded = {name.partition(".")[0] for name in sys.modules}
    found["loaded"] = sorted(loaded & {"torch", "transformers", "mlflow", "great_expectations", "lime", "sklearn"})
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(main()))
