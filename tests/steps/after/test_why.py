"""``aufruf why`` says when and by what a text was scored, or what stands in the way."""

from dataclasses import replace

from aufruf import phrases
from aufruf.release.registry import CHAMPION
from aufruf.schemas import QuarantinedRow
from aufruf.steps.score import score
from aufruf.steps.why import why

TEXT = "Kommt alle zum Infostand!"


def asked(after, text_id: str) -> dict:
    return why(after.settings, after.classifier, text_id)


def test_waiting_then_scored_then_edited(after):
    """One text through its life: not yet scored, scored with version and time, and then rewritten."""
    [text_id] = after.posts(TEXT)
    told = asked(after, text_id)
    assert (told["state"], told["predictions"], told["champion"]) == ("waiting", [], "1")
    score(after.settings, after.classifier)
    told = asked(after, text_id)
    assert told["state"] == "scored"
    [said] = told["predictions"]
    [row] = after.predictions(text_id=text_id)
    assert (said["model_version"], said["label"], said["run"]) == ("1", row["label"], row["run"])
    assert said["scored_at"][:16] == row["scored_at"].isoformat()[:16]
    assert said["as_it_reads_now"]
    after.posts("Das war ein Fest")
    told = asked(after, text_id)
    assert (told["state"], told["predictions"][0]["as_it_reads_now"]) == ("edited since", False)


def test_a_text_that_could_not_be_scored(after, spoilt):
    """A refusal is told with version, reason and what helps, until the text is scored by another version."""
    after.register_again(spoilt)
    after.registry.point(CHAMPION, "2")
    [text_id] = after.posts(TEXT)
    score(after.settings, after.classifier)
    told = asked(after, text_id)
    assert told["state"] == "refused"
    assert "version 2 could not score it" in told["why"]
    assert "not a number" in told["why"]
    after.registry.point(CHAMPION, "1")
    assert asked(after, text_id)["state"] == "waiting"


def test_a_refused_champion_is_not_waited_for(after, turned):
    """Version 2 is champion and not what was registered: who goes on has scored the text, or has yet to; looking writes
    nothing down."""
    version = after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    [text_id] = after.posts(TEXT)
    after.registry.client.delete_model_version_tag(after.classifier.name, version.version, "aufruf.manifest")
    told = asked(after, text_id)
    assert (told["state"], told["champion"], told["speaks"]) == ("waiting", "2", "1")
    assert told["why"] == "version 1 has not come to it yet"
    assert "without a digest" in told["champion_refused"]["why"]
    assert "REFUSED: version 2, the champion" in "\n".join(phrases.told("why", told))
    assert after.store.read("champions")["version"].tolist() == ["1"]
    score(after.settings, after.classifier)
    assert asked(after, text_id)["why"].startswith("scored by version 1 on ")
    after.registry.client.delete_model_version(after.classifier.name, "1")
    told = asked(after, text_id)
    assert (told["state"], told["speaks"]) == ("no champion", None)


def test_without_a_champion(after):
    """No champion is told as such; a home without a registry is looked at and not changed."""
    [text_id] = after.posts(TEXT)
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    assert asked(after, text_id)["state"] == "no champion"
    elsewhere = replace(after.settings, tracking_uri="sqlite:///nowhere.db", home=after.settings.home / "other")
    assert why(elsewhere, after.classifier, text_id)["state"] == "no champion"
    assert not elsewhere.mlflow.exists()


def test_a_text_that_is_not_there(after):
    """An unknown id is not there; an id that a refused row mentions is told with the row's reasons, quotes and all."""
    assert asked(after, "instagram:Cxyz12:caption")["state"] == "not there"
    row = QuarantinedRow("f" * 64, 7, "text is empty", '{"shortcode": "Cxyz12", "caption": ""}', after_now())
    after.store.put("quarantine", [row])
    told = asked(after, "instagram:Cxyz12:caption")
    assert (told["state"], told["rows"][0]["item"]) == ("refused on ingest", 7)
    assert "text is empty" in told["why"]
    assert asked(after, "x' or '1'='1")["state"] == "not there"
    assert asked(after, "C%z12")["state"] == "not there"


def test_the_id_of_a_post_leads_to_its_texts(after):
    """Whoever asks by the post's id is told which texts are its; blanks around an id are nobody's."""
    [text_id] = after.posts("Geht wählen!", start=7)
    told = asked(after, "new:7")
    assert (told["state"], text_id in told["next"]) == ("not there", True)
    assert asked(after, f" {text_id} ")["state"] == "waiting"


def after_now():
    from datetime import UTC, datetime

    return datetime.now(UTC)
