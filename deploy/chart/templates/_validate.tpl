{{/* What the schema cannot say. */}}
{{- define "registry.validate" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is not set, and a chart from the source tree names no image: make one with deploy/build-image or `docker build -f deploy/Dockerfile .`, push it, and install with --set image.repository=HOST/PATH (and image.tag, if it is not the chart's appVersion)" }}
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
{{- with .Values.kubernetesAware }}
{{- if and (not .enabled) (or .zones (ne .terminating "show") (ne .notReady "show")) }}
{{- fail "kubernetesAware.zones, terminating and notReady need kubernetesAware.enabled" }}
{{- end }}
{{- end }}
{{- if and .Values.kubernetesAware.enabled (eq (include "registry.serviceAccountName" .) "default") }}
{{- fail "kubernetesAware.enabled needs a service account of its own, or every pod of the namespace could read pods: set serviceAccount.create or serviceAccount.name" }}
{{- end }}
{{- if eq (include "registry.managementPort" .) (include "registry.port" .) }}
{{- fail "containerPorts.management must not be containerPorts.http" }}
{{- end }}
{{- with .Values.metrics.serviceMonitor }}
{{- $elsewhere := and .enabled .namespace (ne .namespace (include "registry.namespace" $)) }}
{{- if and $elsewhere (include "registry.login" $ | fromJson).needed (not .basicAuth) }}
{{- fail "metrics.serviceMonitor.namespace with users needs metrics.serviceMonitor.basicAuth: Secrets are looked for beside the ServiceMonitor" }}
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
{{- if gt (list .Values.config .Values.existingConfigMap .Values.existingConfigSecret | compact | len) 1 }}
{{- fail "only one of config, existingConfigMap and existingConfigSecret can be set" }}
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
{{- include "registry.validateSettings" . }}
{{- end }}

{{/* What `config`, `extraEnvVars` and `extraArgs` must not say. */}}
{{- define "registry.validateSettings" -}}
{{- range .Values.extraEnvVars }}
{{- if and (not (hasKey . "valueFrom")) (include "registry.isPassword" (dict "name" .name "value" .value)) }}
{{- fail (printf "extraEnvVars: %s has a password, which whoever may read the StatefulSet would see. Use valueFrom.secretKeyRef, extraEnvVarsSecret or config" .name) }}
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
{{- $parts := splitn "=" 2 . }}
{{- if include "registry.isPassword" (dict "name" $parts._0 "value" $parts._1) }}
{{- fail (printf "extraArgs: %s has a password, which whoever may read the StatefulSet would see. Use extraEnvVarsSecret or config" $parts._0) }}
{{- end }}
{{- end }}
{{- $settings := include "registry.settings" . | fromJson }}
{{- $all := mergeOverwrite (deepCopy $settings.maybe) $settings.file $settings.over }}
{{- range list "serveraddress" "managementserveraddress" }}
{{- if regexMatch "^(localhost|127\\..*|\\[?::1\\]?)$" (get $all .) }}
{{- fail (printf "%s is %s: nobody outside the pod could call it. Remove it" (include "registry.spelling" .) (get $all .)) }}
{{- end }}
{{- end }}
{{- include "registry.validateTls" (dict "root" . "all" $all) }}
{{- range $name, $value := dict "lameduck" "lameDuckSeconds" "draintimeout" "drainSeconds" "flushtimeout" "flushSeconds" }}
{{- if hasKey $settings.file (printf "registryshutdown%s" $name) }}
{{- fail (printf "config sets registry.shutdown.*, which the chart sets from its own value, from which terminationGracePeriodSeconds follows: set shutdown.%s" $value) }}
{{- end }}
{{- end }}
{{- include "registry.validateActuator" (dict "root" . "all" $all) }}
{{- end }}

{{/* Not empty if a setting is a password in plain text or a URL with one: (dict "name" NAME "value" VALUE) */}}
{{- define "registry.isPassword" -}}
{{- $value := toString (.value | default "") }}
{{- $literal := regexReplaceAll "[$](\\{[^}]*\\}|\\([^)]*\\))" $value "" }}
{{- if and $literal (hasSuffix "password" (include "registry.canonical" .name)) }}
{{- print "password" }}
{{- else if regexMatch "://[^/@\\s:]*:[^/@\\s]+@" $literal }}
{{- print "password" }}
{{- else if regexMatch "(?i)\"[^\"]*password\"\\s*:\\s*\"[^\"]" $literal }}
{{- print "password" }}
{{- end }}
{{- end }}

{{/* TLS is the chart's to know: probes, scrapes and replicas call by it. */}}
{{- define "registry.validateTls" -}}
{{- $all := .all }}
{{- $tls := .root.Values.tls }}
{{- $off := eq (get $all "serversslenabled") "false" }}
{{- if and $tls.enabled $off }}
{{- fail "tls.enabled, but server.ssl.enabled is false: remove one of them" }}
{{- end }}
{{- if not $off }}
{{- range $name, $spelling := dict "serversslenabled" "enabled" "serversslcertificate" "certificate" "serversslbundle" "bundle" "serversslkeystore" "key-store" }}
{{- if and (get $all $name) (not (and $tls.enabled (eq $name "serversslenabled"))) }}
{{- fail (printf "server.ssl.%s is set, but the chart has tls.* for it, and would call the registry by another scheme or certificate: set tls.enabled with tls.existingSecret instead" $spelling) }}
{{- end }}
{{- end }}
{{- $clientAuth := get $all "serversslclientauth" | lower }}
{{- if and $clientAuth (ne $clientAuth $tls.clientAuth) }}
{{- fail (printf "server.ssl.client-auth is %s, but tls.clientAuth, which replaces it, is %s: set tls.clientAuth" $clientAuth $tls.clientAuth) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Probes and scrapes must be answered. */}}
{{- define "registry.validateActuator" -}}
{{- $all := .all }}
{{- $root := .root }}
{{- $monitor := .root.Values.metrics.serviceMonitor }}
{{- $health := include "registry.endpointBelow" (dict "root" $root "id" "health") }}
{{- $login := include "registry.login" $root | fromJson }}
{{- $paths := include "registry.openPaths" $root | default (get $all "registrysecurityopenpaths") }}
{{- range $name := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- $get := (get $root.Values $name).httpGet }}
{{- if and $get (eq (toString $get.port) "http") (regexMatch "^/actuator/health(/|$)" ($get.path | default "")) }}
{{- with include "registry.closedBy" (dict "all" $all "id" "health") }}
{{- fail (printf "%s closes the health, which %s asks for" . $name) }}
{{- end }}
{{- $path := printf "%s%s" $health (trimPrefix "/actuator/health" $get.path) }}
{{- if and $login.needed $paths (not $get.httpHeaders) (not (include "registry.isOpen" (dict "path" $path "open" (splitList "," $paths)))) }}
{{- fail (printf "%s has no user, but %s is not open without one: add %s/** to %s" $name $path $health (ternary "auth.openPaths" "registry.security.open-paths" $root.Values.auth.enabled)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $monitor.enabled }}
{{- with include "registry.closedBy" (dict "all" $all "id" "prometheus") }}
{{- fail (printf "metrics.serviceMonitor.enabled, but %s closes prometheus" .) }}
{{- end }}
{{- if and $login.needed (not $login.secret) (not $monitor.basicAuth) }}
{{- fail "metrics.serviceMonitor.enabled, but the chart does not know the user that config asks for: set metrics.serviceMonitor.basicAuth, or auth.* instead of the user in config" }}
{{- end }}
{{- end }}
{{- if and $root.Values.auth.enabled (or (get $all "springsecurityusername") (get $all "springsecurityuserpassword")) }}
{{- fail "auth.enabled replaces spring.security.user.*, which is set, too: move that user to auth.username and auth.password, or to auth.users" }}
{{- end }}
{{- end }}
