from __future__ import annotations

from eso.reconcile.kit.ledger import Ledger

KEY = ("ns", "one")


def test_an_entry_belongs_to_one_uid():
    book: Ledger[int] = Ledger(0)
    assert book.read(KEY, "first") == 0 and len(book) == 0
    book.write(KEY, "first", 7)
    assert (book.read(KEY, "first"), book.read(KEY, "second")) == (7, 0)
    book.write(KEY, "second", 8)
    assert (book.read(KEY, "first"), book.read(KEY, "second"), len(book)) == (0, 8, 1)


def test_an_object_that_is_gone_leaves_nothing_behind():
    book: Ledger[int] = Ledger(0)
    book.write(KEY, "first", 7)
    book.forget(KEY)
    book.forget(KEY)
    assert book.read(KEY, "first") == 0 and len(book) == 0
