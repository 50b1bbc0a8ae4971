"""The datasets of a bucket, told by its names or listed in a file."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.bucket import BucketConfig
from tasks.rewrite import bucket as jobs
from tasks.shard import bucket, source
from tasks.shard.bucket_names import tell
from tests.tasks.rewrite.helpers import folder_source, tar_source


def series(prefix, count=2, end=".tar"):
    return [f"{prefix}{i:06d}{end}" for i in range(count)]


def tree(*folders):
    return [f"{folder}/{i}.jpg" for folder in folders for i in range(2)]


def told(files, split=None):
    """(name, place, split, how) of each dataset, and the strays."""
    found, strays = tell(files, lambda _: split)
    return sorted((one.name, one.place, one.split, one.how) for one in found), strays


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (tree("a/cat", "a/dog", "b/car", "b/bus"), [("a", "a", None, "folder"), ("b", "b", None, "folder")]),
        (tree("cat", "dog"), [("", "", None, "folder")]),
        (tree("deep/er/a/cat", "deep/er/a/dog"), [("deep/er/a", "deep/er/a", None, "folder")]),
        (
            tree("a/train/cat", "a/train/dog", "a/test/cat", "a/test/dog"),
            [("a/test", "a", "test", "folder"), ("a/train", "a", "train", "folder")],
        ),
        (tree("a/train/cat", "a/train/dog"), [("a", "a", "train", "folder")]),
        (series("a/train-"), [("a", "a", "train", "shards")]),
        (series("a/"), [("a", "a", None, "shards")]),
        (series("a/faces-"), [("a", "a", None, "shards")]),
        (
            [*series("a/train-"), *series("a/test-")],
            [("a/test", "a", "test", "shards"), ("a/train", "a", "train", "shards")],
        ),
        (
            [*series("a/train/"), *series("a/val/")],
            [("a/train", "a", "train", "shards"), ("a/val", "a", "val", "shards")],
        ),
        (
            [*series("cifar-train-"), *series("cifar-test-"), *series("faces-")],
            [
                ("cifar/test", "cifar-test-[0-9]*", "test", "shards"),
                ("cifar/train", "cifar-train-[0-9]*", "train", "shards"),
                ("faces", "faces-[0-9]*", None, "shards"),
            ],
        ),
        (
            [*series("a/x-", end=".tar.gz"), "a/y.tar"],
            [("a/x", "a/x-[0-9]*", None, "shards"), ("a/y", "a/y.tar", None, "shards")],
        ),
        (
            ["a/data/train-00000-of-00002.parquet", "a/data/test-00000-of-00001.parquet"],
            [("a/data/test", "a/data", "test", "parquet"), ("a/data/train", "a/data", "train", "parquet")],
        ),
        (
            [*series("a/train-"), *tree("b/cat", "b/dog"), *series("c/d/x-")],
            [("a", "a", "train", "shards"), ("b", "b", None, "folder"), ("c/d", "c/d", None, "shards")],
        ),
        (
            [*series("a/"), *series("a/more/")],
            [("a", "a/[0-9]*", None, "shards"), ("a/more", "a/more", None, "shards")],
        ),
        (
            [*series("a/train/"), *tree("a/test/cat", "a/test/dog")],
            [("a/test", "a/test", "test", "folder"), ("a/train", "a/train", "train", "shards")],
        ),
        (
            ["train/x.parquet", *series("val/")],
            [("train", "train", "train", "parquet"), ("val", "val", "val", "shards")],
        ),
        (
            [*series(""), *tree("a/cat", "a/dog")],
            [("", "[0-9]*", None, "shards"), ("a", "a", None, "folder")],
        ),
    ],
)
def test_names_tell_datasets_and_their_splits(files, expected):
    assert told(files) == (sorted(expected), [])


def test_a_manifest_of_ours_tells_its_split():
    files = [*series("a/x"), "a/manifest.json", "a/README.md"]
    assert told(files, split="test") == ([("a", "a", "test", "manifest")], [])


def test_what_belongs_to_no_dataset_is_named():
    files = [*tree("a/cat", "a/dog"), "notes.txt", "b/thing.csv", "README.md", "a/classes.json"]
    assert told(files)[1] == ["notes.txt", "b/thing.csv"]


def test_what_lies_among_the_shards_of_a_split_or_beside_splits_is_named():
    mine = [*series("a/train/"), *series("a/train/more/"), *series("a/test/"), "a/train/classes.json"]
    strays = ["a/extra.zip", "a/other/deep/extra.zip", "a/train/extra.zip", "a/train/more/notes.txt"]
    found, named = told([*mine, *strays])
    assert [name for name, *_ in found] == ["a/test", "a/train"]
    assert sorted(named) == strays


@pytest.mark.parametrize(
    "files",
    [
        [*tree("cat", "dog"), *series("b/train-")],
        [*tree("a/cat", "a/dog"), *tree("a/more/bird")],
        [*tree("a/cat"), "a/train-000000.tar"],
        [*tree("a/cat", "a/dog"), "a/cat/train-000000.tar"],
        [*tree("a/cat", "a/dog"), "a/cat/deep/er/x.parquet"],
        [*tree("a/cat"), "b.parquet"],
        [*series("a/more/"), "a/train.parquet", "a/test.parquet"],
        [*series("a/train/"), *tree("a/train/cat", "a/train/dog")],
        [*series("a/train/"), *tree("a/train/deep/cat")],
        [*series("a/train/"), "a/train/x.parquet"],
        ["a/train/x.parquet", *series("a/train/more/")],
        [*tree("a/train/cat"), *series("a/train/more/"), *tree("a/test/cat")],
        [*tree("a/train/cat"), *tree("a/other/cat")],
        ["a/x-000000.tar", "a/y.parquet"],
        [*series("a[1]/x-"), "a[1]/y.tar"],
        [*series("photos-"), *series("photos-2024-")],
    ],
)
def test_a_layout_that_names_do_not_tell_apart_is_refused(files):
    with pytest.raises(ConfigurationError, match=r"datasets\.yaml"):
        told(files)


_parts = st.sampled_from(["a", "b", "train", "cat", "x-000001.tar", "1.jpg", "y.parquet", "note.txt", "manifest.json"])


@given(st.lists(st.lists(_parts, min_size=1, max_size=4).map("/".join), unique=True, max_size=12))
def test_every_file_lies_in_a_dataset_or_is_named_or_the_layout_is_refused(files):
    try:
        found, strays = tell(files, lambda _: None)
    except ConfigurationError:
        return
    places = [one.place.split("[")[0] for one in found]
    data = [name for name in files if name.rpartition(".")[2] in ("tar", "parquet", "jpg")]
    lost = [name for name in data if name not in strays and not any(name.startswith(place) for place in places)]
    assert lost == []
    trees = [one.place for one in found if one.how == "folder"]  # what is no picture there is in its quarantine list
    notes = [name for name in files if name.endswith(".txt") and name not in strays]
    assert [name for name in notes if not any(name.startswith(place) for place in trees)] == []
    pairs = itertools.permutations(found, 2)
    assert not [1 for a, b in pairs if (a.place, a.split) == (b.place, b.split)]


_classes = st.lists(st.sampled_from(["cat", "dog", "owl"]), min_size=1, unique=True)


@given(
    _classes, st.sampled_from(["a", "a/train", "a/x/y"]), st.lists(st.sampled_from(["cat", "dog", "more"])), st.data()
)
def test_no_shard_anywhere_in_a_tree_replaces_its_pictures(classes, root, deep, data):
    end = data.draw(st.sampled_from(["x.tar", "x-000000.TGZ", "x.tar.gz", "x.parquet", "x.pq"]))
    pictures = tree(*(f"{root}/{name}" for name in classes))
    assert [how for *_, how in told(pictures)[0]] == ["folder"]
    with pytest.raises(ConfigurationError, match=r"datasets\.yaml"):
        told([*pictures, "/".join([root, data.draw(st.sampled_from(classes)), *deep, end])])


def config(place, **changes):
    fields = {"bucket": str(place / "in"), "destination": str(place / "out"), "workspace": str(place / "private")}
    return BucketConfig.model_validate({**fields, **changes})


def test_a_bucket_on_a_disk(tmp_path):
    folder_source(tmp_path / "in" / "pets ")
    tar_source(tmp_path / "in" / "shards")
    found = bucket.content(config(tmp_path))
    assert [(one.url, one.split, one.how) for one in found.datasets] == [
        (f"{tmp_path}/in/pets ", None, "folder"),
        (f"{tmp_path}/in/shards", "train", "shards"),
    ]
    assert found.datasets[0].name.startswith("pets_-")
    assert found.datasets[1].name == "shards"


def test_splits_of_two_kinds_are_each_found_again(tmp_path):
    tar_source(tmp_path / "in" / "pets" / "train", shards=2)
    folder_source(tmp_path / "in" / "pets" / "test")
    asked = config(tmp_path)
    plans = {name: source.plan(job.source) for name, job in jobs.plan(asked, bucket.content(asked)).items()}
    assert {name: plan.format for name, plan in plans.items()} == {"pets/train": "webdataset", "pets/test": "folder"}
    assert [unit.name for unit in plans["pets/train"].units] == ["train-000000.tar", "train-000001.tar"]
    assert plans["pets/test"].class_names == ("cat", "dog")


def test_a_bucket_that_is_one_dataset_is_called_as_it_is(tmp_path):
    tar_source(tmp_path / "in")
    assert [one.name for one in bucket.content(config(tmp_path)).datasets] == ["in"]


def test_an_empty_bucket_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no dataset in"):
        bucket.content(config(tmp_path))


class TestList:
    def written(self, place, text, name="in/datasets.yaml"):
        (place / "in").mkdir(exist_ok=True)
        (place / name).write_text(text)

    def test_it_is_taken_from_the_bucket(self, tmp_path):
        self.written(tmp_path, "datasets: [{name: a}, {name: b/c, url: x, job: {budget: {epsilon: 4}}}]")
        found = bucket.content(config(tmp_path))
        assert [(one.name, one.url, one.how) for one in found.datasets] == [
            ("a", f"{tmp_path}/in/a", "list"),
            ("b/c", f"{tmp_path}/in/x", "list"),
        ]

    def test_what_the_operator_states_for_all_holds_where_a_list_states_nothing(self, tmp_path):
        self.written(tmp_path, "datasets: [{name: a, source: {label_field: kind}, job: {coverage: {fraction: 0.5}}}]")
        job = {"public": {"url": str(tmp_path / "public")}, "orphans": "remove"}
        asked = config(tmp_path, source={"max_pixels": 1000, "max_shard_bytes": 2048}, job=job)
        found = jobs.plan(asked, bucket.content(asked))["a"]
        assert (found.source.max_pixels, found.source.max_shard_bytes, found.orphans) == (1000, 2048, "remove")
        assert found.public is not None
        assert (found.source.label_field, found.coverage.fraction) == ("kind", 0.5)

    @pytest.mark.parametrize("where", ["in/datasets.yaml", "mine.yaml"])
    def test_one_rule_holds_for_each_list(self, tmp_path, where):
        self.written(tmp_path, "datasets: [{name: a, source: {max_pixels: 1}}]", where)
        given = None if where.startswith("in/") else str(tmp_path / where)
        with pytest.raises(ConfigurationError, match=r"datasets\.0\.source\.max_pixels"):
            bucket.content(config(tmp_path, datasets=given))

    @pytest.mark.parametrize("where", ["in/datasets.yaml", "in/mine.yaml", "mine.yaml"])
    def test_what_no_entry_names_is_told(self, tmp_path, where):
        text = "datasets: [{name: a}, {name: b, url: ./x/y/}, {name: c, url: 'z/c-[0-9]*'}, {name: d, url: z/d.tar}]"
        self.written(tmp_path, text, where)
        mine = ["a/x/1.jpg", "x/y/2.tar", "z/c-1.tar", "z/d.tar", "README.md", "new/LICENSE", ".hidden/x"]
        strays = [
            "ab/1.jpg",
            "new/cat/1.jpg",
            "notes.txt",
            "x/y.tar",
            "x/z/1.tar",
            "z/c-1/0.tar",
            "z/cc-1.tar",
            "z/d.tar2",
        ]
        for name in [*mine, *strays]:
            Folder(str(tmp_path / "in")).write(name, b"")
        for bucket_url in (str(tmp_path / "in"), f"{tmp_path}/in/", f"file://{tmp_path}/in"):
            given = None if where == "in/datasets.yaml" else f"{bucket_url.rstrip('/')}/mine.yaml"
            asked = config(
                tmp_path, bucket=bucket_url, datasets=str(tmp_path / where) if where == "mine.yaml" else given
            )
            found = bucket.content(asked)
            assert (found.strays, found.stray_count) == (tuple(strays), len(strays))

    @pytest.mark.parametrize("url", [".", "**", "./"])
    def test_one_entry_may_name_all(self, tmp_path, url):
        self.written(tmp_path, f"datasets: [{{name: a, url: '{url}'}}]")
        for number in range(25):
            Folder(str(tmp_path / "in")).write(f"x/{number}.txt", b"")
        assert bucket.content(config(tmp_path)).stray_count == 0

    def test_the_first_files_that_no_entry_names_are_enough(self, tmp_path):
        self.written(tmp_path, "datasets: [{name: a}, {name: b, url: 'x**'}]")
        for number in range(25):
            Folder(str(tmp_path / "in")).write(f"x/{number}.txt", b"")
        found = bucket.content(config(tmp_path))
        assert (len(found.strays), found.stray_count) == (20, 25)

    def test_another_one_takes_precedence(self, tmp_path):
        self.written(tmp_path, "datasets: [{name: a}]")
        self.written(tmp_path, "datasets: [{name: b}]", "mine.yaml")
        found = bucket.content(config(tmp_path, datasets=str(tmp_path / "mine.yaml")))
        assert [one.name for one in found.datasets] == ["b"]

    @pytest.mark.parametrize(
        "text",
        [
            "datasets: []",
            "nothing",
            "datasets: [{name: ../a}]",
            "datasets: [{name: /a}]",
            "datasets: [{name: a, url: ../b}]",
            "datasets: [{name: a, url: 's3://other/b'}]",
            "datasets: [{name: a, url: /etc}]",
            "datasets: [{name: a}, {name: a}]",
            "datasets: [{name: a}, {name: a/b}]",
            "datasets: [{name: a, job: {destination: /x}}]",
            "datasets: [{name: a, job: {key_file: /etc/passwd}}]",
            "datasets: [{name: a, job: {noise_store: /x}}]",
            "datasets: [{name: a, job: {public: {url: /home/other/private}}}]",
            "datasets: [{name: a, job: {mapping: /etc/passwd}}]",
            "datasets: [{name: a, job: {orphans: remove}}]",
            "datasets: [{name: a, source: {max_pixels: 100000000000}}]",
            "datasets: [{name: a, source: {max_shard_bytes: 1000000000000}}]",
            "datasets: [{name: a, source: {label_field: 'x\"]); evil('}}]",
            'datasets: [{name: a, source: {image_field: "x\\n"}}]',
            "datasets: [{name: a, source: {url: /x}}]",
            "datasets: [{name: a, jub: {}}]",
            "datasets: [{name: a, job: {budget: {epsilon: 0}}}]",
            "!!python/object/apply:os.system ['true']",
            "datasets: [",
        ],
    )
    def test_one_that_leads_elsewhere_or_can_not_be_read_is_refused_in_one_line(self, tmp_path, text):
        self.written(tmp_path, text)
        with pytest.raises(ConfigurationError, match=r"datasets\.yaml") as caught:
            bucket.content(config(tmp_path))
        assert "\n" not in str(caught.value)
