from __future__ import annotations

from proxy.store.tag_index import TagIndex

A, B = b"a" * 32, b"b" * 32


def test_a_tag_of_one_of_many_and_of_none_again() -> None:
    index = TagIndex()
    index.add(["t", "u"], A)
    assert index.keys("t") == (A,)
    index.add(["t"], B)
    index.add(["t"], A)
    assert set(index.keys("t")) == {A, B}
    index.remove(["t", "u"], A)
    assert (index.keys("t"), index.keys("u")) == ((B,), ())
    index.remove(["t"], B)
    assert index.keys("t") == ()
    assert len(index) == 0


def test_what_was_never_added_is_no_loss_to_remove() -> None:
    index = TagIndex()
    index.add(["t"], A)
    index.remove(["t", "nothing"], B)
    assert index.keys("t") == (A,)
    index.clear()
    assert len(index) == 0
