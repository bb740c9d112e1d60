"""Replicas that keep a snapshot: all of them killed at once, and disks that fail."""

import asyncio

from lab.disk import Disk

from . import scenario


def data_dir(folder):
    """A directory for each replica."""
    return f"--registry.data-dir={folder}/${{eureka.instance.hostname}}"


async def snapshot(replica):
    return (await replica.caller.call("GET", "/api/v1/overview")).json()["snapshot"]


@scenario(seconds=60, weight=3, short=True)
async def all_killed_with_snapshots(lab):
    """All three are killed at once, with snapshots, and started again, twice. 1,000 instances go on renewing, and no fetch shows
    fewer. An override, and that an instance was cancelled, stay."""
    replicas = await lab.cluster(3, data_dir(lab.folder / "data"), "--eureka.server.expected-client-renewal-interval-seconds=6")
    crowd = await lab.crowd(1000, lease=(6, 18))
    lab.must(await crowd[0].override("OUT_OF_SERVICE"), "an override was not taken")
    lab.must(await crowd[1].cancel(), "a cancellation was not taken")
    for replica in replicas:
        await lab.until("all instances to be in the snapshot", lambda one=replica: has_all(one, 999), 60)
    lab.watch()
    await lab.sleep(3)
    for number in (1, 2):
        await asyncio.gather(*(replica.kill() for replica in replicas))
        lab.mark(f"kill {number}")
        for replica in replicas:
            replica.start()
        lab.figures[f"opened after kill {number}"] = f"{max([await replica.ready() for replica in replicas]):.1f} s"
        await lab.sleep(8)
    partial = [(at, held, one) for one in lab.followers for at, held in one.partial]
    lab.figures["looks with a part"] = len(partial)
    for at, held, one in partial[:3]:
        lab.must(False, f"a reader of deltas at {one.replica} held {held} of 999, {lab.after(at)}")
    lab.none("absent")
    lab.none("revived")
    lab.none("wrong")
    await lab.agree(20, what="the last kill")


async def has_all(replica, count):
    return (await snapshot(replica))["instances"] == count


@scenario(seconds=60, short=True)
async def disks_that_fail(lab):
    """The disk of the snapshots is full, then read-only, then gone. Nobody who calls a replica notices, each failure is one line
    of the log, and the snapshot is written again when the disk is back."""
    disk = Disk(lab, "512k")
    replicas = await lab.cluster(3, data_dir(disk.path / "data"))
    crowd = await lab.crowd(60)
    # A snapshot that is being written would take room that is wanted full, and keep the disk from becoming read-only. The next one is
    # written after a change.
    for replica in replicas:
        await lab.until("all instances to be in the snapshot", lambda one=replica: has_all(one, 60), 60)
    lab.watch()
    away = disk.path / "away"
    for what, fail, mend in (
        ("full", disk.fill, disk.empty),
        ("read-only", lambda: disk.writable(False), lambda: disk.writable(True)),
        ("gone", lambda: (disk.path / "data").rename(away), lambda: away.rename(disk.path / "data")),
    ):
        fail()
        lab.mark(f"the disk is {what}")
        lab.must(await crowd[0].set_metadata("disk", what), "a change was not taken")
        for replica in replicas:
            await lab.until(f"{replica} to say that its disk fails", lambda one=replica: fails(one, True), 60)
        mend()
        lab.mark(f"the disk is not {what} any more")
        for replica in replicas:
            await lab.until(f"{replica} to write snapshots again", lambda one=replica: fails(one, False), 60)
    for replica in replicas:
        warnings, recovered = (replica.logged().count(line) for line in ("cannot write the snapshot", "snapshots are written again"))
        lab.must(warnings == 3, f"{replica} logged {warnings} failures")
        lab.must(recovered == 3, f"{replica} logged {recovered} times that snapshots are written again")
    await asyncio.gather(*(replica.kill() for replica in replicas))
    lab.mark("the kills")
    for replica in replicas:
        replica.start()
        await replica.ready()
    lab.truthful()
    lab.matching()
    await lab.agree(what="the kills")


async def fails(replica, does_it):
    return ((await snapshot(replica))["failingSince"] is not None) == does_it
