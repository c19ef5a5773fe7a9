"""A page for each classifier in Airflow's menu, its downloads and its reports, for whoever may read its DAG."""

from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as Refused

from aufruf.classifier import names
from aufruf.errors import AufrufError
from aufruf.settings import Settings
from aufruf_airflow import runs
from aufruf_airflow.files import KINDS, below
from aufruf_airflow.guard import Guarded, may_read, user_of
from aufruf_airflow.links import PAGES as PREFIX
from aufruf_airflow.links import base_url

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'",  # of what is no page
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # pages hold what people wrote
}
# a report runs nothing that could reach Airflow with its reader's session, whatever a post has smuggled into it
SANDBOX = (
    "; sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads "
    "allow-top-navigation-by-user-activation"
)


async def reader(request: Request) -> Any:
    """The user, when the session is valid and every DAG may be read that the route shows something of."""
    user, name = await user_of(request), request.path_params.get("classifier")
    if name is not None:
        shown = (f"{name}.train", "ingest") if "check" in request.path_params else (f"{name}.train",)
        if not await run_in_threadpool(may_read, user, *shown):
            raise HTTPException(403, "You may not read the DAG of this classifier.")
        if name not in names(Settings.load()):
            raise HTTPException(404, "There is no such classifier.")
    return user


User = Annotated[Any, Depends(reader)]
app = FastAPI(
    title="aufruf: classifiers",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=[Depends(reader)],  # a route that forgets to ask for its reader asks nevertheless
)
app.add_middleware(Guarded, headers=HEADERS)


@app.get("/")
def front(user: User) -> Response:
    """The classifiers that the user may see."""
    from aufruf.steps import desk

    settings = Settings.load()
    return _page(desk.front(settings, [name for name in names(settings) if may_read(user, f"{name}.train")]))


@app.get("/{classifier}")
def slash(classifier: str) -> Response:
    """Relative links need the slash at the end; the target is relative too, so that no Host has a say in it."""
    return RedirectResponse(f"{classifier}/", 307)


@app.get("/{classifier}/")
def page(classifier: str, user: User, request: Request) -> Response:
    """The page of a classifier."""
    from aufruf.steps import desk

    root = request.scope.get("root_path", "").removesuffix(PREFIX)
    seen = [verb for verb in ("train", "score", "monitor") if may_read(user, f"{classifier}.{verb}")]
    told = [run for verb in seen for run in runs.troubled(classifier, verb, root)]
    approve_at = f"{root}/required_actions?response_received=false"
    files = may_read(user, "ingest")  # whose votes and posts they hold, the page cannot tell
    return _page(desk.desk(Settings.load(), classifier, told, approve_at, files=files))


@app.get("/{classifier}/queue/{which}.json")
def queue(classifier: str, which: str) -> Response:
    """A task file for Label Studio."""
    from aufruf.steps import desk

    named = {"Content-Disposition": f'attachment; filename="{classifier}-{which}.json"'}
    tasks = desk.queue(Settings.load(), classifier, which)
    return JSONResponse(tasks, headers=named)


@app.get("/{classifier}/reports/{path:path}")
def report(classifier: str, path: str) -> Response:
    """A file of the classifier's reports."""
    return _file(Settings.load().reports / classifier, path)


@app.get("/{classifier}/checks/{check}")
def checks(classifier: str, check: str) -> Response:
    """What the checks found in a file that was taken in."""
    return _file(Settings.load().reports / "checks", check)


@app.exception_handler(Refused)
async def refused(request: Request, error: Refused) -> Response:
    """A refusal in words, for people; the same for every cause of a status."""
    from aufruf.steps.signs import problem

    title, next_ = {
        401: ("Log in first", "This page is for people who are logged in to Airflow."),
        403: ("Not for you", "Ask whoever runs Airflow for the right to read the classifier's DAGs."),
        404: ("There is no such page", "It may not be written yet. Start from the list of classifiers."),
    }.get(error.status_code, ("That did not work", "Open Airflow at the address that is configured as [api] base_url."))
    root = request.scope.get("root_path", "").removesuffix(PREFIX)
    body = problem(title, str(error.detail).rstrip(".") + ".", next_, f"{root}/", "Go to Airflow")
    return _page(body, error.status_code)


@app.exception_handler(AufrufError)
async def failed(request: Request, error: AufrufError) -> Response:
    """What went wrong and what to do next; where it was is for the log."""
    from aufruf.steps.signs import problem

    return _page(problem("That did not work", f"{error.what}.", error.next), 422)


def _page(body: str, status: int = 200) -> Response:
    from aufruf.steps.signs import POLICY

    return HTMLResponse(body, status, {"Content-Security-Policy": POLICY})


def _file(folder: Any, path: str) -> Response:
    from aufruf.steps.signs import POLICY

    found = below(folder, path)
    if found is None:
        raise HTTPException(404, "There is no such file.")
    headers = {"Content-Security-Policy": POLICY + SANDBOX}
    return FileResponse(found, headers=headers, media_type=KINDS[found.suffix])


def views() -> list[dict[str, Any]]:
    """An entry of the menu for each classifier, and where there are several one for their list."""
    root, found = urlsplit(base_url()).path, names(Settings.load())
    place = {"category": "Classifiers"} if len(found) > 1 else {"nav_top_level": True}
    entry = {"destination": "nav", **place}
    each = [{**entry, "name": _shown(name), "href": f"{root}{PREFIX}/{name}/", "url_route": name} for name in found]
    list_of = {**entry, "name": "All classifiers", "href": f"{root}{PREFIX}/", "url_route": "classifiers"}
    return [list_of, *each] if len(found) > 1 else each


def _shown(name: str) -> str:
    """A name that the narrow menu can break into lines."""
    spaced = name.replace("_", " ").replace("-", " ")
    return spaced[:1].upper() + spaced[1:]


class ClassifierPages(AirflowPlugin):
    name = "classifier_pages"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [{"app": app, "url_prefix": PREFIX, "name": "aufruf classifiers"}]
    external_views: ClassVar[list[dict[str, Any]]] = views()
