"""An author is forgotten while models speak: nothing that rests on the texts is written afterwards."""

import pytest

from aufruf import delta
from aufruf.errors import AufrufError
from aufruf.release.tracking import Tracker
from aufruf.steps import evaluate as evaluating
from aufruf.steps import report as reporting
from aufruf.steps.explain import explain
from aufruf.steps.forget import forget
from aufruf.steps.report import report
from aufruf.steps.score import closed, opened, score, shard

RARE = "Zaunkönigtreffen"
HERS = ("Kommt alle zum Zaunkönigtreffen am Markt und bringt eure Freunde mit!", "Danke für das Zaunkönigtreffen, Ihr!")


@pytest.fixture
def once(monkeypatch, after):
    """``once(place, name, when)``: Ada is forgotten before the first call of a function that ``when`` holds for."""

    def first(place, name, when=lambda *args, **kwargs: True):
        real, done = getattr(place, name), []

        def called(*args, **kwargs):
            if not done and when(*args, **kwargs):
                done.append(True)
                forget(after.settings, [after.classifier], "ada")
            return real(*args, **kwargs)

        monkeypatch.setattr(place, name, called)
        return done

    return first


def written(table):
    """The moment at which a writer of the table has asked which rows to write, and has not written them."""
    return delta, "unknown", lambda target, name, *_: name == table


def showing(after, word=RARE):
    """The files under reports in which the word stands."""
    files = [path for path in after.settings.reports.rglob("*") if path.is_file()]
    return [path.name for path in files if word in path.read_text("utf-8", "replace")]


def test_a_scoring_under_way_puts_no_prediction_back(after, once):
    """Asked before, written after: of the other texts that were scored with hers the predictions are there."""
    ids = after.posts(*HERS)
    text = after.store.read("texts", {"text_id": ids[:1]})
    after.store.put("texts", text.assign(text_id="other:1:caption", post_id="other", author="Bea"))
    done = once(*written("predictions"))
    score(after.settings, after.classifier)
    assert done
    assert not set(after.store.read("predictions")["text_id"]) & set(ids)
    assert len(after.predictions(text_id="other:1:caption")) == 1


def test_texts_that_no_model_could_score_do_not_return_to_the_quarantine(after, once, spoilt):
    """Neither those of long ids, nor those that nothing else than their id would give away."""
    after.register_again(spoilt)
    text = after.store.read("texts").head(1)
    after.store.put("texts", text.assign(text_id="7", post_id=None, author="Ada", text=HERS[0], digest="d" * 64))
    ids = {*after.posts(*HERS), "7"}
    done = once(*written("quarantine"))
    score(after.settings, after.classifier, "2")
    assert done
    held = after.store.read("quarantine")
    assert len(held)
    assert not [row for row in held["row"] if any(f'"{one}"' in row for one in ids)]


def test_texts_that_no_model_could_score_go_with_their_author(after, spoilt):
    """Also where the id is a short number, which alone would tell nothing."""
    after.register_again(spoilt)
    text = after.store.read("texts").head(1)
    after.store.put("texts", text.assign(text_id="7", post_id=None, author="Ada", text=HERS[0], digest="d" * 64))
    score(after.settings, after.classifier, "2")
    before = after.store.count("quarantine")
    assert forget(after.settings, [after.classifier], "ada")["quarantine"] == 1
    assert after.store.count("quarantine") == before - 1


def test_an_explanation_under_way_puts_no_words_back(after, once):
    """Words of a forgotten text are in no row and on no page."""
    ids = after.posts(*HERS)
    score(after.settings, after.classifier)
    done = once(*written("explanations"))
    explain(after.settings, after.classifier, where="author=Ada")
    assert done
    assert not set(after.store.read("explanations")["text_id"]) & set(ids)
    assert showing(after) == []


def test_no_signature_comes_back(after, once):
    """Of a wording that only forgotten texts had."""
    from aufruf.steps.wordings import alike

    ids = after.posts(*HERS)
    texts = after.store.read("texts", {"text_id": ids})
    once(*written("signatures"))
    alike(after.store, texts, after.classifier.split.near_duplicate)
    assert not set(after.store.read("signatures")["wording"]) & set(texts["group_id"])


@pytest.mark.parametrize(("place", "name"), [(reporting.pages, "write"), (reporting.findings, "of")])
def test_a_report_under_way_shows_nothing_in_the_end(after, once, place, name):
    """Neither one that has read the texts already, nor one that is about to read them."""
    after.posts(*HERS)
    score(after.settings, after.classifier)
    explain(after.settings, after.classifier, where="author=Ada")
    report(after.settings, after.classifier)
    assert showing(after)
    done = once(place, name)
    report(after.settings, after.classifier)
    assert done
    assert showing(after) == []


def test_an_evaluation_of_texts_that_go_meanwhile_says_so(after, once):
    """Instead of ending with a KeyError."""
    test = after.store.read("texts", {"text_id": after.posts(*HERS)})
    version = after.registry.get("1")
    score(after.settings, after.classifier)
    once(evaluating, "unscored")
    with pytest.raises(AufrufError, match="2 test texts were forgotten meanwhile"):
        evaluating.answers(after.settings, after.classifier, version, test)


def test_a_run_never_counts_below_nothing(after):
    """What was scored is counted by what is there: a deletion that comes in between does not make it negative."""
    after.posts(HERS[0])
    score(after.settings, after.classifier)
    after.posts(*HERS)
    run = opened(after.settings, after.classifier)
    shard(after.settings, after.classifier, run, run["shards"][0])
    texts = after.store.read("texts", columns=["text_id"])
    after.store.delete("predictions", texts)
    assert closed(after.settings, after.classifier, run)["scored"] == 0


def test_a_training_under_way_is_said_to_remain(after):
    """It has read the texts, and is no version yet; one that has ended is none that is under way."""
    ledger = after.store.read("splits", {"split": "train"})
    texts = after.store.read("texts", {"text_id": ledger["text_id"].tolist()[:1]})
    after.store.put("texts", texts.assign(author="Vergissmich", post_id="own"))
    with Tracker(after.settings, after.classifier.name).run("train", {"aufruf.step": "train"}, {}) as run:
        run.close()
        found = forget(after.settings, [after.classifier], "vergissmich", dry_run=True)
        assert found["remains"]["trainings"] == {after.classifier.name: [run.id]}
    found = forget(after.settings, [after.classifier], "vergissmich", dry_run=True)
    assert found["remains"]["trainings"] == {after.classifier.name: []}
