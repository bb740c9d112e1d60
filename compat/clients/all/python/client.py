"""A client for Python on the course: client.py PACKAGE APP ID PORT WATCHED URL ...

Of the packages, only the named one is there.
"""

import asyncio
import atexit
import importlib
import signal
import sys
import threading
import time

NAME, APP, ID, PORT, WATCHED, *URLS = sys.argv[1:]
ORIGINS = [url.removesuffix("/eureka/") for url in URLS]
PAUSE = 0.3
before = None


def sees(instances):
    """`instances`: host, port, status and metadata of each."""
    global before  # noqa: PLW0603, one process is one client
    found = " ".join(sorted(f"{host}:{port}={(more or {}).get('color')}" for host, port, status, more in instances if status == "UP"))
    if found != before:
        # In one piece: other threads write to the log, too.
        sys.stdout.write(f"SEES {found}\n")
    before = found


def of_json(answer):
    return [(one["hostName"], one["port"]["$"], one["status"], one.get("metadata")) for one in answer["application"]["instance"]]


def stopped():
    """A function that waits until this process is asked to end."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    return asked


def options():
    return {
        "eureka_server": ",".join(URLS), "app_name": APP, "instance_id": ID, "instance_port": int(PORT), "instance_host": "127.0.0.1",
        "instance_ip": "127.0.0.1", "renewal_interval_in_secs": 1, "duration_in_secs": 30,
    }


def sees_applications(applications):
    found = applications.get_application(WATCHED).instances
    sees((one.hostName, one.port.port, one.status, one.metadata) for one in found)


def py_eureka_client():
    """By `init` and `stop`, as in a program without a loop."""
    library = importlib.import_module("py_eureka_client.eureka_client")

    asked = stopped()
    client = library.init(**options())
    while not asked.wait(PAUSE):
        sees_applications(client.applications)
    library.stop()


async def py_eureka_client_async():
    library = importlib.import_module("py_eureka_client.eureka_client")

    asked = stopped()
    client = await library.init_async(**options())
    while not asked.is_set():
        sees_applications(client.applications)
        await asyncio.sleep(PAUSE)
    await library.stop_async()


def pyeureka():
    """Its wrapper for services has a timer for heartbeats, which ends at the first 404; what it does then is done here."""
    library = importlib.import_module("pyeureka")

    asked = stopped()
    service = library.EurekaClient(ORIGINS[0], {
        "ipAddr": "127.0.0.1", "app": APP, "instanceId": ID, "port": int(PORT), "hostName": "127.0.0.1", "vipAddress": APP, "status": "UP",
    })
    reader = library.SimpleEurekaClientWrapper(ORIGINS[1])
    service.register()
    while not asked.wait(PAUSE):
        try:
            service.heartbeat()
        except library.client.EurekaInstanceDoesNotExistException:
            service.register()
        sees(of_json(reader.app(WATCHED.upper())))
    service.deregister()


def flask_eureka():
    """A Flask application; the extension's own thread sends the heartbeats."""
    library = importlib.import_module("flask_eureka")

    asked = stopped()
    flask = importlib.import_module("flask").Flask(APP)
    flask.config.update(
        SERVICE_NAME=APP, EUREKA_SERVICE_URL=ORIGINS[0], EUREKA_INSTANCE_PORT=int(PORT), EUREKA_INSTANCE_HOSTNAME="127.0.0.1",
        EUREKA_HEARTBEAT_INTERVAL=1,
    )
    flask.register_blueprint(library.eureka_bp)
    extension = library.Eureka(flask)
    extension.register_service(name=APP, instance_id=ID, vip_address="127.0.0.1", secure_vip_address="127.0.0.1")
    while not asked.wait(PAUSE):
        time.sleep(PAUSE)
    atexit.unregister(extension.on_app_exit)
    extension.on_app_exit()


match NAME:
    case "py-eureka-client":
        py_eureka_client()
    case "py-eureka-client-async":
        asyncio.run(py_eureka_client_async())
    case "pyeureka":
        pyeureka()
    case "flask-eureka-client":
        flask_eureka()
