"""What a job does where it may not read or write, or where there is no room: through the command line."""

import errno
import os

import pytest
from botocore.exceptions import NoCredentialsError
from s3fs import S3FileSystem

from infra.lease import LOCK
from infra.storage import Folder
from schemas.run import RunLock
from tests.flows.cli_helpers import Places, failing_writes, refuse, tree
from tests.tasks.shard.helpers import shard


class TestPlaces:
    @pytest.mark.parametrize("command", ["protect", "plan"])
    @pytest.mark.parametrize(
        ("source", "destination", "workspace", "needles"),
        [
            ("source", "source", "private", ("destination", "source", "never written to")),
            ("source", "protected", "protected", ("workspace", "is the destination", "private place")),
            ("source", "protected", "protected/private", ("workspace", "lies in the destination", "private place")),
            ("source", "private/protected", "private", ("destination", "lies in the workspace", "outside it")),
            ("source", "source/protected", "private", ("destination", "source", "never written to")),
            ("source", "protected", "source/private", ("workspace", "source", "never written to")),
            ("source", ".", "private", ("workspace", "lies in the destination")),
            ("source", "source/../source/", "private", ("destination", "source", "never written to")),
            ("source", "link", "private", ("destination", "source", "never written to")),
            ("source", "link/protected", "private", ("destination", "source", "never written to")),
            ("link", "source", "private", ("destination", "source", "never written to")),
            ("link/*.tar", "source", "private", ("destination", "source", "never written to")),
            ("source", "protected", "link/private", ("workspace", "source", "never written to")),
            ("source", "protected/", "protected//.", ("workspace", "is the destination", "private place")),
            ("source", "./protected", "x/../protected/private/", ("workspace", "lies in the destination")),
            ("source/*.tar", "source", "private", ("destination", "source", "never written to")),
            ("source/*.tar", "protected", "source", ("workspace", "source", "never written to")),
            ("*/*.tar", "protected", "private", ("destination", "source", "never written to")),
            ("**", "protected", "private", ("destination", "source", "never written to")),
            ("source/a.tar", "source", "private", ("destination", "source", "never written to")),
        ],
    )
    def test_places_that_are_one_or_nested_are_refused(
        self, cli, places, source, destination, workspace, needles, command
    ):
        places.put("a.tar", shard(4))
        (places.root / "link").symlink_to(places.source)
        paths = [f"{places.root}/{name}" for name in (source, destination, workspace)]
        line = refuse(cli, places, 2, *needles, command=(command, *paths[:2], "--workspace", paths[2]))
        assert paths[1] in line or paths[2] in line
        assert not places.workspace.exists()

    @pytest.mark.parametrize("written", ["file://{}", "local://{}", "{}/", "{}//", "{}/.", "file://{}/x/.."])
    def test_one_place_has_many_spellings(self, cli, places, written):
        places.put("a.tar", shard(4))
        destination = written.format(places.root / "protected")
        for source, workspace in (
            (places.source, places.root / "protected"),
            (places.source, places.root / "protected" / "private"),
            (places.root / "protected", places.workspace),
        ):
            command = ("protect", source, destination, "--workspace", workspace)
            refuse(cli, places, 2, "protected", "give", command=command)

    @pytest.mark.parametrize("field", ["destination", "workspace", "source"])
    def test_a_chain_of_file_systems_hides_no_place(self, cli, places, field):
        places.put("a.tar", shard(4))
        named = {name: str(getattr(places, name)) for name in ("source", "destination", "workspace")}
        named[field] = f"simplecache::file://{named['source']}"
        command = ("protect", named["source"], named["destination"], "--workspace", named["workspace"])
        refuse(cli, places, 2, "chains file systems", command=command)

    def test_an_address_with_credentials_is_refused_and_not_shown(self, cli, places):
        places.put("a.tar", shard(4))
        address = "s3://NAME:hunter2hunter2@bucket/x"
        for command in (
            ("protect", address, places.destination, "--workspace", places.workspace),
            ("protect", places.source, address, "--workspace", places.workspace),
            ("protect", places.source, places.destination, "--workspace", address, "--debug"),
            ("verify", address, "--clean", places.source),
            ("verify", places.destination, "--clean", address),
            ("status", address),
            ("report", address),
            ("inspect", f"{address}/a.tar"),
            ("plan", address, places.destination, "--debug"),
            ("protect-bucket", address, places.destination, "--workspace", places.workspace),
            ("protect-bucket", places.source, places.destination, "--workspace", address),
            ("rerun", address),
            ("failed", address),
        ):
            said = cli(*command)
            assert said.status == 2, said
            assert "hunter2" not in said.out + said.err
            assert "it has credentials in it" in said.err

    def test_a_public_dataset_is_not_written_to_either(self, cli, places):
        places.put("a.tar", shard(4))
        for inside in ("public", "public/copy"):
            command = ("protect", places.source, places.root / inside, "--workspace", places.workspace)
            refuse(cli, places, 2, "destination", "public", command=(*command, "--public", places.root / "public"))

    def test_a_glob_beside_its_destination_is_fine(self, cli, places):
        places.put("a.tar", shard(4))
        command = ("protect", places.source / "*.tar", places.source / "protected", "--workspace")
        said = cli(*command, places.source / "private", "--method", "random", "--json")
        assert (said.status, said.json["protected"]) == (0, 4)
        again = cli(*command, places.source / "private", "--method", "random", "--json")
        assert (again.status, again.json["protected"], again.json["skipped_shards"]) == (0, 4, 1)

    def test_somebody_elses_files_are_not_written_over(self, cli, places):
        places.put("a.tar", shard(4))
        places.destination.mkdir()
        (places.destination / "holiday.jpg").write_bytes(b"a photo")
        refuse(cli, places, 2, places.destination, "1 files, such as holiday.jpg", "empty destination")

    @pytest.mark.parametrize("text", ['{"name": "somebody\'s"}', "no JSON", '{"schema_version": 9, "job": "x"}'])
    def test_somebody_elses_manifest_is_not_written_over(self, cli, places, text):
        places.put("a.tar", shard(4))
        places.destination.mkdir()
        (places.destination / "manifest.json").write_text(text)
        line = refuse(cli, places, 2, places.destination, "manifest.json", "empty destination")
        assert "remove it" not in line

    def test_another_jobs_output_is_not_written_over(self, cli, places):
        places.put("a.tar", shard(4))
        assert cli(*places.protect).status == 0
        other = ("protect", places.source, places.destination, "--workspace", places.root / "private" / ".." / "other")
        before = tree(places.destination)
        said = cli(*other, "--method", "random")
        assert said.status == 2
        assert f"destination {places.destination} holds another job's output" in said.error
        assert "that job's workspace" in said.error
        assert tree(places.destination) == before

    def test_a_job_that_is_refused_because_another_is_writing_may_take_another_destination(self, cli, places):
        places.put("a.tar", shard(4))
        Folder(str(places.destination)).save(LOCK, RunLock(job="0" * 32, run="other", beat=1))
        refuse(cli, places, 2, places.destination, "being written by another job", LOCK)
        other = ("protect", places.source, places.root / "second", "--workspace", places.workspace)
        assert cli(*other, "--method", "random").status == 0

    def test_a_workspace_serves_one_destination(self, cli, places):
        places.put("a.tar", shard(4))
        assert cli(*places.protect).status == 0
        other = ("protect", places.source, places.root / "second", "--workspace", places.workspace)
        refuse(cli, places, 2, places.workspace, places.destination, "workspace of its own", command=other)

    def test_what_somebody_put_beside_the_shards_stays_there(self, cli, places):
        places.put("a.tar", shard(4))
        places.put("b.tar", shard(4))
        assert cli(*places.protect).status == 0
        (places.destination / "backup.tar").write_bytes(b"not ours")
        (places.source / "b.tar").unlink()
        assert cli(*places.protect, "--orphans", "remove").status == 0
        assert set(places.published()) == {"a.tar", "backup.tar"}

    @pytest.mark.parametrize("inside", ["protected", "protected/reports", "source/reports"])
    def test_an_evaluation_writes_into_nothing_published_and_no_source(self, cli, places, inside):
        places.put("a.tar", shard(4))
        command = ("evaluate", places.destination, "--clean", places.source, "--test", places.source)
        command = (*command, "--workspace", places.root / inside)
        refuse(cli, places, 2, places.root / inside, "give", command=command)


