{{- define "registry.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The application, as labels name it: recommended labels and every selector. */}}
{{- define "registry.application" -}}
{{- .Values.nameOverride | default "eureka-registry" | trunc 63 | trimSuffix "-" }}
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

{{/* The hosts of the Ingress, each with its paths, as JSON: a name alone has the path `ingress.path`. */}}
{{- define "registry.ingressHosts" -}}
{{- $hosts := list }}
{{- range .Values.ingress.hosts }}
{{- $given := ternary (dict "host" .) . (kindIs "string" .) }}
{{- $paths := list }}
{{- range $given.paths | default (list dict) }}
{{- $paths = append $paths (dict "path" (.path | default $.Values.ingress.path) "pathType" (.pathType | default $.Values.ingress.pathType)) }}
{{- end }}
{{- $hosts = append $hosts (dict "host" $given.host "paths" $paths) }}
{{- end }}
{{- toJson $hosts }}
{{- end }}

{{- define "registry.scheme" -}}
{{- ternary "https" "http" .Values.tls.enabled }}
{{- end }}

{{- define "registry.selectorLabels" -}}
app.kubernetes.io/name: {{ include "registry.application" . }}
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

{{/* The Secret of `config`. */}}
{{- define "registry.configSecretName" -}}
{{- printf "%s-config" (include "registry.fullname" .) }}
{{- end }}

{{- define "registry.authSecretName" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "registry.fullname" .)) }}
{{- end }}

{{- define "registry.usersSecretName" -}}
{{- printf "%s-users" (include "registry.fullname" .) }}
{{- end }}

{{/* The key of a user's password in the Secret of the release. */}}
{{- define "registry.userKey" -}}
{{- ternary . (printf "user-%s" (sha256sum . | trunc 16)) (regexMatch "^[-._a-zA-Z0-9]+$" .) }}
{{- end }}

{{/*
A password of a Secret of the release that nobody gave: the one that the Secret has already, or a new one. Empty where there is no cluster
to look at, as in `helm template`: else each call would print another one. (dict "root" $ "secret" NAME "key" KEY)
*/}}
{{- define "registry.madePassword" -}}
{{- $auth := .root.Values.auth }}
{{- if not (hasKey $auth "made") }}
{{- $_ := set $auth "made" dict }}
{{- end }}
{{- $slot := printf "%s %s" .secret .key }}
{{- if not (hasKey $auth.made $slot) }}
{{- $there := lookup "v1" "Secret" (include "registry.namespace" .root) .secret | default dict }}
{{- $password := get ($there.data | default dict) .key | b64dec }}
{{- /* A list is never empty on a cluster. Whoever installs with Helm may list Secrets: releases are Secrets. */}}
{{- if and (not $password) (lookup "v1" "Secret" .root.Release.Namespace "") }}
{{- $password = randAlphaNum 32 }}
{{- end }}
{{- $_ := set $auth.made $slot $password }}
{{- end }}
{{- get $auth.made $slot }}
{{- end }}

{{- define "registry.tlsSecretName" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "registry.fullname" .)) }}
{{- end }}

{{- define "registry.terminationGracePeriodSeconds" -}}
{{- with .Values.shutdown }}
{{- $.Values.terminationGracePeriodSeconds | default (add .lameDuckSeconds .drainSeconds .flushSeconds 5) | int }}
{{- end }}
{{- end }}

{{/* A probe on the port named `http` goes to the management port where there is one, else by the scheme that is served. A path below `/actuator/health` moves with the health. */}}
{{- define "registry.probe" -}}
{{- $probe := deepCopy .probe }}
{{- if and $probe.httpGet (eq (toString $probe.httpGet.port) "http") }}
{{- if include "registry.managementPort" .root }}
{{- $_ := set $probe.httpGet "port" "management" }}
{{- else if .root.Values.tls.enabled }}
{{- $_ := set $probe.httpGet "scheme" "HTTPS" }}
{{- end }}
{{- if regexMatch "^/actuator/health(/|$)" ($probe.httpGet.path | default "") }}
{{- $_ := set $probe.httpGet "path" (printf "%s%s" (include "registry.endpoint" (dict "root" .root "id" "health")) (trimPrefix "/actuator/health" $probe.httpGet.path)) }}
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

{{/*
Requests and limits: each as `resources` has it, else as measured for `size` instances. Connections take a quarter of the limit, and with TLS
each takes three times as much (deploy/README.md).
*/}}
{{- define "registry.resources" -}}
{{- $requests := dict
  "1000" (dict "cpu" "20m" "memory" "32Mi")
  "10000" (dict "cpu" "100m" "memory" "96Mi")
  "100000" (dict "cpu" "1" "memory" "1Gi")
}}
{{- $limits := dict "1000" "64Mi" "10000" "128Mi" "100000" "1536Mi" }}
{{- if .Values.tls.enabled }}
{{- $limits = dict "1000" "96Mi" "10000" "320Mi" "100000" "3Gi" }}
{{- end }}
{{- $size := toString .Values.size }}
{{- $resources := deepCopy .Values.resources }}
{{- if not (hasKey $resources "requests") }}
{{- $_ := set $resources "requests" (get $requests $size) }}
{{- end }}
{{- if not (hasKey $resources "limits") }}
{{- $_ := set $resources "limits" (dict "memory" (get $limits $size)) }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/* The checksum of an object, but for the chart's version: a new chart that changes nothing for the pods must not roll them. */}}
{{- define "registry.checksum" -}}
{{- $text := include (printf "%s/%s.yaml" .root.Template.BasePath .template) .root }}
{{- regexReplaceAll "(?m)^ +(helm\\.sh/chart|app\\.kubernetes\\.io/version): .*$" $text "" | sha256sum }}
{{- end }}
