"""What clients send that cannot run here, sent as their sources say: replay.py KIND APP ID PORT WATCHED URL ...

- `apisix`: apisix/discovery/eureka/init.lua of apache/apisix at 0bf938d2. It only reads, all of it each time: `GET apps` below a prefix
  that ends with a slash, in JSON; the first host that answers 200; `application` and `instance` have to be arrays, `port`, `securePort`,
  and an address in numbers must be there.
- `steeltoe3`: EurekaHttpClient.cs of SteeltoeOSS/Steeltoe at 07e06df6. Fields that have no value are sent as null; ids stand in paths as
  they are; a heartbeat says its status and its lastDirtyTimestamp, and reads a body only if there is one; gzip and deflate are accepted;
  everything is read from `apps/`, changes from `apps/delta`.
- `steeltoe4`: EurekaClient.cs of SteeltoeOSS/Steeltoe at 037047be. Fields that have no value are left out; ids are encoded; a heartbeat
  says its lastDirtyTimestamp only; any 2xx is a success, and a heartbeat that fails at all servers makes it register.
"""

import gzip
import ipaddress
import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

KIND, APP, ID, PORT, WATCHED, *URLS = sys.argv[1:]
PAUSE = 0.5
STEELTOE = {"Accept": "application/json", "X-Discovery-AllowRedirect": "false"}
APISIX = {"Connection": "Keep-Alive", "Accept": "application/json"}
OLD = KIND == "steeltoe3"
before = None


def send(url, headers, method="GET", body=None):
    """Status and JSON of an answer; no JSON for an empty one."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            data = answer.read()
            if answer.headers["Content-Encoding"] == "gzip":
                data = gzip.decompress(data)
            return answer.status, json.loads(data) if data else None
    except urllib.error.HTTPError as error:
        return error.code, None


def sees(instances):
    global before  # noqa: PLW0603, one process is one client
    found = " ".join(sorted(f"{host}:{port}={color}" for host, port, color in instances))
    if found != before:
        sys.stdout.write(f"SEES {found}\n")
    before = found


def identity(one):
    """An instance that was registered without an id has its host's name for one, and no `instanceId` in answers."""
    return one.get("instanceId", one["hostName"])


def apisix():
    for url in URLS:
        status, read = send(f"{url}apps", APISIX)
        if status == 200:
            break
    else:
        return
    found = []
    applications = read["applications"]["application"]
    assert isinstance(applications, list), read
    for application in applications:
        assert isinstance(application["instance"], list), application
        for one in application["instance"]:
            overridden = one.get("overriddenstatus") or one.get("overriddenStatus") or "UNKNOWN"
            if (one["status"] if overridden == "UNKNOWN" else overridden) != "UP":
                continue
            port = one["port"]["$"] if str(one["port"]["@enabled"]) == "true" else None
            if str(one["securePort"]["@enabled"]) == "true":
                port = one["securePort"]["$"]
            ipaddress.ip_address(one["ipAddr"])
            if application["name"] == WATCHED.upper():
                found.append((one["ipAddr"], port, one["metadata"].get("color")))
    sees(found)


class Steeltoe:
    """Registers, renews, and reads deltas as Netflix's client does."""

    def __init__(self):
        self.path = f"apps/{APP.upper()}"
        self.instance = f"{self.path}/{ID if OLD else urllib.parse.quote(ID, safe='')}"
        self.headers = STEELTOE | ({"Accept-Encoding": "gzip, deflate"} if OLD else {})
        self.dirty = str(int(time.time() * 1000))
        self.known = None

    def send(self, path, method="GET", body=None):
        """The first answer that is no failure, of all servers in turn; the last one otherwise."""
        headers = self.headers | ({"Content-Type": "application/json; charset=utf-8"} if body else {})
        for url in URLS:
            status, read = send(url + path, headers, method, body)
            if status < 300 or (OLD and status == 404):
                break
        return status, read

    def register(self):
        fields = {
            "instanceId": ID, "app": APP.upper(), "appGroupName": None, "ipAddr": "127.0.0.1", "sid": "na",
            "port": {"@enabled": "true", "$": int(PORT)}, "securePort": {"@enabled": "false", "$": 443},
            "homePageUrl": f"http://127.0.0.1:{PORT}/", "statusPageUrl": f"http://127.0.0.1:{PORT}/info",
            "healthCheckUrl": f"http://127.0.0.1:{PORT}/health", "secureHealthCheckUrl": None, "vipAddress": APP, "secureVipAddress": APP,
            "countryId": 1, "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
            "hostName": "127.0.0.1", "status": "UP", "overriddenstatus": "UNKNOWN",
            "leaseInfo": {"renewalIntervalInSecs": 1, "durationInSecs": 30, "registrationTimestamp": 0, "lastRenewalTimestamp": 0,
                          "renewalTimestamp": 0, "evictionTimestamp": 0, "serviceUpTimestamp": 0},
            "isCoordinatingDiscoveryServer": "false", "metadata": {"@class": "java.util.Collections$EmptyMap"} if OLD else None,
            "lastUpdatedTimestamp": self.dirty, "lastDirtyTimestamp": self.dirty, "actionType": "ADDED", "asgName": None,
        }
        body = fields if OLD else {name: value for name, value in fields.items() if value is not None}
        status, _ = self.send(self.path, "POST", json.dumps({"instance": body}).encode())
        print("REGISTER", status)

    def renew(self):
        said = f"status=UP&lastDirtyTimestamp={self.dirty}" if OLD else f"lastDirtyTimestamp={self.dirty}"
        status, _ = self.send(f"{self.instance}?{said}", "PUT")
        if status >= 300:
            self.register()

    def fetch(self):
        """Everything once, and deltas from then on; everything again where the hash code differs."""
        if self.known is not None:
            _, read = self.send("apps/delta")
            for application in read["applications"]["application"]:
                for one in application["instance"]:
                    key = application["name"], identity(one)
                    if one["actionType"] == "DELETED":
                        self.known.pop(key, None)
                    else:
                        self.known[key] = one
            wanted = read["applications"]["apps__hashcode"]
            if self.hash() == wanted:
                return
            print(f"the hash code is {self.hash()} and does not match {wanted}")
        _, read = self.send("apps/" if OLD else "apps")
        self.known = {
            (application["name"], identity(one)): one
            for application in read["applications"]["application"] for one in application["instance"]
        }

    def hash(self):
        statuses = [one["status"] for one in self.known.values()]
        return "".join(f"{status}_{statuses.count(status)}_" for status in sorted(set(statuses)))

    def play(self):
        self.renew()
        self.fetch()
        sees(
            (one["hostName"], one["port"]["$"], one["metadata"].get("color"))
            for (name, _), one in self.known.items() if name == WATCHED.upper() and one["status"] == "UP"
        )

    def leave(self):
        self.send(self.instance, "DELETE")


asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
steeltoe = None if KIND == "apisix" else Steeltoe()
while not asked.wait(PAUSE):
    if steeltoe:
        steeltoe.play()
    else:
        apisix()
if steeltoe:
    steeltoe.leave()
