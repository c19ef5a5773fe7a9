"""Who may speak, what is noticed of the alias, and how a person promotes and rolls back."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from urllib.parse import urlparse

import pytest

from aufruf.errors import BundleRefused, NothingYet, UsageError
from aufruf.release.registry import CHAMPION, PREVIOUS, Registry, Version
from aufruf.schemas import Decision
from aufruf.steps import backlog, decisions
from aufruf.steps.champion import CROWNED, MOVING, REFUSED, champion, crown, noticed
from aufruf.steps.evaluate import evaluate
from aufruf.steps.explain import explain
from aufruf.steps.promote import promote
from aufruf.steps.report import report
from aufruf.steps.rollback import rollback
from aufruf.steps.score import score
from aufruf.steps.status import status


def reigns(after) -> list[tuple]:
    """Version, how, what it replaced and whether it was refused; in order of time."""
    rows = after.store.read("champions").sort_values("since")
    return [(r.version, r.how, r.replaced, bool(r.refused)) for r in rows.itertuples()]


def alias(after, name: str) -> str | None:
    found = after.registry.by_alias(name)
    return found.version if found else None


def tamper(after, version: Version) -> None:
    """Swap the weights in the artifact store; nobody has a copy yet."""
    file = Path(urlparse(version.source).path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\1")


def lose(after, version: Version) -> None:
    shutil.rmtree(urlparse(version.source).path)


def delete(after, version: Version) -> None:
    after.registry.client.delete_model_version(after.classifier.name, version.version)


def no_digest(after, version: Version) -> None:
    after.registry.client.delete_model_version_tag(after.classifier.name, version.version, "aufruf.manifest")


def test_the_night_writes_its_champion_down(after):
    """The first champion is a row by the gate, and looking again adds none."""
    assert reigns(after) == [("1", "gate", None, False)]
    assert champion(after.settings, after.classifier) == {"model_version": "1"}
    assert reigns(after) == [("1", "gate", None, False)]


def test_a_look_while_a_version_is_crowned_waits(after, turned, monkeypatch):
    """Between the row and the alias nobody looks: two rows, the second the gate's, however slow MLflow is."""
    made = after.register_again(turned)
    begun, on, point = Event(), Event(), Registry.point

    def slowly(registry, name, version):
        if name == CHAMPION:
            begun.set()
            on.wait(30)
        point(registry, name, version)

    monkeypatch.setattr(Registry, "point", slowly)
    with ThreadPoolExecutor(2) as threads:
        crowned = threads.submit(crown, after.settings, after.classifier, after.registry, made, "gate")
        assert begun.wait(30)
        looked = threads.submit(noticed, after.settings, after.classifier, after.registry)
        with pytest.raises(TimeoutError):
            looked.result(timeout=2)
        on.set()
        crowned.result()
        assert looked.result().version.version == "2"
    assert reigns(after) == [("1", "gate", None, False), ("2", "gate", "1", False)]


@pytest.mark.parametrize("cut", [CHAMPION, PREVIOUS])
def test_a_crowning_that_breaks_off_says_nothing_wrong(after, turned, monkeypatch, cut):
    """Before the alias moved nothing has happened; after it, the next look finds what was meant, and no hand."""
    after.register_again(turned)
    version = after.register_again()
    crown(after.settings, after.classifier, after.registry, after.registry.get("2"), "hand")
    decisions.by_hand(after.store, after.classifier, version, "2", "meant")
    after.store.put(
        "decisions", [Decision(**decisions.last(after.store, after.classifier, "3") | {"decided_by": None})]
    )
    with monkeypatch.context() as patch:
        breaking(patch, cut)
        with pytest.raises(KeyboardInterrupt):
            crown(after.settings, after.classifier, after.registry, version, "gate")
    speaks, before = ("2", "1") if cut == CHAMPION else ("3", "2")
    assert noticed(after.settings, after.classifier, after.registry).version.version == speaks
    assert (alias(after, CHAMPION), alias(after, PREVIOUS)) == (speaks, before)
    made = [("1", "gate", None, False), ("2", "hand", "1", False), ("3", "gate", "2", False)]
    assert reigns(after) == made[: int(speaks)]
    assert rollback(after.settings, after.classifier)["champion"] == before


