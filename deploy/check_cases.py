"""Values for the chart, and what must be rendered of them, or why they must be refused."""

import base64

# Where the health and the metrics are by default.
HEALTH, METRICS = "path: /actuator/health/readiness\n", "path: /actuator/prometheus\n"
MONITOR = "metrics: {serviceMonitor: {enabled: true}}\n"

# The effects of `config`, the environment and arguments: values, and what must and must not be rendered.
MOVED = [
    (
        "config: {server: {servlet: {context-path: /registry}}}\n" + MONITOR,
        [
            "path: /registry/actuator/health/liveness\n",
            "path: /registry/actuator/health/readiness\n",
            "path: /registry/actuator/prometheus\n",
            "--url=http://registry:8761/registry/eureka/\n",
            "defaultZone=http://registry:8761/registry/eureka/\n",
            "http://localhost:8761/registry/ :\n",
            "name: SERVER_SERVLET_CONTEXTPATH\n              value: /registry\n",
        ],
        [HEALTH, METRICS],
    ),
    ("config: {server.servlet.contextPath: /registry/}\n", ["path: /registry/actuator/health/liveness\n"], [HEALTH]),
    ("config: {SERVER_SERVLET_CONTEXT_PATH: /registry}\n", ["path: /registry/actuator/health/liveness\n"], [HEALTH]),
    ("config: {server: {contextPath: '${PREFIX:/registry}'}}\n", ["--url=http://registry:8761/registry/eureka/\n"], [HEALTH]),
    ("config: {prefix: /a, server.servlet.context-path: '${prefix}/b'}\n", ["path: /a/b/actuator/health/liveness\n"], [HEALTH]),
    ("config: |\n  server:\n    servlet:\n      context-path: /registry\n", ["path: /registry/actuator/health/liveness\n"], [HEALTH]),
    (
        "config: |\n  a: b\n  ...\n  ---\n\n  --- # more\n  version: @project.version@\n  one: &one {context-path: /registry}\n  8761: x\n"
        "  server:\n    servlet: *one\n",
        ["path: /registry/actuator/health/liveness\n"],
        [HEALTH],
    ),
    ("paths: {context: /registry}\nexistingConfigSecret: mine\n", ["path: /registry/actuator/health/liveness\n"], [HEALTH]),
    (
        "existingConfigMap: mine\n"
        "paths: {context: /a, actuator: /manage, health: up/is, prometheus: metrics, dashboard: /dash}\n" + MONITOR,
        [
            "path: /a/manage/up/is/readiness\n",
            "path: /a/manage/metrics\n",
            "MANAGEMENT_ENDPOINTS_WEB_PATHMAPPING_HEALTH\n              value: \"up/is\"\n",
            "EUREKA_DASHBOARD_PATH\n              value: \"/dash\"\n",
            "http://localhost:8761/a/dash/ :\n",
            "The chart cannot read ConfigMap mine. It expects\n",
            "  the registry at /a/eureka/\n",
            "  the health at /a/manage/up/is, the metrics at /a/manage/metrics\n",
            "  no users\n",
        ],
        [HEALTH, METRICS],
    ),
    (
        "existingConfigSecret: mine\ncontainerPorts: {management: 9001}\npaths: {context: /a, management: /m}\n"
        "auth: {enabled: true, existingSecret: peers}\nextraEnvVarsSecret: more\n",
        [
            "path: /m/actuator/health/readiness\n",
            "MANAGEMENT_SERVER_BASEPATH\n              value: \"/m\"\n",
            "The chart cannot read Secret mine, Secret more. It expects\n",
            "  port 8761, and 9001 for probes and scrapers",
            "  the health at /m/actuator/health,",
            "  users\n",
        ],
        [HEALTH],
    ),
    (
        "paths: {health: up}\nextraArgs: [--management.endpoints.web.path-mapping.health=alive]\n",
        ["path: /actuator/alive/readiness\n"],
        ["PATHMAPPING_HEALTH", "The chart cannot read"],
    ),
    ("config: {spring: {config: {import: [more.yml]}}}\n", ["The chart cannot read the files of spring.config.import."], []),
    ("paths: {context: /a}\nconfig: {server.servlet.context-path: /b}\n", ["--url=http://registry:8761/a/eureka/\n"], ["/b/"]),
    ("extraArgs: [--server.servlet.context-path=/a]\npaths: {context: /b}\n", ["path: /a/actuator/health/liveness\n"], ["/b/"]),
    ("extraEnvVars: [{name: SERVER_SERVLET_CONTEXTPATH, value: /a}]\n", ["path: /a/actuator/health/liveness\n"], [HEALTH]),
    ("extraEnvVars: [{name: SPRING_APPLICATION_JSON, value: '{\"server.port\": 9000}'}]\n", ["containerPort: 9000\n"], []),
    (
        "config: |\n  spring.profiles.active: peer1\n  ---\n  spring.config.activate.on-profile: peer1\n"
        "  server.servlet.context-path: /a\n  --- # the other\n  spring.profiles: peer2\n  server.servlet.context-path: /b\n",
        ["path: /a/actuator/health/liveness\n"],
        ["path: /b"],
    ),
    (
        "config: {management: {endpoints: {web: {basePath: /manage, path-mapping: {health: healthz, prometheus: metrics}}}}}\n"
        "auth: {enabled: true, password: p}\n" + MONITOR,
        [
            "path: /manage/healthz/readiness\n",
            "path: /manage/metrics\n",
            "value: /manage\n",
            'name: REGISTRY_SECURITY_OPENPATHS\n              value: "/manage/healthz/**"\n',
        ],
        [HEALTH, METRICS],
    ),
    ("config: {management.endpoints.web.base-path: /}\n", ["path: /health/readiness\n", "_BASEPATH\n              value: /\n"], [HEALTH]),
    ("config: {management: {context-path: /manage}}\n", ["path: /manage/health/readiness\n"], [HEALTH]),
    (
        "config: {server.servlet.context-path: /a, management.server: {port: 9001, base-path: /b}}\n" + MONITOR,
        [
            "port: management\n",
            "containerPort: 9001\n",
            "path: /b/actuator/health/readiness\n",
            "- targetPort: management\n      path: /b/actuator/prometheus\n",
        ],
        [HEALTH, METRICS],
    ),
    ("config: {server.port: 9000, management.server.port: 9000}\n", ["containerPort: 9000\n", HEALTH], ["port: management\n"]),
    (
        "config: {server: {port: '${SERVER_PORT:9000}'}}\nnetworkPolicy: {enabled: true}\n",
        [
            "containerPort: 9000\n",
            "- port: 9000\n",
            "    - name: http\n      port: 9000\n",
            'name: SERVER_PORT\n              value: "9000"\n',
            "defaultZone=http://registry:9000/eureka/\n",
        ],
        ["containerPort: 8761\n"],
    ),
    (
        "config: {server.port: 9000}\ncontainerPorts: {http: 8080}\n",
        ["containerPort: 8080\n", "`config` sets server.port to 9000; the registry listens on 8080"],
        ["containerPort: 9000\n"],
    ),
    ("config: {eureka.dashboard.path: /dash}\n", ["http://localhost:8761/dash/ :\n"], []),
    ("config: {eureka: {dashboard: {enabled: false}}}\n", [], ["Open the dashboard"]),
    ("livenessProbe: {httpGet: {path: /mine, port: http}}\npaths: {context: /a}\n", ["path: /mine\n"], []),
    ("config: {server.ssl: {enabled: false, key-store: k}}\n", [HEALTH], ["HTTPS"]),
]

