"""Garbage collection as a pure mark: nothing reachable goes, everything else does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.storage.gc import Garbage, ImageRoots, Stored, garbage

NAMES = st.sampled_from("abcdef")
SETS = st.frozensets(NAMES)


def test_an_image_keeps_what_it_names() -> None:
    stored = Stored({"l1": "b1", "l2": None, "l3": "b3"}, {"l1", "l2", "l3"}, {"b1", "b3", "c"}, {"b1", "b3", "c", "x"})
    found = garbage([ImageRoots(("l1", "l2"), ("c",))], [], frozenset(), stored)
    assert found == Garbage(frozenset({"l3"}), frozenset({"l3"}), frozenset({"b3"}), frozenset({"b3", "x"}))


def test_leases_and_containers_hold() -> None:
    stored = Stored({"l1": "b1"}, {"l1", "new"}, {"b1"}, {"b1", "coming"})
    assert not garbage([], ["l1"], {"new", "coming"}, stored)


def test_a_layer_file_without_its_row_is_garbage() -> None:
    found = garbage([ImageRoots(("l1",), ())], [], frozenset(), Stored({}, {"l1"}, set(), set()))
    assert found.layer_files == {"l1"}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.builds(ImageRoots, st.lists(NAMES).map(tuple), st.lists(NAMES).map(tuple)), max_size=3),
    st.lists(NAMES, max_size=2),
    st.frozensets(NAMES, max_size=2),
    st.builds(Stored, st.dictionaries(NAMES, st.none() | NAMES), SETS, SETS, SETS),
)
def test_laws(images: list[ImageRoots], held: list[str], leased: frozenset[str], stored: Stored) -> None:
    found = garbage(images, held, leased, stored)
    kept_layers = set(held) | leased | {layer for image in images for layer in image.layers}
    assert not found.layer_rows & kept_layers
    assert not (found.layer_files | found.blob_files | found.blob_rows) & leased
    assert not found.blob_files & {blob for image in images for blob in image.blobs}
    rows = stored.layer_rows.keys() - found.layer_rows
    assert not found.blob_files & {blob for layer, blob in stored.layer_rows.items() if layer in rows}
    after = Stored(
        {k: v for k, v in stored.layer_rows.items() if k in rows},
        stored.layer_files - found.layer_files,
        stored.blob_rows - found.blob_rows,
        stored.blob_files - found.blob_files,
    )
    assert not garbage(images, held, leased, after)