class TestNoPermission:
    @pytest.mark.parametrize("place", ["destination", "workspace"])
    def test_a_place_that_may_not_be_written_is_named(self, cli, places, monkeypatch, place):
        places.put("a.tar", shard(4))
        folder = getattr(places, place)
        with monkeypatch.context() as patch:
            failed = failing_writes(patch, folder, PermissionError(errno.EACCES, "Permission denied"))
            before = tree(places.source)
            said = cli(*places.protect)
        assert failed
        assert said.status == 1
        assert f"can't write {folder}" in said.error
        assert "no permission (Permission denied); check the credentials and the rights" in said.error
        assert tree(places.source) == before
        assert not (places.destination / "manifest.json").exists()
        assert cli(*places.protect).status == 0

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
    def test_a_source_that_may_not_be_read_is_named(self, cli, places):
        places.put("a.tar", shard(4)).chmod(0)
        said = cli(*places.protect)
        assert said.status == 1
        assert "a.tar: no permission" in said.error

    def test_a_source_that_may_not_be_read_is_named_whoever_asks(self, cli, places, monkeypatch):
        places.put("a.tar", shard(4))
        real = open

        def refuse_tars(path, *rest, **options):
            if str(path).endswith("a.tar"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *rest, **options)

        monkeypatch.setattr("builtins.open", refuse_tars)
        said = cli(*places.protect)
        monkeypatch.undo()
        assert said.status == 1
        assert (
            f"can't read {places.source}/a.tar: no permission (Permission denied); check the credentials" in said.error
        )

    @pytest.mark.parametrize("side", ["source", "destination"])
    @pytest.mark.parametrize(
        ("error", "needles"),
        [
            (PermissionError("Access Denied"), ("no permission (Access Denied)", "check the credentials")),
            (NoCredentialsError(), ("Unable to locate credentials", "AWS_ACCESS_KEY_ID")),
        ],
        ids=["wrong", "none"],
    )
    def test_credentials_of_a_bucket_that_do_not_do_are_named(self, cli, places, monkeypatch, side, error, needles):
        async def call(*_, **__):
            raise error

        monkeypatch.setattr(S3FileSystem, "_call_s3", call)
        places.put("a.tar", shard(4))
        paths = (places.source, "s3://bucket/it") if side == "destination" else ("s3://bucket/it", places.destination)
        command = ("protect", *paths, "--workspace", places.workspace, "--method", "random")
        refuse(cli, places, 1, "s3://bucket/it", *needles, command=command)