# Users and Secrets.
USERS = [
    (
        "config: {spring.security.user: {name: ops, password: '{noop}s3cret'}}\n" + MONITOR,
        [
            "      basicAuth:\n        username:\n          name: registry-config\n          key: username\n",
            "secretKeyRef:\n              name: registry-config\n              key: password\n",
            f"  password: {base64.b64encode(b's3cret').decode()}\n",
            "defaultZone=http://USER:PASSWORD@registry:8761/eureka/\n",
            "get secret registry-config",
        ],
        ["kind: ConfigMap", "s3cret"],
    ),
    (
        "config: {spring.security.user.password: '{bcrypt}x', registry.discovery: {username: peers, password: plain}}\n" + MONITOR,
        [f"  username: {base64.b64encode(b'peers').decode()}\n", f"  password: {base64.b64encode(b'plain').decode()}\n"],
        [],
    ),
    ("config: {spring.security.user.password: '${PW}'}\n", ["`helm test` has no test"], ["helm.sh/hook: test", "  password: "]),
    ("config: {spring.security.user.password: ''}\n", ["helm.sh/hook: test"], ["USER:PASSWORD"]),
    ("existingConfigSecret: mine\n", ["secret:\n            secretName: mine\n"], ["kind: Secret", "items:"]),
    ("existingConfigMap: mine\n", ["configMap:\n            name: mine\n"], ["kind: Secret"]),
    (
        "auth: {enabled: true, users: [{name: alice}, {name: b c, password: plain}]}\n",
        [
            "helm.sh/resource-policy: keep\n",
            "eureka-registry/note: 'Without a cluster to look at",
            "key: alice\n",
            "  user-47d8a4a86c7433e2: cGxhaW4=\n",
            'index .data "alice"',
        ],
        ["  password: ", "  alice: "],
    ),
    ("auth: {enabled: true, password: p}\n", ["  password: cA==\n"], ["resource-policy", "eureka-registry/note"]),
    ("auth: {enabled: true, existingSecret: mine}\n", ["name: mine\n"], ["kind: Secret"]),
    (
        "extraEnvVars: [{name: EUREKA_CLIENT_SERVICEURL_DEFAULTZONE, value: 'http://u:$(PW)@java/eureka/'}]\n",
        ["value: http://u:$(PW)@java/eureka/\n"],
        [],
    ),
]