def test_an_alias_moved_in_mlflow_is_noticed_once(after, turned):
    """The next scoring speaks with the new champion, writes that a person moved it, and makes the old one previous."""
    after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    for _ in range(2):
        assert score(after.settings, after.classifier)["model_version"] == "2"
    assert reigns(after) == [("1", "gate", None, False), ("2", "hand", "1", False)]
    assert alias(after, PREVIOUS) == "1"
    assert CROWNED in after.registry.get("2").tags


def test_a_lake_older_than_the_table_knows_its_gate(after):
    """A champion of before is the gate's when its decision says so; nobody's hand is invented."""
    shutil.rmtree(Path(after.settings.lake) / "champions")
    champion(after.settings, after.classifier)
    assert reigns(after) == [("1", "gate", None, False)]


def test_a_version_without_digest_speaks_for_nobody(after, turned):
    """Asked for by number too, it is refused: nothing says whether its files are those that were registered."""
    no_digest(after, after.register_again(turned))
    asked = (score, evaluate, lambda *known, model: explain(*known, "Kommt zum Infostand!", model=model))
    for step in asked:
        with pytest.raises(BundleRefused, match="version 2 was registered without a digest"):
            step(after.settings, after.classifier, model="2")
    assert after.predictions(model_version="2") == []


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (tamper, "model.safetensors was changed"),
        (lose, "the files of version 2 cannot be fetched"),
        (no_digest, "without a digest"),
        (delete, "version 2 was deleted"),
    ],
    ids=["tampered", "lost", "no-digest", "deleted"],
)
def test_a_champion_that_is_not_what_was_registered_is_refused(after, turned, spoil, why, caplog):
    """The version before goes on scoring, explaining and reporting; the refusal is in result, log, table and tag."""
    version = after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    if spoil is delete:
        champion(after.settings, after.classifier)  # it has been noticed; a version nobody ever saw leaves no trace
    spoil(after, version)
    [text_id] = after.posts("Kommt alle zum Infostand!")
    found = score(after.settings, after.classifier)
    assert (found["model_version"], found["scored"]) == ("1", 1)
    assert found["champion_refused"]["version"] == "2"
    assert why in found["champion_refused"]["why"]
    assert {row["model_version"] for row in after.predictions(text_id=text_id)} == {"1"}
    assert why in caplog.text
    with pytest.raises(BundleRefused, match=r"version 2 may not speak.*Version 1 goes on"):
        champion(after.settings, after.classifier)
    assert explain(after.settings, after.classifier)["model_version"] == "1"
    page = Path(report(after.settings, after.classifier)["path"]).parents[1] / "champions" / "index.html"
    assert why in page.read_text("utf-8")
    assert reigns(after)[-1] == ("2", "hand", "1", True)
    assert alias(after, CHAMPION) == (None if spoil is delete else "2"), "the alias is the person's"
    if spoil is not delete:
        assert why in after.registry.get("2").tags[REFUSED]
        assert why in status(after.settings, after.classifier)["champion"]["refused"]


def test_a_champion_that_is_restored_speaks(after, turned):
    """Once its files are back the refusal ends by itself, with a row of its own and without the tag."""
    version = after.register_again(turned)
    folder = Path(urlparse(version.source).path)
    folder.rename(folder.with_name("away"))
    after.registry.point(CHAMPION, "2")
    assert score(after.settings, after.classifier)["model_version"] == "1"
    folder.with_name("away").rename(folder)
    assert score(after.settings, after.classifier)["model_version"] == "2"
    assert reigns(after)[1:] == [("2", "hand", "1", True), ("2", "hand", "1", False)]
    assert REFUSED not in after.registry.get("2").tags


def test_nobody_speaks_when_nobody_sound_ever_did(after):
    """The only champion there was is spoilt: it is said, and nothing is scored."""
    shutil.rmtree(after.settings.bundles)
    lose(after, after.registry.get("1"))
    after.posts("Kommt!")
    with pytest.raises(BundleRefused, match=r"version 1 may not speak.*no other.*aufruf promote --version"):
        score(after.settings, after.classifier)


