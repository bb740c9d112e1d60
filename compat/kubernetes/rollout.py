"""How many calls fail while Kubernetes updates an application: with the Java server, with this registry, with this registry where it
watches pods, and where each pod drains itself.

A Spring Boot application with Spring Cloud LoadBalancer calls another one 50 times a second, with the defaults of both. The other one is a
Deployment of three pods, which Kubernetes replaces one after the other as soon as the next one is ready.
"""

import json
import os
import re
import time
from collections import Counter
from urllib.request import urlopen

import pods
from cluster import check, say, until

INSTANCES = 3
# With it, callers fetch every five seconds and keep no list beside that, which takes a third of the time.
IS_SHORT = "KUBE_ROLLOUT_SHORT" in os.environ
FETCH = 5 if IS_SHORT else 30
# Seconds for which Spring Cloud LoadBalancer keeps its list.
LOADBALANCER = 0 if IS_SHORT else 35
# For so long a pod goes on after it was told to end: nobody calls it then who is told at once that it is out of service.
SLEEP = FETCH + LOADBALANCER + 10
SLEEPS = {"sleep": {"seconds": SLEEP}}
DRAINS = {
    "exec": {
        "command": [
            "/java/bin/java", "-cp", "/app/classes", "compat.Drain", "http://registry:8761/api/v1/applications/orders",
            f"timeout=90s&interval={FETCH}s&settle={LOADBALANCER}s",
        ],
    },
}
# Whatever anybody still has of the last pod is forgotten after this: the Java server's cache, the fetch, the load balancer's list.
AFTER = 30 + FETCH + LOADBALANCER + 10


def deploy(ns, name, url, *options, replicas=1, hook=None):
    """The Deployment of the application of compat/rollout; a change of its options replaces its pods."""
    pod = pods.template(name, url, {"app": name}, "Always", "KUBE_ROLLOUT_IMAGE")
    container = pod["spec"]["containers"][0]
    if IS_SHORT:
        options = (*options, f"--eureka.client.registry-fetch-interval-seconds={FETCH}", "--spring.cloud.loadbalancer.cache.enabled=false")
    container["args"] += options
    container["readinessProbe"] = {"httpGet": {"path": "/work", "port": 8080}, "periodSeconds": 1}
    if hook:
        container["lifecycle"] = {"preStop": hook}
        pod["spec"]["terminationGracePeriodSeconds"] = 240
    spec = {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    }
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    ns.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))


def counts(address):
    """Calls of the caller that were answered and that failed, and the instances that it knows."""
    with urlopen(f"http://{address}:8080/counts", timeout=5) as answer:
        return [int(word) for word in answer.read().split()]


def of(ns, name):
    return ns.get("pods", "-l", f"app={name}")["items"]


def asked(caller):
    """The same, asked again if a busy machine does not answer in time."""
    return until("what the caller counts", lambda: counts(caller), 30)


def drains(ns):
    """The seconds that each drain took, as the replicas log them. That a hook failed shows nowhere else for sure: the kubelet leaves out
    events of a pod that had many, and each probe during a slow start is one."""
    return [secs for pod in ns.pods() for secs in re.findall(r"drained .*secs=([\d.]+)", ns.kubectl("logs", pod))]


def measure(ns, servers, hook):
    """Failed calls and all calls of a rolling update, and how many seconds it took."""
    deploy(ns, "orders", servers.url, replicas=INSTANCES, hook=hook)
    deploy(ns, "caller", servers.url, "--calls.of=orders")
    for name in ("orders", "caller"):
        ns.kubectl("rollout", "status", f"deployment/{name}", "--timeout=240s", timeout=250)
    caller = of(ns, "caller")[0]["status"]["podIP"]
    until("the caller to know all instances", lambda: counts(caller)[2] == INSTANCES, 120)
    time.sleep(LOADBALANCER + 5)
    old, (answered, failed, _), begin = {pod["metadata"]["uid"] for pod in of(ns, "orders")}, asked(caller), time.monotonic()
    deploy(ns, "orders", servers.url, "--release=next", replicas=INSTANCES, hook=hook)
    # Not more often: each look is a process of its own, beside the calls that are counted.
    until("all pods to be new", lambda: not old & {pod["metadata"]["uid"] for pod in of(ns, "orders")}, 900, pause=1)
    took = time.monotonic() - begin
    time.sleep(AFTER)
    # A Java server may show a list without the last change for three minutes, if that fell into the making of the list.
    until("the caller to know the new instances only", lambda: counts(caller)[2] == INSTANCES, 240, pause=1)
    now = asked(caller)
    why = Counter(re.findall(r"FAILED .*?: (.*)", ns.kubectl("logs", of(ns, "caller")[0]["metadata"]["name"])))
    for words, times in why.most_common(5):
        say(f"{times} times: {words}")
    return now[1] - failed, now[0] - answered + now[1] - failed, took


def compare(name, chart, image):
    """Plays all of them, one after the other, and prints the table."""
    watching = ("kubernetesAware.enabled=true", "kubernetesAware.terminating=out-of-service")
    kinds = {
        "Java server": (lambda ns: pods.java_servers(f"{ns}-jvm", chart, image, quick={}), None),
        f"Java server, and pods that sleep for {SLEEP} s": (lambda ns: pods.java_servers(f"{ns}-jvm2", chart, image, quick={}), SLEEPS),
        "ours": (lambda ns: pods.ours(f"{ns}-plain", chart, image), None),
        f"ours with pods, which sleep for {SLEEP} s": (lambda ns: pods.ours(f"{ns}-watching", chart, image, *watching), SLEEPS),
        "ours with drain": (lambda ns: pods.ours(f"{ns}-drain", chart, image), DRAINS),
    }
    rows, wanted = {}, os.environ.get("KUBE_ROLLOUT_OF", "0,1,2,3,4")
    with pods.api_gate():
        for number in map(int, wanted.split(",")):
            kind, (start, hook) = list(kinds.items())[number]
            ns, servers = start(name)
            try:
                if "pods" in kind and kind.startswith("ours"):
                    until("pods to be watched", lambda servers=servers: all(pods.metric(servers, "eureka_kubernetes_watching")), 60)
                rows[kind] = measure(ns, servers, hook)
                failed, calls, took = rows[kind]
                say(f"{kind}: {failed} of {calls} calls failed; all pods were new after {took:.0f} s")
                if hook is DRAINS:
                    drained = drains(ns)
                    say(f"drains took {', '.join(drained)} s")
                    check(len(drained) == INSTANCES, f"{len(drained)} of {INSTANCES} instances were drained")
            finally:
                ns.delete()
                # Without the registry, hooks and cancellations have nobody to call, and would be waited for.
                ns.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
                until("its pods to be gone", lambda ns=ns: not ns.get("pods")["items"], 300, pause=1)
    print("\n   failed calls of a rolling update")
    for kind, (failed, calls, took) in rows.items():
        print(f"   {kind:48} {failed:6} of {calls:6}   {took:4.0f} s")
    unharmed = [kind for kind, (failed, *_) in rows.items() if kind.startswith("ours with") and failed]
    check(not unharmed, f"calls failed: {unharmed}")