NETWORK = [
    (
        "networkPolicy: {enabled: true}\n",
        ["      from:\n        - podSelector: {}\n  egress:\n"],
        ["          matchLabels:\n              registry-client"],
    ),
    (
        "networkPolicy: {enabled: true, from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}\n",
        ["        - podSelector: {}\n        - namespaceSelector:\n            matchLabels:\n", "kubernetes.io/metadata.name: shop\n"],
        [],
    ),
    ("networkPolicy: {enabled: true, allowNamespace: false}\n", ['              registry-client: "true"\n'], ["podSelector: {}"]),
    ("networkPolicy: {enabled: true}\nkubernetesAware: {enabled: true}\n", ["        - port: 6443\n"], []),
    ("networkPolicy: {enabled: true, allowExternal: true}\n", [], ["      from:\n", "podSelector: {}"]),
]

# The watch of pods: the token is mounted and the account may read pods only where that is wanted.
KUBERNETES = [
    ("{}\n", [], ["automountServiceAccountToken: true", "kind: Role", "REGISTRY_KUBERNETES"]),
    (
        "kubernetesAware: {enabled: true}\n",
        [
            "      automountServiceAccountToken: true\n", "  name: registry-pods\n", "    verbs: [get, list, watch]\n",
            "            - name: REGISTRY_KUBERNETES_PODS\n              value: \"true\"\n",
        ],
        ["REGISTRY_KUBERNETES_NAMESPACES", "ClusterRole"],
    ),
    (
        "kubernetesAware: {enabled: true, namespaces: [shop, default], notReady: out-of-service}\n",
        [
            "  name: registry-pods\n  namespace: default\n", "  name: default-registry-pods\n  namespace: shop\n",
            "              value: shop,default\n", "REGISTRY_KUBERNETES_NOTREADY\n              value: out-of-service\n",
        ],
        ["ClusterRole"],
    ),
    (
        "kubernetesAware: {enabled: true, zones: true}\n",
        ["  name: default-registry-nodes\n", "    resources: [nodes]\n    verbs: [get]\n", "REGISTRY_KUBERNETES_ZONES\n"],
        [],
    ),
]

