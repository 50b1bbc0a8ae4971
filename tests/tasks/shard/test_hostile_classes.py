"""Names of classes and keys that mean something to a shell, a page, a template, a spreadsheet or a terminal."""

import contextlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.rewrite.card import card
from tasks.shard import source
from tests.tasks.rewrite.helpers import config_of, files, protect_all
from tests.tasks.shard.helpers import index_all, manifest_of, picture, shard, tarred
from tests.tasks.shard.test_parquet import table, write

HOSTILE = [
    "$(touch pwned)",
    "`id`; rm -rf .",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "{% raw %}{{ config.source.url }}",
    "{config.workspace}",
    "%s%n",
    "[a](javascript:alert(1))",
    "![x](http://evil/x.png)",
    "../../etc/passwd",
    "C:\\Windows",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "-2+3",
    "\x1b[31mred",
    "one\nerror: two",
    "\u202egnp.exe",
    "c\u0430t",
    "cat",
    "\u0000",
    "NUL",
    "`" * 20,
]


@pytest.fixture
def place(tmp_path):
    return Folder(str(tmp_path / "source"))


@pytest.mark.parametrize("layout", ["classes.json", "parquet", "folder"])
def test_they_stay_names_from_the_source_to_the_card(tmp_path, place, layout, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [name for name in HOSTILE if layout != "folder" or not set(name) & set("/\0")]
    if layout == "classes.json":
        place.write("a.tar", tarred(shard(4 * len(names), classes=len(names))))
        place.write("classes.json", json.dumps(names).encode())
    elif layout == "parquet":
        labels = [i % len(names) for i in range(2 * len(names))]
        write(place, "train.parquet", table(len(labels), names=names, labels=labels))
    else:
        for number, name in enumerate(names):
            for i in range(2):
                place.write(f"{name}/{i}.png", picture(10 * number + i))
    config = config_of(tmp_path / "job", SourceSpec(url=place.url))
    manifest = protect_all(config)
    found = manifest.dataset.class_names
    assert len(set(found)) == len(names)
    assert all(name.isprintable() for name in found)
    assert {"c\u0430t", "cat"} <= set(found)  # look alike, and are two
    out = files(config.destination)
    assert [name for name in out if name not in ("README.md", "manifest.json") and not name.endswith(".tar")] == []
    classes = card(manifest).partition("## Classes\n\n")[2].splitlines()
    assert len(classes) == len(names)
    assert all(line.startswith("- `") and line.endswith("`") and line.count("`") == 2 for line in classes)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "names", [["a b", "a  b"], ["a", "a\n"], ["", "b"], [" ", "b"], ["x" * 201, "b"], ["a" * 10**6, "b"], [1, "1"]]
)
@pytest.mark.parametrize("layout", ["classes.json", "parquet"])
def test_names_that_read_the_same_or_cannot_be_read_are_refused(place, names, layout):
    if layout == "classes.json":
        place.write("a.tar", tarred(shard(4)))
        place.write("classes.json", json.dumps(names).encode())
    else:
        write(place, "train.parquet", table(4, names=names))
    with pytest.raises(DataError, match="class names") as caught:
        source.plan(SourceSpec(url=place.url))
    assert len(str(caught.value)) < 1000


def test_a_class_folder_of_a_long_name_is_refused(place):
    place.write(f"{'x' * 201}/0.png", picture())
    place.write("b/0.png", picture(1))
    with pytest.raises(DataError, match=r"a name of 201 characters: x{100}[.]{3}; give it one of at most 200"):
        source.plan(SourceSpec(url=place.url))


KEYS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=300)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(KEYS, min_size=1, max_size=4, unique=True))
def test_any_key_is_used_as_it_is_or_quarantined_in_readable_words(tmp_path_factory, keys):
    root = Folder(str(tmp_path_factory.mktemp("keys")))
    members = [part for key in keys for part in ((f"{key}.png", picture()), (f"{key}.cls", b"0"))]
    root.write("in/a.tar", tarred([*shard(2), *members]))
    indices = index_all(SourceSpec(url=root.object_url("in")), root.child("work"))
    for bad in indices[0].bad:
        assert (bad.key + bad.source + bad.reason).isprintable()
        assert len(bad.key) <= 200