def test_an_alias_taken_away_is_a_wish(after):
    """Whoever deletes the alias wants no champion: nothing is scored, and the table says since when."""
    after.registry.client.delete_registered_model_alias(after.classifier.name, CHAMPION)
    with pytest.raises(NothingYet, match="no champion"):
        score(after.settings, after.classifier)
    assert reigns(after)[-1] == (None, "hand", "1", False)
    after.registry.point(CHAMPION, "1")
    assert score(after.settings, after.classifier)["model_version"] == "1"


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_an_alias_that_changes_during_a_scoring_changes_nothing_of_it(after, turned, how, monkeypatch):
    """The alias is resolved once a run: shards scored after the change carry the version resolved before it."""
    after.register_again(turned)
    texts = after.posts("Kommt!", "Geht wählen!", "Das war ein Fest.", "Danke.")
    small = after.classifier.scoring.model_copy(update={"shard_size": 2})
    reading = backlog.texts

    def texts_of(*of):
        for rows in reading(*of):
            yield rows
            client = after.registry.client
            if how == "moved":
                client.set_registered_model_alias(after.classifier.name, CHAMPION, "2")
            elif alias(after, CHAMPION):
                client.delete_registered_model_alias(after.classifier.name, CHAMPION)

    monkeypatch.setattr(backlog, "texts", texts_of)
    found = score(after.settings, after.classifier.model_copy(update={"scoring": small}))
    assert (found["model_version"], found["scored"]) == ("1", 4)
    assert {row["model_version"] for text in texts for row in after.predictions(text_id=text)} == {"1"}


def test_a_person_promotes_a_version(after, turned):
    """`promote --version` verifies, crowns and writes down that a person decided; a second time changes nothing."""
    after.register_again(turned)
    found = promote(after.settings, after.classifier, "2")
    assert (found["verdict"], found["champion"], found["challenger"], found["status"]) == ("promoted", "2", "2", "new")
    assert (alias(after, CHAMPION), alias(after, PREVIOUS)) == ("2", "1")
    again = promote(after.settings, after.classifier, "2")
    assert (again["verdict"], again["status"], again["reasons"]) == (
        "kept",
        "unchanged",
        ["version 2 is champion already"],
    )
    [row] = after.store.read("decisions", {"challenger": "2"}).to_dict("records")
    assert (row["verdict"], row["decided_by"], row["champion"]) == ("promoted", "person", "1")
    assert "by hand" in json.loads(row["reasons"])[0]
    assert reigns(after)[-1] == ("2", "hand", "1", False)
    assert (after.settings.reports / after.classifier.name / "champions" / "index.html").is_file()


def breaking(patch, cut: str) -> None:
    """Let whoever points this alias be killed right before."""
    point = Registry.point

    def breaks(registry, name, number):
        if name == cut:
            raise KeyboardInterrupt
        point(registry, name, number)

    patch.setattr(Registry, "point", breaks)


@pytest.mark.parametrize("waits", [False, True], ids=["judged by nobody", "it waits"])
@pytest.mark.parametrize("cut", [CHAMPION, PREVIOUS])
def test_an_order_that_breaks_off_says_nothing_wrong(after, turned, monkeypatch, cut, waits):
    """Killed before the alias moves, no table tells of it; killed after it, the person's word on what waited holds."""
    version = after.register_again(turned)
    if waits:
        row = decisions.by_hand(after.store, after.classifier, version, "1", "asked")
        after.store.put("decisions", [Decision(**row | {"verdict": "waiting", "decided_by": None})])
    known = after.store.count("decisions")
    with monkeypatch.context() as patch:
        breaking(patch, cut)
        with pytest.raises(KeyboardInterrupt):
            promote(after.settings, after.classifier, "2")
    noticed(after.settings, after.classifier, after.registry)
    made = [("1", "gate", None, False), ("2", "hand", "1", False)]
    assert reigns(after) == (made[:1] if cut == CHAMPION else made)
    accepted = waits and cut == PREVIOUS
    assert after.store.count("decisions") == known + accepted
    last = decisions.last(after.store, after.classifier, "2")
    assert (last and last["verdict"]) == (("promoted" if accepted else "waiting") if waits else None)


