{{- define "registry.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* At most 52 characters: the StatefulSet controller adds a revision hash of 11 to it in a label of 63. */}}
{{- define "registry.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "registry.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "registry.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "registry.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{/* The one name that clients use and under which replicas find each other. */}}
{{- define "registry.headless" -}}
{{- .Values.headless.nameOverride | default (include "registry.fullname" .) }}
{{- end }}

{{/* The headless name as replicas look it up: short, or whole where the cluster's domain is given. */}}
{{- define "registry.discoveryService" -}}
{{- if .Values.clusterDomain }}
{{- printf "%s.%s.svc.%s" (include "registry.headless" .) (include "registry.namespace" .) .Values.clusterDomain }}
{{- else }}
{{- include "registry.headless" . }}
{{- end }}
{{- end }}

{{/* What a replica is called by its peers. By TLS it needs a name that the wildcard `*.HEADLESS.NAMESPACE.svc` covers: one such as `*.registry` is believed by nobody. */}}
{{- define "registry.hostname" -}}
{{- if and .Values.tls.enabled (not .Values.clusterDomain) }}
{{- printf "$(POD_NAME).%s.%s.svc" (include "registry.headless" .) (include "registry.namespace" .) }}
{{- else }}
{{- printf "$(POD_NAME).%s" (include "registry.discoveryService" .) }}
{{- end }}
{{- end }}

{{- define "registry.http" -}}
{{- printf "%s-http" (include "registry.fullname" .) }}
{{- end }}

{{- define "registry.scheme" -}}
{{- ternary "https" "http" .Values.tls.enabled }}
{{- end }}

{{- define "registry.selectorLabels" -}}
app.kubernetes.io/name: {{ include "registry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "registry.labels" -}}
{{ include "registry.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* metadata of an object: (dict "root" $ "name" NAME "annotations" MAP "labels" MAP "namespace" NAMESPACE), all but root and name optional */}}
{{- define "registry.metadata" -}}
name: {{ .name }}
namespace: {{ .namespace | default (include "registry.namespace" .root) }}
labels:
  {{- include "registry.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "registry.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry }}
{{- $name := ternary (printf "%s/%s" $registry .Values.image.repository) .Values.image.repository (ne $registry "") }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "registry.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets | uniq -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "registry.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "registry.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "registry.configMapName" -}}
{{- .Values.existingConfigMap | default (ternary (include "registry.fullname" .) "" (not (empty .Values.config))) }}
{{- end }}

{{- define "registry.authSecretName" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "registry.fullname" .)) }}
{{- end }}

{{- define "registry.usersSecretName" -}}
{{- printf "%s-users" (include "registry.fullname" .) }}
{{- end }}

{{/* The port for probes and scrapers, where they have one of their own; else empty. */}}
{{- define "registry.managementPort" -}}
{{- if .Values.containerPorts.management }}
{{- .Values.containerPorts.management }}
{{- else if and .Values.tls.enabled (eq .Values.tls.clientAuth "need") }}
{{- 8762 }}
{{- end }}
{{- end }}

{{- define "registry.tlsSecretName" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "registry.fullname" .)) }}
{{- end }}

{{- define "registry.terminationGracePeriodSeconds" -}}
{{- with .Values.shutdown }}
{{- $.Values.terminationGracePeriodSeconds | default (add .lameDuckSeconds .drainSeconds .flushSeconds 5) | int }}
{{- end }}
{{- end }}

{{/* A probe on the port named `http` goes to the management port where there is one, else by the scheme that is served. */}}
{{- define "registry.probe" -}}
{{- $probe := deepCopy .probe }}
{{- if and $probe.httpGet (eq (toString $probe.httpGet.port) "http") }}
{{- if include "registry.managementPort" .root }}
{{- $_ := set $probe.httpGet "port" "management" }}
{{- else if .root.Values.tls.enabled }}
{{- $_ := set $probe.httpGet "scheme" "HTTPS" }}
{{- end }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{/* An environment variable from a Secret: (dict "name" NAME "secret" SECRET "key" KEY) */}}
{{- define "registry.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}

{{/* What the schema cannot say. */}}
{{- define "registry.validate" -}}
{{- if and .Values.auth.enabled (not .Values.auth.existingSecret) (not .Values.auth.password) }}
{{- fail "auth.enabled needs auth.password or auth.existingSecret" }}
{{- end }}
{{- $given := list .Values.tls.existingSecret .Values.tls.crt (ternary "create" "" .Values.tls.certificate.create) | compact | len }}
{{- if and .Values.tls.enabled (ne $given 1) }}
{{- fail "tls.enabled needs exactly one of tls.existingSecret, tls.crt with tls.key, and tls.certificate.create" }}
{{- end }}
{{- if and .Values.tls.crt (not .Values.tls.key) }}
{{- fail "tls.crt needs tls.key" }}
{{- end }}
{{- if and .Values.tls.crt (not .Values.tls.ca) }}
{{- fail "tls.crt needs tls.ca: without it the replicas do not believe each other" }}
{{- end }}
{{- if and .Values.tls.peersNeedCertificate (eq .Values.tls.clientAuth "none") }}
{{- fail "tls.peersNeedCertificate needs tls.clientAuth want or need" }}
{{- end }}
{{- if and .Values.auth.users (not .Values.auth.enabled) }}
{{- fail "auth.users needs auth.enabled" }}
{{- end }}
{{- range .Values.auth.users }}
{{- if eq .name $.Values.auth.username }}
{{- fail (printf "auth.users: %s is auth.username" .name) }}
{{- end }}
{{- end }}
{{- if eq (include "registry.managementPort" .) (toString .Values.containerPorts.http) }}
{{- fail "containerPorts.management must not be containerPorts.http" }}
{{- end }}
{{- with .Values.metrics.serviceMonitor }}
{{- $elsewhere := and .enabled .namespace (ne .namespace (include "registry.namespace" $)) }}
{{- if and $elsewhere $.Values.auth.enabled (not .basicAuth) }}
{{- fail "metrics.serviceMonitor.namespace with auth.enabled needs metrics.serviceMonitor.basicAuth: Secrets are looked for beside the ServiceMonitor" }}
{{- end }}
{{- if and $elsewhere $.Values.tls.enabled (not (include "registry.managementPort" $)) (not .tlsConfig) }}
{{- fail "metrics.serviceMonitor.namespace with tls.enabled needs metrics.serviceMonitor.tlsConfig: Secrets are looked for beside the ServiceMonitor" }}
{{- end }}
{{- end }}
{{- if and .Values.tls.certificate.create (not .Values.tls.certificate.issuerRef.name) }}
{{- fail "tls.certificate.create needs tls.certificate.issuerRef.name" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.service.enabled) }}
{{- fail "ingress.enabled needs service.enabled" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.service.enabled) }}
{{- fail "httpRoute.enabled needs service.enabled" }}
{{- end }}
{{- if and .Values.config .Values.existingConfigMap }}
{{- fail "config and existingConfigMap exclude each other" }}
{{- end }}
{{- if and .Values.service.enabled (eq (include "registry.headless" .) (include "registry.http" .)) }}
{{- fail (printf "headless.nameOverride must not be the plain Service's name %s" (include "registry.http" .)) }}
{{- end }}
{{- with .Values.terminationGracePeriodSeconds }}
{{- $needed := add $.Values.shutdown.lameDuckSeconds $.Values.shutdown.drainSeconds $.Values.shutdown.flushSeconds }}
{{- if lt (int .) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds must be at least %d, the sum of shutdown.*" $needed) }}
{{- end }}
{{- end }}
{{- end }}