class TestNoSpace:
    @pytest.mark.parametrize("place", ["destination", "workspace"])
    def test_a_full_disk_keeps_what_is_done_and_the_same_command_finishes_later(self, cli, places, monkeypatch, place):
        for name in ("a.tar", "b.tar", "c.tar"):
            places.put(name, shard(3))
        whole = Places(places.root / "unbroken")
        whole.root.mkdir()
        whole.source.symlink_to(places.source)
        assert cli(*whole.protect).status == 0

        before = tree(places.source)
        # In the workspace: the job, three indices, the manifest and so on go well; a marker of a shard does not.
        rewritten = places.destination if place == "destination" else places.workspace / "rewrite"
        with monkeypatch.context() as patch:
            failed = failing_writes(patch, rewritten, OSError(errno.ENOSPC, "No space left on device"), after=1)
            said = cli(*places.protect)
        assert failed
        assert said.status == 1
        assert f"can't write {rewritten}/" in said.error
        assert "no space left; free some space and run it again" in said.error
        assert tree(places.source) == before
        assert not (places.destination / "manifest.json").exists()
        assert (places.workspace / "rewrite/a.tar.json").is_file()
        assert places.published()["a.tar"] == whole.published()["a.tar"]
        assert [path for path in places.root.rglob(".tmp-*") if path.is_file()] == []

        again = cli(*places.protect, "--json")
        assert (again.status, again.json["skipped_shards"], again.json["protected"]) == (0, 1, 9)
        assert places.published() == whole.published()
        assert len(places.published()) == 3
        assert cli("verify", places.destination, "--clean", places.source).status == 0