# The host names under which pages are answered: those of the Ingress, unless the operator lists others.
HOSTS = [
    (
        "ingress:\n  enabled: true\n  tls: [{secretName: s}]\n  hosts:\n"
        "    - {host: a.example, paths: [{path: /eureka, pathType: Exact}, {path: /api}]}\n"
        "    - b.example\n    - {host: c.example}\nhttpRoute: {enabled: true, parentRefs: [{name: g}], hostnames: [r.example]}\n",
        [
            'host: "a.example"\n      http:\n        paths:\n          - path: /eureka\n            pathType: Exact\n',
            "          - path: /api\n            pathType: Prefix\n",
            'host: "b.example"\n      http:\n        paths:\n          - path: /\n            pathType: Prefix\n',
            'host: "c.example"\n      http:\n        paths:\n          - path: /\n',
            'value: "r.example,a.example,b.example,c.example"\n',
            "https://a.example/eureka/\n",
            "https://b.example/\n",
        ],
        ["map["],
    ),
    ("ingress: {enabled: true}\n", ["    - http:\n        paths:\n          - path: /\n", 'value: "*"\n'], ["host: "]),
    ("ingress: {enabled: true, hosts: [a.example]}\n", ["REGISTRY_SECURITY_ALLOWEDHOSTS\n              value: \"a.example\"\n"], []),
    ("{}\n", [], ["REGISTRY_SECURITY_ALLOWEDHOSTS"]),
    (
        "ingress: {enabled: true, hosts: [a.example]}\nconfig: {registry: {security: {allowedHosts: [b.example]}}}\n",
        [],
        ["REGISTRY_SECURITY_ALLOWEDHOSTS"],
    ),
    (
        "ingress: {enabled: true, hosts: [a.example]}\nextraArgs: [--registry.security.allowed-hosts=b.example]\n",
        [],
        ["REGISTRY_SECURITY_ALLOWEDHOSTS"],
    ),
]

SIZES = [
    ("size: 1000\n", ["cpu: 20m\n", "memory: 32Mi\n", "memory: 64Mi\n"], []),
    ("tls: {enabled: true, existingSecret: s}\n", ["memory: 96Mi\n", "memory: 320Mi\n"], ["memory: 128Mi\n"]),
    ("size: 100000\n", ["memory: 1536Mi\n", "memory: 1Gi\n"], []),
    ("resources: {limits: {memory: 256Mi}}\n", ["memory: 256Mi\n", "memory: 96Mi\n"], ["memory: 128Mi\n"]),
    ("resources: {limits: {}}\n", ["limits: {}\n", "memory: 96Mi\n"], ["memory: 128Mi\n"]),
]

PERSISTENCE = [
    (
        "persistence: {enabled: true}\n",
        [
            "name: REGISTRY_DATADIR\n              value: \"/data\"\n",
            "- name: data\n              mountPath: /data\n",
            "whenDeleted: Retain\n    whenScaled: Retain\n",
            "storage: 1Gi\n",
        ],
        ["storageClassName"],
    ),
    ("persistence: {enabled: true, storageClass: '-'}\n", ['storageClassName: ""\n'], []),
    ("persistence: {enabled: true, storageClass: fast}\n", ["storageClassName: fast\n"], []),
    ("persistence: {enabled: false}\n", [], ["REGISTRY_DATADIR", "volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"]),
]

# Bad values in `config` that `--set` cannot write, and what the refusal must say.
BAD_CONFIG = [
    ("config: |\n  a: [\n", ["config is not YAML that the chart can read", "existingConfigSecret"]),
    (
        "config: |\n  a: b\n  ---\n  spring.config.activate.on-profile: '!dev'\n  server.servlet.context-path: /a\n",
        ["server.servlet.context-path in a document for some profiles", "set paths.context"],
    ),
    (
        "config: |\n  a: b\n  ---\n  spring.config.activate.on-profile: dev\n  server.port: 9000\nextraEnvVarsSecret: more\n",
        ["server.port in a document for some profiles", "set containerPorts.http"],
    ),
    ("extraEnvVars: [{name: SERVER_PORT, valueFrom: {fieldRef: {fieldPath: a}}}]\n", ["server.port is ${SERVER_PORT}"]),
    (
        "extraEnvVars: [{name: SPRING_APPLICATION_JSON, value: '{\"spring.security.user.password\": \"p\"}'}]\n",
        ["SPRING_APPLICATION_JSON has a password"],
    ),
]

