"""The instances of the bench, as Spring Boot clients register them, and the requests about them."""

import random
import time

INSTANCES_PER_APPLICATION = 10
ACCEPT_JSON = "application/json, application/*+json"
AGENT = "Apache-HttpClient/5.5 (Java/17.0.15)"
STAMP = "@@TIMESTAMP@@"
NEW_ID = "@@NEWID@@"
# Clients renew every 30 s; the bench stops renewing for minutes at a time, and what is measured is
# not eviction. So a lease is longer than a run.
LEASE_SECONDS = 7200

BODY = (
    '{{"instance":{{"instanceId":"{id}","app":"{app}","appGroupName":null,"ipAddr":"{ip}","sid":"na",'
    '"homePageUrl":"http://{host}:8080/","statusPageUrl":"http://{host}:8080/actuator/info",'
    '"healthCheckUrl":"http://{host}:8080/actuator/health","secureHealthCheckUrl":null,'
    '"vipAddress":"{vip}","secureVipAddress":"{vip}","countryId":1,'
    '"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},'
    '"hostName":"{host}","status":"UP","overriddenStatus":"UNKNOWN",'
    '"leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":{lease},"registrationTimestamp":0,'
    '"lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0}},'
    '"isCoordinatingDiscoveryServer":false,"lastUpdatedTimestamp":{stamp},"lastDirtyTimestamp":{stamp},'
    '"actionType":null,"asgName":null,"port":{{"$":8080,"@enabled":"true"}},'
    '"securePort":{{"$":443,"@enabled":"false"}},'
    '"metadata":{{"management.port":"8080","zone":"zone-{zone}","version":"1.{minor}.0"{extra}}}}}}}'
)


class Instance:
    """Instance number `number` of a registry with `applications` applications."""

    def __init__(self, number, applications):
        self.number = number
        self.app = f"ORDER-SERVICE-{number % applications:05d}"
        self.vip = self.app.lower()
        self.ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self.host = f"{self.vip}-{number // applications:05d}.orders"
        self.id = f"{self.host}:{self.vip}:8080"

    def body(self, stamp, instance_id=None, extra=""):
        """What a Spring client posts; `extra` is appended to the metadata."""
        return BODY.format(
            id=instance_id or self.id,
            app=self.app,
            ip=self.ip,
            host=self.host,
            vip=self.vip,
            lease=LEASE_SECONDS,
            stamp=stamp,
            zone=self.number % 3,
            minor=self.number % 7,
            extra=extra,
        )

    def register(self, host, stamp, instance_id=None, extra=""):
        return post(host, f"/eureka/apps/{self.app}", self.body(stamp, instance_id, extra))

    def renew(self, host, stamp):
        """The heartbeat of a Spring client; its timestamp is the one it registered with."""
        return (
            f"PUT /eureka/apps/{self.app}/{self.id}?status=UP&lastDirtyTimestamp={stamp} HTTP/1.1\r\n"
            f"Accept: {ACCEPT_JSON}\r\nAccept-Encoding: gzip, x-gzip, deflate\r\nHost: {host}\r\n"
            f"Connection: keep-alive\r\nUser-Agent: {AGENT}\r\nContent-Length: 0\r\n\r\n"
        ).encode()


def post(host, path, body):
    payload = body.encode()
    return (
        f"POST {path} HTTP/1.1\r\nAccept: {ACCEPT_JSON}\r\nAccept-Encoding: gzip\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\nHost: {host}\r\n"
        f"Connection: keep-alive\r\nUser-Agent: {AGENT}\r\n\r\n"
    ).encode() + payload


def get(host, path, accept=ACCEPT_JSON, gzip=True, compact=False):
    lines = [f"GET {path} HTTP/1.1", f"Accept: {accept}"]
    if gzip:
        lines.append("Accept-Encoding: gzip, x-gzip, deflate")
    if compact:
        lines.append("X-Eureka-Accept: compact")
    lines += [f"Host: {host}", "Connection: keep-alive", f"User-Agent: {AGENT}", "", ""]
    return "\r\n".join(lines).encode()


class Fleet:
    """`count` instances in a tenth as many applications, registered at one moment."""

    def __init__(self, count):
        self.count = count
        self.applications = max(1, count // INSTANCES_PER_APPLICATION)
        self.stamp = int(time.time() * 1000)

    def instance(self, number):
        return Instance(number, self.applications)

    def sample(self, limit, seed=1):
        """At most `limit` instances, the same at every call."""
        numbers = range(self.count)
        if self.count > limit:
            numbers = random.Random(seed).sample(numbers, limit)
        return [self.instance(number) for number in numbers]