@contextlib.contextmanager
def own_pool():
    """A pool from which Arrow takes all memory meanwhile, and that tells the most that it had."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    try:
        yield pool
    finally:
        pa.set_memory_pool(usual)


def write_once(place, cells, encoding, nested):
    """Parquet that stores rows of one value in little more than that value takes, and says no more of its size."""
    column = "image.bytes" if nested else "image"
    images = pa.array([{"bytes": cell} for cell in cells] if nested else cells)
    options = {"column_encoding": {column: encoding}, "use_dictionary": False}
    if encoding == "dictionary":
        options = {"use_dictionary": [column], "dictionary_pagesize_limit": 1 << 30}
    stream = io.BytesIO()
    found = pa.table({"image": images, "label": [i % 2 for i in range(len(cells))]})
    pq.write_table(found, stream, compression="zstd", **options)
    place.write("train.parquet", stream.getvalue())
    assert pq.ParquetFile(stream).metadata.row_group(0).total_byte_size < 2 * len(cells[0])


class TestParquet:
    def test_a_row_group_that_unpacks_to_too_much_is_refused_before_it_is_read(self, place, tmp_path):
        cells = [{"bytes": picture() + bytes(4_000_000), "path": None} for _ in range(8)]
        stream = io.BytesIO()
        pq.write_table(
            pa.table({"image": cells, "label": [0, 1] * 4}), stream, compression="zstd", use_dictionary=False
        )
        assert len(stream.getvalue()) < 100_000
        place.write("train.parquet", stream.getvalue())
        spec = SourceSpec(url=place.url, max_shard_bytes=1 << 20)
        before = pa.total_allocated_bytes()
        with pytest.raises(
            DataError, match=r"row group 0 of .* unpacks to more than 1048576 bytes; raise max_shard_bytes"
        ):
            index_all(spec, Folder(str(tmp_path / "work")))
        assert pa.total_allocated_bytes() - before < 1 << 20
        manifest, _ = manifest_of(spec.model_copy(update={"max_shard_bytes": 1 << 30}), Folder(str(tmp_path / "work")))
        assert manifest.samples == 8

    @pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
    @pytest.mark.parametrize("encoding", ["dictionary", "DELTA_BYTE_ARRAY"])
    def test_values_that_are_stored_once_for_many_rows_are_refused_before_they_are_held(
        self, place, tmp_path, encoding, nested
    ):
        """The file says how much is stored, not what the rows become."""
        cells = [picture() + bytes(4_000_000)] * 64
        write_once(place, cells, encoding, nested)
        spec = SourceSpec(url=place.url, max_shard_bytes=8 << 20)
        with (
            own_pool() as pool,
            pytest.raises(DataError, match=r"4 rows of .*train\.parquet from 0 on unpack to more than 8388608 bytes"),
        ):
            index_all(spec, Folder(str(tmp_path / "work")))
        assert (4 << 20) < pool.max_memory() < (64 << 20)  # all rows would take 256 MB

    @pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
    @pytest.mark.parametrize("encoding", ["dictionary", "DELTA_BYTE_ARRAY"])
    def test_rows_whose_sum_is_too_much_are_refused(self, place, tmp_path, encoding, nested):
        write_once(place, [picture() + bytes(1_000_000)] * 64, encoding, nested)
        spec = SourceSpec(url=place.url, max_shard_bytes=8 << 20)
        with pytest.raises(
            DataError, match=r"the rows of .*train\.parquet up to 8 unpack to more than 8388608 bytes; .*shard_size"
        ):
            index_all(spec, Folder(str(tmp_path / "work")))
        few = spec.model_copy(update={"shard_size": 8})
        assert manifest_of(few, Folder(str(tmp_path / "few")))[0].samples == 64

    def test_a_long_path_that_many_rows_share_is_not_repeated(self, place, tmp_path):
        cells = [{"bytes": picture(), "path": None}] * 4 + [{"bytes": None, "path": "x" * 100_000}] * 8
        write(place, "train.parquet", pa.table({"image": cells, "label": [0, 1] * 6}))
        _, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=1), Folder(str(tmp_path / "work")))
        assert len(indices[0].bad) == 8
        assert all(len(bad.reason) < 300 for bad in indices[0].bad)

    def test_more_rows_than_a_file_can_hold_are_refused_before_they_are_planned(self, place):
        """Rows of nothing cost nothing, and each would be planned for."""
        count = 2_000_000
        nothing = {"image": pa.nulls(count, pa.binary()), "label": pa.nulls(count, pa.int64())}
        stream = io.BytesIO()
        pq.write_table(pa.table(nothing), stream)
        assert len(stream.getvalue()) < count
        place.write("train.parquet", stream.getvalue())
        with pytest.raises(
            DataError, match=r"train\.parquet is no Parquet file.*it states 2000000 rows in [0-9]+ bytes"
        ):
            source.plan(SourceSpec(url=place.url))

    def test_hostile_texts_in_its_columns_stay_data(self, place, tmp_path):
        write(place, "train.parquet", table(len(HOSTILE), labels=HOSTILE, names=None, note=HOSTILE))
        manifest, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=1), Folder(str(tmp_path / "work")))
        assert all(name.isprintable() for name in manifest.class_names)
        assert {bad.reason for bad in indices[0].bad} == {"no label"}
        assert manifest.samples + len(indices[0].bad) == len(HOSTILE)
