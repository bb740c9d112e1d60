"""py-eureka-client: registers, is found by another client, follows a status override, leaves."""

import asyncio
import sys

import py_eureka_client.eureka_client as eureka_client
from py_eureka_client.eureka_client import EurekaClient

import lib

URL = sys.argv[1] + "/eureka/"


async def until(what, condition, seconds=60):
    await lib.until_async(what, condition, seconds)
    print(f"  {what}")


async def seen():
    applications = await eureka_client.get_applications(URL)
    return [i for app in applications.applications if app.name == "ORDERS-PY" for i in app.instances]


async def main():
    host = {"instance_host": "127.0.0.1", "instance_ip": "127.0.0.1", "renewal_interval_in_secs": 1}
    metadata = {"version": "1", "owner.team": "a"}
    orders = EurekaClient(
        eureka_server=URL,
        app_name="orders-py",
        instance_id="orders-py:1",
        instance_port=9090,
        # Longer than a busy machine may keep it from renewing: with its lease, the operator's status would end.
        duration_in_secs=30,
        metadata=metadata,
        **host,
    )
    await orders.start()
    shop = EurekaClient(eureka_server=URL, app_name="shop-py", instance_port=9091, **host)
    await shop.start()

    async def is_seen():
        return len(await seen()) == 1

    await until("registered, and read as XML", is_seen)
    [instance] = await seen()
    assert instance.instanceId == "orders-py:1" and instance.status == "UP", vars(instance)
    assert metadata.items() <= instance.metadata.items(), instance.metadata

    async def has_renewed():
        now = await eureka_client.get_app_instance(URL, "ORDERS-PY", "orders-py:1")
        return now.leaseInfo.lastRenewalTimestamp > instance.leaseInfo.lastRenewalTimestamp

    async def is_in(*statuses):
        return [i.status for i in await seen()] in [[status] for status in statuses]

    # Asked for alone: what a list shows of renewals is as of the last change.
    await until("renewed", has_renewed)
    await eureka_client.status_update(URL, "ORDERS-PY", "orders-py:1", instance.lastDirtyTimestamp, "OUT_OF_SERVICE")
    await until("an operator's status seen", lambda: is_in("OUT_OF_SERVICE"))
    await eureka_client.delete_status_override(URL, "ORDERS-PY", "orders-py:1", instance.lastDirtyTimestamp)
    await until("taken back: a heartbeat was answered 404 and it registered again", lambda: is_in("UP"))
    await orders.stop()

    async def is_gone():
        return await seen() == []

    await until("left", is_gone)
    await shop.stop()


asyncio.run(main())
