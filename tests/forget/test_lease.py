"""Who may have lost the lease, as after a cut network, changes nothing more: somebody else may be being forgotten."""

from contextlib import contextmanager

import pytest

from aufruf.errors import LeaseLost
from aufruf.steps import forget as forgetting
from aufruf.steps.forget import forget
from aufruf.store import Store

from .conftest import HERS, TEXTS

MOMENTS = {
    "at first": 0,
    "buried": 1,
    "deleting": 2,
    "deleting texts": 9,
    "purging": 10,
    "purging files": 17,
    "at last": 18,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_lost_lease_leaves_the_rest_to_the_next_command(home, one_classifier, monkeypatch, moment):
    """Wherever it is noticed: tombstones stay open, so that the next one makes an end of every table's past."""

    class Lease:
        left = MOMENTS[moment]

        def keep(self, *, certain=False):
            assert certain
            self.left -= 1
            if self.left < 0:
                raise LeaseLost("forget is held by another by now")

    @contextmanager
    def held(*_):
        yield Lease()

    store, purged = Store(home.lake), []
    with monkeypatch.context() as lost:
        lost.setattr(forgetting, "held", held)
        with pytest.raises(LeaseLost):
            forget(home, [one_classifier], "anna_nord")
    assert (store.version("tombstones") is None) == (moment == "at first")
    assert moment == "at first" or store.read("tombstones")["done_at"].isna().all()
    monkeypatch.setattr(Store, "purge", lambda _, table: purged.append(table))
    assert forget(home, [one_classifier], "anna_nord")["status"] == "done"
    assert {"texts", "predictions", "quarantine", "files"} <= set(purged)
    assert store.read("tombstones")["done_at"].notna().all()
    assert sorted(store.read("texts")["text_id"]) == sorted(set(TEXTS) - set(HERS))