def test_an_order_on_what_waits_is_one_row(after, turned, monkeypatch):
    """Whoever looks between the move and the person's row accepts what waited: that is the row, with its evidence."""
    row = decisions.by_hand(after.store, after.classifier, after.register_again(turned), "1", "asked")
    after.store.put("decisions", [Decision(**row | {"verdict": "waiting", "decided_by": None})])

    def looked_at(*given):
        crown(*given)
        noticed(after.settings, after.classifier, after.registry)

    monkeypatch.setattr("aufruf.steps.promote.crown", looked_at)
    found = promote(after.settings, after.classifier, "2")
    assert (found["verdict"], found["reasons"]) == ("promoted", ["version 2 was made champion by hand", "asked"])
    rows = after.store.read("decisions", {"challenger": "2"}).sort_values("at")
    assert rows["verdict"].tolist() == ["waiting", "promoted"]


@pytest.mark.parametrize("spoil", [tamper, lose, no_digest], ids=["tampered", "lost", "no-digest"])
def test_a_spoilt_version_is_not_promoted(after, turned, spoil):
    """It is refused with the reason before anything moves or is written."""
    spoil(after, after.register_again(turned))
    with pytest.raises(BundleRefused):
        promote(after.settings, after.classifier, "2")
    assert (alias(after, CHAMPION), alias(after, PREVIOUS)) == ("1", None)
    assert after.store.count("decisions", {"challenger": "2"}) == 0
    assert reigns(after) == [("1", "gate", None, False)]
    with pytest.raises(UsageError, match="has no version '9'"):
        promote(after.settings, after.classifier, "9")


def test_a_rollback_brings_the_version_before_back(after, turned):
    """Champion and previous change places, and the gate gives the rejected one nothing back."""
    after.register_again(turned)
    with pytest.raises(NothingYet, match="no other version was champion before"):
        rollback(after.settings, after.classifier)
    promote(after.settings, after.classifier, "2")
    assert rollback(after.settings, after.classifier) == {"champion": "1", "replaced": "2", "status": "new"}
    assert (alias(after, CHAMPION), alias(after, PREVIOUS)) == ("1", "2")
    assert reigns(after)[-1] == ("1", "rollback", "2", False)
    assert promote(after.settings, after.classifier)["champion"] == "1"
    assert score(after.settings, after.classifier)["model_version"] == "1"


def test_a_rollback_that_breaks_off_is_no_hand(after, turned, monkeypatch):
    """Killed after the alias moved, the next look knows what it was; a later move by hand is one again."""
    after.register_again(turned)
    promote(after.settings, after.classifier, "2")
    with monkeypatch.context() as patch:
        breaking(patch, PREVIOUS)
        with pytest.raises(KeyboardInterrupt):
            rollback(after.settings, after.classifier)
    noticed(after.settings, after.classifier, after.registry)
    assert (reigns(after)[-1], alias(after, PREVIOUS)) == (("1", "rollback", "2", False), "2")
    with monkeypatch.context() as patch:
        breaking(patch, CHAMPION)
        with pytest.raises(KeyboardInterrupt):
            rollback(after.settings, after.classifier)
    for made, version in enumerate([after.register_again(turned), after.registry.get("2")]):
        after.registry.point(CHAMPION, version.version)
        noticed(after.settings, after.classifier, after.registry)
        assert reigns(after)[-1][:2] == (("3", "hand"), ("2", "hand"))[made]
    assert not [one.version for one in after.registry.versions() if MOVING in one.tags]


def test_a_rollback_from_a_refused_champion_keeps_who_goes_on(after, turned):
    """Where version 2 is refused and 1 goes on, rolling back makes 1 the champion, and the spoilt 2 not previous."""
    tamper(after, after.register_again(turned))
    after.registry.point(CHAMPION, "2")
    assert rollback(after.settings, after.classifier)["champion"] == "1"
    assert alias(after, CHAMPION) == "1"
    assert champion(after.settings, after.classifier) == {"model_version": "1"}


def test_a_refused_champion_is_no_rival(after, turned):
    """The gate compares the challenger with the version that speaks, not with the spoilt one under the alias."""
    tamper(after, after.register_again(turned))
    after.registry.point(CHAMPION, "2")
    after.register_again()
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["champion"], found["challenger"]) == ("kept", "1", "3")


def test_the_report_says_what_its_version_reads(after):
    """Another max_tokens in the classifier file is that of the next training, not of the version that spoke."""
    encoder = after.classifier.encoder.model_copy(update={"max_tokens": 32})
    found = report(after.settings, after.classifier.model_copy(update={"encoder": encoder}))
    assert "the encoder reads 48 word pieces of each" in Path(found["path"]).read_text("utf-8")
