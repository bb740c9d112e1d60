"""What the operator of three Java servers on Kubernetes has: a StatefulSet behind a headless Service, a file, and a password."""

import json
import os

import lib
from cluster import RESTRICTED

# What makes them quick, so that a scenario does not take many minutes; in the environment, because the file is the operator's.
QUICK = {
    **lib.environment(lib.JAVA_ANSWERS_ANEW), "EUREKA_CLIENT_REGISTRYFETCHINTERVALSECONDS": "1",
    "EUREKA_SERVER_REGISTRYSYNCRETRIES": "1", "EUREKA_SERVER_REGISTRYSYNCRETRYWAITMS": "1000",
    "EUREKA_CLIENT_INITIALINSTANCEINFOREPLICATIONINTERVALSECONDS": "1",
}


def install(ns, name, image, file, quick=QUICK):
    """Starts three, with the Secret `NAME-password` for their environment and this file as their `application.yml`."""
    labels = {"app": name}
    container = {
        "name": "java", "image": image, "imagePullPolicy": os.environ["KUBE_PULL_POLICY"],
        "env": [{"name": key, "value": value} for key, value in quick.items()],
        "envFrom": [{"secretRef": {"name": f"{name}-password"}}],
        "ports": [{"containerPort": 8761}],
        "readinessProbe": {"tcpSocket": {"port": 8761}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": RESTRICTED["capabilities"]},
    }
    pod = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 10,
        "securityContext": {key: RESTRICTED[key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile")},
        "containers": [container], "volumes": [{"name": "config", "configMap": {"name": f"{name}-config"}}],
    }
    service = {"clusterIP": "None", "selector": labels, "ports": [{"port": 8761}], "publishNotReadyAddresses": True}
    stateful = {
        "serviceName": name, "replicas": 3, "podManagementPolicy": "Parallel", "selector": {"matchLabels": labels},
        # They have no probe that says when they have the registry.
        "minReadySeconds": 10,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    for kind, version, called, content in (
        ("ConfigMap", "v1", f"{name}-config", {"data": {"application.yml": file}}),
        ("Service", "v1", name, {"spec": service}),
        ("StatefulSet", "apps/v1", name, {"spec": stateful}),
    ):
        made = {"apiVersion": version, "kind": kind, "metadata": {"name": called}, **content}
        ns.kubectl("apply", "-f", "-", stdin=json.dumps(made))
