"""The licence that comes with a dataset."""

import pytest

from infra.storage import Folder
from tasks.shard import licence

TEXT = b"Do as you like, but name us.\r\n\xff"


@pytest.fixture(params=["disk", "memory"])
def source(request, tmp_path):
    """An empty source, on a disk and elsewhere."""
    place = Folder(str(tmp_path / "in") if request.param == "disk" else f"memory://{tmp_path.name}/in")
    place.write("cat/0.png", b"a picture")
    return place


@pytest.mark.parametrize("name", ["LICENSE", "license.txt", "Licence.md", "COPYING", "NOTICE.rst"])
def test_a_licence_file_is_found_and_read_as_it_is(source, name):
    source.write(name, TEXT)
    source.write("cat/LICENSE", b"of something else")
    assert licence.files(source.url) == {name: TEXT}


@pytest.mark.parametrize("name", ["LICENSES", "license.png", "licence.tar", "my-license.txt", "LICENSE.txt.gz"])
def test_what_is_none_by_its_name_is_left_alone(source, name):
    source.write(name, TEXT)
    assert licence.files(source.url) == {}


def test_what_is_too_large_to_be_one_is_left_alone(source):
    source.write("LICENSE", bytes(licence.MOST_BYTES + 1))
    assert licence.files(source.url) == {}


@pytest.mark.parametrize("below", ["/*.tar", "/cat/../*.tar", "/a.tar"])
def test_a_glob_and_a_single_file_have_that_of_their_folder(tmp_path, below):
    place = Folder(str(tmp_path))
    place.write("a.tar", b"")
    place.write("cat/0.png", b"")
    place.write("LICENSE", TEXT)
    assert licence.files(str(tmp_path) + below) == {"LICENSE": TEXT}


@pytest.mark.parametrize("url", ["digits", "torchvision://CIFAR10?root=/nowhere"])
def test_what_is_no_place_has_none(url):
    assert licence.files(url) == {}
    assert licence.stated(url) is None


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (b"---\nlicense: cc-by-4.0\ntags: [a]\n---\n# Pictures", "cc-by-4.0"),
        (b"---\r\ntags: [a]\r\nlicense: 'mit'\r\n---\r\n", "mit"),
        (b"---\nlicense: <script>\n---\n", None),
        (b"---\nlicense: [mit, gpl]\n---\n", None),
        (b"# Pictures\nlicense: mit\n", None),
        (b"---\ntags: [a]\n---\nlicense: mit\n", None),
        (b"", None),
    ],
)
def test_a_dataset_card_may_state_one(source, card, expected):
    source.write("README.md", card)
    assert licence.stated(source.url) == expected


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (b"\xef\xbb\xbf---\nlicense: mit\n---\n", "mit"),
        (b"---\nlicense: mit # as it was\n---\n", "mit"),
        (b"---\nlicense:\n- cc0-1.0\ntags: [a]\n---\n", "cc0-1.0"),
        (b"---\nlicense:\n  - cc0-1.0\n---\n", "cc0-1.0"),
        (b"---\nlicense:\n- mit\n- gpl-3.0\n---\n", None),
        (b"---\nlicense:\ntags: [a]\n---\n", None),
    ],
)
def test_front_matter_as_people_write_it(source, card, expected):
    source.write("README.md", card)
    assert licence.stated(source.url) == expected


def test_no_link_is_followed_out_of_the_dataset(tmp_path):
    (tmp_path / "secret").write_text("of this machine")
    (tmp_path / "in").mkdir()
    for name in ("LICENSE", "README.md"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "secret")
    assert licence.files(str(tmp_path / "in")) == {}
    assert licence.stated(str(tmp_path / "in")) is None


@pytest.mark.parametrize(("error", "passes"), [(PermissionError(13, "no"), False), (OSError(5, "broken"), True)])
def test_a_folder_that_can_be_read_and_not_listed_has_none(source, monkeypatch, error, passes):
    def ls(*_, **__):
        raise error

    monkeypatch.setattr(type(Folder(source.url).fs), "ls", ls)
    if not passes:
        assert licence.files(source.url) == {}
        assert licence.stated(source.url) is None
        return
    from infra.errors import StorageError

    with pytest.raises(StorageError):
        licence.files(source.url)


def test_one_that_is_too_large_is_named(source):
    source.write("LICENSE", bytes(licence.MOST_BYTES + 1))
    source.write("NOTICE", TEXT)
    assert licence.too_large(source.url) == ["LICENSE"]