# Bad values, and what the refusal must say: the value's name and what is wrong with it.
RULES = "enabled: true"
ALERTS = [
    (
        f"metrics: {{prometheusRule: {{{RULES}}}}}\nreplicaCount: 5\n",
        [
            'expr: up{job="registry",namespace="default"} == 0\n',
            'up{job="registry",namespace="default"}) < 5\n',
            "86400 * 7\n",
            "runbook_url: deploy/runbooks.md#eurekareplicadown\n",
        ],
        ["# replicas", "# days", 'job="registry"}'],
    ),
    (
        f"metrics: {{prometheusRule: {{{RULES}, selector: 'cluster=~\"a|b\"', "
        "runbookBaseUrl: https://wiki.local/eureka, certificateDays: 2}}\n"
        "autoscaling: {enabled: true, minReplicas: 4}\nnamespaceOverride: other\n",
        [
            'expr: up{cluster=~"a|b"} == 0\n',
            ") < 4\n",
            "86400 * 2\n",
            "runbook_url: https://wiki.local/eureka#eurekareplicadown\n",
        ],
        ['job="', "deploy/runbooks.md"],
    ),
]
PANELS = [
    (
        "metrics: {grafanaDashboard: {enabled: true, registryUrl: https://registry.local/}}\n",
        ['"title": "p99 request latency"', '"url": "https://registry.local/"'],
        ["localhost:8761/\""],
    ),
    ("metrics: {grafanaDashboard: {enabled: true}}\n", ['"links": [],'], ['"url": ']),
]
BAD = [
    (["metrics.grafanaDashboard.registryUrl=registry"], ["registryUrl", "pattern"]),
    (["metrics.prometheusRule.selector=up"], ["metrics.prometheusRule.selector", "pattern"]),
    (["metrics.prometheusRule.runbookBaseUrl=wiki"], ["runbookBaseUrl", "pattern"]),
    (["metrics.prometheusRule.certificateDays=0"], ["certificateDays", "minimum"]),
    (["kubernetesAware.namespaces[0]=Shop"], ["kubernetesAware.namespaces.0", "pattern"]),
    (["kubernetesAware.terminating=evict"], ["kubernetesAware.terminating", "out-of-service"]),
    (["kubernetesAware.enabled=true", "serviceAccount.create=false"], ["kubernetesAware.enabled", "serviceAccount.name"]),
    (["kubernetesAware.zones=true"], ["kubernetesAware.zones", "kubernetesAware.enabled"]),
    (["kubernetesAware.notReady=out-of-service"], ["notReady", "kubernetesAware.enabled"]),
    (["replicaCount=-1"], ["replicaCount", "minimum"]),
    (["replicaCount=three"], ["replicaCount", "integer"]),
    (["replicacount=3"], ["replicacount", "not allowed"]),
    (["podManagementPolicy=Ordered"], ["podManagementPolicy", "OrderedReady"]),
    (["persistence.size=big"], ["persistence.size", "pattern"]),
    (["persistence.accessModes[0]=ReadOnlyMany"], ["persistence.accessModes.0", "ReadWriteOnce"]),
    (["persistence.persistentVolumeClaimRetentionPolicy.whenScaled=Keep"], ["whenScaled", "Retain"]),
    (["persistence.existingClaim=mine"], ["persistence", "existingClaim", "not allowed"]),
    (["updateStrategy.type=Recreate"], ["updateStrategy.type", "RollingUpdate"]),
    (["updateStrategy.rollingUpdate.partition=-2"], ["partition", "minimum"]),
    (["updateStrategy.partition=2"], ["updateStrategy", "partition", "not allowed"]),
    (["image.pullPolicy=Sometimes"], ["image.pullPolicy", "IfNotPresent"]),
    (["image.digest=sha256:12"], ["image.digest", "pattern"]),
    (["image.repository="], ["image.repository is not set", "deploy/build-image"]),
    (["containerPorts.http=70000"], ["containerPorts.http", "maximum"]),
    (["service.type=ExternalName"], ["service.type", "ClusterIP"]),
    (["service.nodePort=http"], ["service.nodePort"]),
    (["headless.publishNotReadyAddresses=maybe"], ["headless.publishNotReadyAddresses", "boolean"]),
    (["headless.nameOverride=Eureka_1"], ["headless.nameOverride", "pattern"]),
    (["fullnameOverride=Registry"], ["fullnameOverride", "pattern"]),
    (["shutdown.lameDuckSeconds=5s"], ["shutdown.lameDuckSeconds", "integer"]),
    (["terminationGracePeriodSeconds=5"], ["terminationGracePeriodSeconds", "at least 20"]),
    (["logging.format=xml"], ["logging.format", "json"]),
    (["logging.level.root=loud"], ["logging.level.root", "debug"]),
    (["podAntiAffinityPreset=strict"], ["podAntiAffinityPreset", "soft"]),
    (["topologySpreadConstraints[0].maxSkew=1"], ["topologySpreadConstraints", "topologyKey"]),
    (["pdb.maxUnavailable=half"], ["pdb.maxUnavailable"]),
    (["resources.limit.memory=1Gi"], ["resources", "limit", "not allowed"]),
    (["livenessProbe.period=3"], ["livenessProbe", "period", "not allowed"]),
    (["ingress.hosts[0].name=a.example"], ["ingress.hosts.0", "name", "not allowed"]),
    (["ingress.hosts[0].host=a.example", "ingress.hosts[0].paths[0].path=eureka"], ["ingress.hosts.0.paths.0.path", "pattern"]),
    (["ingress.path=eureka"], ["ingress.path", "pattern"]),
    (["ingress.enabled=true", "service.enabled=false"], ["ingress.enabled needs service.enabled"]),
    (["auth.users[0].name=alice", "auth.users[0].password=p"], ["auth.users needs auth.enabled"]),
    (["auth.users[0].name=alice", "auth.users[0].password=p", "auth.users[0].existingSecret=s"], ["auth.users.0", "not"]),
    (["auth.users[0].name=a:b", "auth.users[0].password=p"], ["auth.users.0.name", "pattern"]),
    (["auth.users[0].name=alice", "auth.users[0].role=ADMIN"], ["auth.users.0", "role", "not allowed"]),
    (
        ["auth.enabled=true", "auth.password=p", "auth.users[0].name=eureka", "auth.users[0].password=p"],
        ["auth.users: eureka is auth.username"],
    ),
    (["auth.openPaths[0]=actuator"], ["auth.openPaths.0", "pattern"]),
    (["tls.enabled=true"], ["tls.existingSecret", "tls.certificate.create"]),
    (["tls.enabled=true", "tls.existingSecret=s", "tls.certificate.create=true"], ["exactly one of tls.existingSecret"]),
    (["tls.crt=nonsense"], ["tls.crt", "pattern"]),
    (["tls.enabled=true", "tls.crt=-----BEGIN CERTIFICATE-----", "tls.key=-----BEGIN PRIVATE KEY-----"], ["tls.crt needs tls.ca"]),
    (["tls.clientAuth=yes"], ["tls.clientAuth", "need"]),
    (["tls.peersNeedCertificate=true"], ["tls.peersNeedCertificate needs tls.clientAuth"]),
    (["containerPorts.management=8761"], ["containerPorts.management must not be containerPorts.http"]),
    (["containerPorts.management=metrics"], ["containerPorts.management"]),
    (["httpRoute.timeouts.idle=1s"], ["httpRoute.timeouts", "idle", "not allowed"]),
    (["logging.accessLog=maybe"], ["logging.accessLog", "boolean"]),
    (["metrics.byApplication=1"], ["metrics.byApplication", "boolean"]),
    (
        ["metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.namespace=monitoring", "auth.enabled=true", "auth.password=p"],
        ["metrics.serviceMonitor.basicAuth"],
    ),
    (["config.a=b", "existingConfigMap=mine"], ["only one of config, existingConfigMap and existingConfigSecret"]),
    (["existingConfigSecret=mine", "existingConfigMap=mine"], ["only one of config, existingConfigMap and existingConfigSecret"]),
    (["existingConfigSecret=Mine"], ["existingConfigSecret", "pattern"]),
    (["paths.context=registry"], ["paths.context", "pattern"]),
    (["paths.actuator=/a/"], ["paths.actuator", "pattern"]),
    (["paths.health=/up"], ["paths.health", "pattern"]),
    (["paths.management=m"], ["paths.management", "pattern"]),
    (["paths.base=/a"], ["paths", "base", "not allowed"]),
    (["size=5000"], ["size", "10000"]),
    (["networkPolicy.allowNamespace=all"], ["networkPolicy.allowNamespace", "boolean"]),
    (["networkPolicy.from[0].podSelectors=a"], ["networkPolicy.from.0", "podSelectors", "not allowed"]),
    (["extraEnvVars[0].name=SPRING_SECURITY_USER_PASSWORD", "extraEnvVars[0].value=p"], ["SPRING_SECURITY_USER_PASSWORD has a password"]),
    (
        ["extraEnvVars[0].name=EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", "extraEnvVars[0].value=http://u:p@java:8761/eureka/"],
        ["EUREKA_CLIENT_SERVICEURL_DEFAULTZONE has a password", "valueFrom.secretKeyRef"],
    ),
    (["extraArgs[0]=--spring.security.user.password=p"], ["--spring.security.user.password has a password"]),
    (["config.server.port=0"], ["server.port is 0", "set containerPorts.http"]),
    (["config.server.port=${PORT}"], ["server.port is ${PORT}", "set containerPorts.http"]),
    (["config.server.address=127.0.0.1"], ["server.address is 127.0.0.1", "outside the pod"]),
    (["config.management.server.port=-1"], ["management.server.port is -1", "set containerPorts.management"]),
    (["config.management.server.address=localhost"], ["management.server.address is localhost"]),
    (["config.server.servlet.contextPath=registry"], ["server.servlet.context-path is registry", "such as /registry"]),
    (["config.server.servlet.context-path=/${NAME}"], ["server.servlet.context-path is /${NAME}", "set paths.context"]),
    (["config.management.endpoints.web.exposure.include=info"], ["management.endpoints.web.exposure.include closes the health"]),
    (["config.management.endpoint.health.enabled=false"], ["management.endpoint.health.* closes the health", "Probe asks for"]),
    (
        ["config.management.endpoints.web.exposure.include=health\\,info", "metrics.serviceMonitor.enabled=true"],
        ["management.endpoints.web.exposure.include closes prometheus"],
    ),
    (["config.server.ssl.key-store=k"], ["server.ssl.key-store is set", "tls.existingSecret"]),
    (["config.server.ssl.client-auth=need"], ["server.ssl.client-auth is need", "set tls.clientAuth"]),
    (["config.server.ssl.enabled=false", "tls.enabled=true", "tls.existingSecret=s"], ["server.ssl.enabled is false"]),
    (["config.registry.shutdown.lame-duck=1s"], ["set shutdown.lameDuckSeconds"]),
    (["config.spring.security.user.password=p", "auth.enabled=true"], ["auth.enabled replaces spring.security.user"]),
    (
        ["config.spring.security.user.password=$2a$10$x", "metrics.serviceMonitor.enabled=true"],
        ["does not know the user that config asks for", "metrics.serviceMonitor.basicAuth"],
    ),
    (["auth.enabled=true", "auth.openPaths[0]=/actuator/info"], ["/actuator/health/liveness is not open", "auth.openPaths"]),
    (
        ["config.spring.security.user.password=p", "config.registry.security.open-paths=/actuator/info"],
        ["/actuator/health/liveness is not open", "registry.security.open-paths"],
    ),
    (["extraArgs[0]=server.port"], ["extraArgs", "pattern"]),
    (["dnsPolicy=Cluster"], ["dnsPolicy", "ClusterFirst"]),
    (["metrics.serviceMonitor.interval=often"], ["metrics.serviceMonitor.interval", "pattern"]),
    (["autoscaling.targetCPUUtilizationPercentage=150"], ["targetCPUUtilizationPercentage", "maximum"]),
]
