{{/*
What the settings in `config`, `extraEnvVars` and `extraArgs` move: ports, paths, users. Probes, scrapes, `helm test` and the notes
follow them. Names of settings stand here in one form, as in the registry itself: lower case, without `.`, `-` and `_`.
*/}}

{{- define "registry.canonical" -}}
{{- regexReplaceAll "[-._\\[\\]]" . "" | lower }}
{{- end }}

{{/* Adds a value's settings to a dict: (dict "value" VALUE "prefix" NAME "into" DICT) */}}
{{- define "registry.flatten" -}}
{{- $prefix := .prefix }}
{{- $into := .into }}
{{- if kindIs "map" .value }}
{{- range $key, $value := .value }}
{{- include "registry.flatten" (dict "value" $value "prefix" (printf "%s%s" $prefix (include "registry.canonical" $key)) "into" $into) }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $index, $value := .value }}
{{- include "registry.flatten" (dict "value" $value "prefix" (printf "%s%d" $prefix $index) "into" $into) }}
{{- end }}
{{- $_ := set $into (include "registry.slot" $prefix) (join "," .value) }}
{{- else if not (kindIs "invalid" .value) }}
{{- $_ := set $into (include "registry.slot" $prefix) (toString .value) }}
{{- end }}
{{- end }}

{{/* A setting's newest name: Spring Boot 1 and 2 had others for some. */}}
{{- define "registry.slot" -}}
{{- $others := dict
  "servercontextpath" "serverservletcontextpath"
  "managementport" "managementserverport"
  "managementaddress" "managementserveraddress"
  "managementcontextpath" "managementendpointswebbasepath"
  "managementserverservletcontextpath" "managementserverbasepath"
  "managementservercontextpath" "managementserverbasepath"
  "securityusername" "springsecurityusername"
  "securityuserpassword" "springsecurityuserpassword"
  "managementmetricsexportprometheusenabled" "managementprometheusmetricsexportenabled"
}}
{{- get $others . | default . }}
{{- end }}

{{/* The documents of `config`, as a JSON list of maps. */}}
{{- define "registry.documents" -}}
{{- $documents := list }}
{{- if kindIs "string" .Values.config }}
{{- range regexSplit "(?m)^(?:---|\\.\\.\\.)(?:[ \t\r].*)?$" .Values.config -1 }}
{{- /* Maven's placeholders, which nobody replaced, are no YAML without quotes. */}}
{{- $document := fromYaml (regexReplaceAll "(?m)(:[ \t]+)(@[^@\"'\\s]+@)" . "${1}'${2}'") }}
{{- if hasKey $document "Error" }}
{{- fail (printf "config is not YAML that the chart can read (%s). Correct it, or put it into a Secret (existingConfigSecret)" $document.Error) }}
{{- end }}
{{- $documents = append $documents $document }}
{{- end }}
{{- else }}
{{- $documents = append $documents .Values.config }}
{{- end }}
{{- toJson $documents }}
{{- end }}

{{/*
The settings that the chart can read, as JSON: `file` (those of `config`, of documents for every profile and for the active ones),
`over` (those of the environment and of arguments, which win), and `maybe` (those of documents of which nobody can say here whether
they are for the active profiles).
*/}}
{{- define "registry.settings" -}}
{{- if not (hasKey .Values.paths "settings") }}
{{- $_ := set .Values.paths "settings" (include "registry.readSettings" .) }}
{{- end }}
{{- .Values.paths.settings }}
{{- end }}

{{- define "registry.readSettings" -}}
{{- $over := dict }}
{{- range .Values.extraEnvVars }}
{{- if and (ne .name "SPRING_APPLICATION_JSON") (not (hasKey . "valueFrom")) }}
{{- include "registry.flatten" (dict "value" (.value | default "") "prefix" (include "registry.canonical" .name) "into" $over) }}
{{- else if hasKey . "valueFrom" }}
{{- $_ := set $over (include "registry.slot" (include "registry.canonical" .name)) (printf "${%s}" .name) }}
{{- end }}
{{- end }}
{{- range .Values.extraEnvVars }}
{{- if eq .name "SPRING_APPLICATION_JSON" }}
{{- include "registry.flatten" (dict "value" (.value | default "{}" | fromJson) "prefix" "" "into" $over) }}
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
{{- $parts := splitn "=" 2 (trimPrefix "--" .) }}
{{- include "registry.flatten" (dict "value" ($parts._1 | default "") "prefix" (include "registry.canonical" $parts._0) "into" $over) }}
{{- end }}
{{- $read := list }}
{{- range include "registry.documents" . | fromJsonArray }}
{{- $flat := dict }}
{{- include "registry.flatten" (dict "value" . "prefix" "" "into" $flat) }}
{{- $read = append $read $flat }}
{{- end }}
{{- $active := "" }}
{{- range append $read $over }}
{{- if not (or (hasKey . "springconfigactivateonprofile") (hasKey . "springprofiles")) }}
{{- $active = get . "springprofilesactive" | default $active }}
{{- end }}
{{- end }}
{{- $active = include "registry.resolve" (dict "text" $active "settings" $over) }}
{{- $known := not (or (contains "${" $active) .Values.extraEnvVarsCM .Values.extraEnvVarsSecret) }}
{{- $names := splitList "," ($active | default "default" | nospace) }}
{{- $file := dict }}
{{- $maybe := dict }}
{{- range $read }}
{{- $profiles := get . "springconfigactivateonprofile" | default (get . "springprofiles") | nospace }}
{{- if not $profiles }}
{{- $file = mergeOverwrite $file . }}
{{- else if or (not $known) (regexMatch "[!&|()${}]" $profiles) }}
{{- $maybe = mergeOverwrite $maybe . }}
{{- else }}
{{- $is := false }}
{{- range splitList "," $profiles }}
{{- $is = or $is (has . $names) }}
{{- end }}
{{- if $is }}
{{- $file = mergeOverwrite $file . }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "file" $file "over" $over "maybe" $maybe | toJson }}
{{- end }}

{{/* A text with its placeholders replaced, as far as they are known: (dict "text" TEXT "settings" DICT "own" NAME) */}}
{{- define "registry.resolve" -}}
{{- $text := .text }}
{{- $own := .own | default "" }}
{{- $settings := .settings }}
{{- range until 8 }}
{{- range regexFindAll "\\$\\{[^${}]*\\}" $text -1 | uniq }}
{{- $parts := splitn ":" 2 (trimSuffix "}" (trimPrefix "${" .)) }}
{{- $name := include "registry.slot" (include "registry.canonical" $parts._0) }}
{{- if and (hasKey $settings $name) (ne $name $own) }}
{{- if ne (get $settings $name) . }}
{{- $text = replace . (get $settings $name) $text }}
{{- end }}
{{- else if contains ":" . }}
{{- $text = replace . $parts._1 $text }}
{{- end }}
{{- end }}
{{- end }}
{{- $text }}
{{- end }}

{{/*
A setting: (dict "root" $ "name" NAME "value" VALUE "instead" TEXT). The environment and arguments win, then comes the chart's own value
VALUE (by default none), then `config`. Fails where nobody can say here what it is, and says to do TEXT instead. Surrounded by a space
on each side if it is set, so that an empty one is known from none.
*/}}
{{- define "registry.setting" -}}
{{- $settings := include "registry.settings" .root | fromJson }}
{{- $all := mergeOverwrite (deepCopy $settings.file) $settings.over }}
{{- $found := "" }}
{{- if hasKey $settings.over .name }}
{{- $found = printf " %s " (get $settings.over .name) }}
{{- else if .value }}
{{- $found = printf " %v " .value }}
{{- else }}
{{- if hasKey $settings.file .name }}
{{- $found = printf " %s " (get $settings.file .name) }}
{{- end }}
{{- if and (hasKey $settings.maybe .name) (ne (get $settings.maybe .name) (trim $found)) }}
{{- fail (printf "config sets %s in a document for some profiles, and the chart cannot know which are active: %s" (include "registry.spelling" .name) .instead) }}
{{- end }}
{{- end }}
{{- $found = include "registry.resolve" (dict "text" $found "settings" $all "own" .name) }}
{{- if contains "${" $found }}
{{- fail (printf "%s is %s, which the chart cannot know: %s" (include "registry.spelling" .name) (trim $found) .instead) }}
{{- end }}
{{- $found }}
{{- end }}

{{/* A setting as people write it. */}}
{{- define "registry.spelling" -}}
{{- get (dict
  "serverport" "server.port"
  "serveraddress" "server.address"
  "serverservletcontextpath" "server.servlet.context-path"
  "managementserverport" "management.server.port"
  "managementserveraddress" "management.server.address"
  "managementserverbasepath" "management.server.base-path"
  "managementendpointswebbasepath" "management.endpoints.web.base-path"
  "managementendpointswebpathmappinghealth" "management.endpoints.web.path-mapping.health"
  "managementendpointswebpathmappingprometheus" "management.endpoints.web.path-mapping.prometheus"
  "eurekadashboardpath" "eureka.dashboard.path"
  "eurekadashboardenabled" "eureka.dashboard.enabled"
) . | default . }}
{{- end }}

{{/* The port of the registry. */}}
{{- define "registry.port" -}}
{{- $port := include "registry.setting" (dict "root" . "name" "serverport" "value" .Values.containerPorts.http "instead" "set containerPorts.http") | trim | default "8761" }}
{{- if not (regexMatch "^[1-9][0-9]*$" $port) }}
{{- fail (printf "server.port is %s, but the Services need a port from 1 to 65535: set containerPorts.http" $port) }}
{{- end }}
{{- $port }}
{{- end }}

{{/* The port for probes and scrapers, where they have one of their own; else empty. */}}
{{- define "registry.managementPort" -}}
{{- $port := include "registry.setting" (dict "root" . "name" "managementserverport" "value" .Values.containerPorts.management "instead" "set containerPorts.management") | trim }}
{{- if and $port (not (regexMatch "^[1-9][0-9]*$" $port)) }}
{{- fail (printf "management.server.port is %s, but probes need a port from 1 to 65535: set containerPorts.management" $port) }}
{{- end }}
{{- if and (eq $port (include "registry.port" .)) (not .Values.containerPorts.management) }}
{{- $port = "" }}
{{- end }}
{{- if $port }}
{{- $port }}
{{- else if and .Values.tls.enabled (eq .Values.tls.clientAuth "need") }}
{{- 8762 }}
{{- end }}
{{- end }}

{{/* A path without a slash at its end: (dict "root" $ "name" NAME "value" VALUE "default" PATH "instead" TEXT) */}}
{{- define "registry.path" -}}
{{- $found := include "registry.setting" . }}
{{- $path := ternary .default (trim $found | trimSuffix "/") (eq $found "") }}
{{- if and $path (not (regexMatch "^(/[A-Za-z0-9._~-]+)+$" $path)) }}
{{- fail (printf "%s is %s: the chart expects a path such as /registry" (include "registry.spelling" .name) $path) }}
{{- end }}
{{- $path }}
{{- end }}

{{- define "registry.contextPath" -}}
{{- include "registry.path" (dict "root" . "name" "serverservletcontextpath" "value" .Values.paths.context "default" "" "instead" "set paths.context") }}
{{- end }}

{{- define "registry.actuatorPath" -}}
{{- include "registry.path" (dict "root" . "name" "managementendpointswebbasepath" "value" .Values.paths.actuator "default" "/actuator" "instead" "set paths.actuator") }}
{{- end }}

{{/* The path of an endpoint of the actuator below what moves all of them: (dict "root" $ "id" ID) */}}
{{- define "registry.endpointBelow" -}}
{{- $name := printf "managementendpointswebpathmapping%s" .id }}
{{- $mapped := include "registry.setting" (dict "root" .root "name" $name "value" (get .root.Values.paths .id) "instead" (printf "set paths.%s" .id)) | trim | trimAll "/" }}
{{- printf "%s/%s" (include "registry.actuatorPath" .root) ($mapped | default .id) }}
{{- end }}

{{/* The whole path of an endpoint of the actuator, on the port where probes and scrapers ask: (dict "root" $ "id" ID) */}}
{{- define "registry.endpoint" -}}
{{- if include "registry.managementPort" .root }}
{{- include "registry.path" (dict "root" .root "name" "managementserverbasepath" "value" .root.Values.paths.management "default" "" "instead" "set paths.management") }}
{{- else }}
{{- include "registry.contextPath" .root }}
{{- end }}
{{- include "registry.endpointBelow" . }}
{{- end }}

{{/* Not empty if an endpoint of the actuator is closed by a setting: then that setting. (dict "all" SETTINGS "id" ID) */}}
{{- define "registry.closedBy" -}}
{{- $all := .all }}
{{- $id := .id }}
{{- $include := get $all "managementendpointswebexposureinclude" | nospace | default "*" | splitList "," }}
{{- $exclude := get $all "managementendpointswebexposureexclude" | nospace | splitList "," }}
{{- $own := list (get $all (printf "managementendpoint%senabled" $id)) (get $all (printf "managementendpoint%saccess" $id)) (get $all (printf "endpoints%senabled" $id)) | compact }}
{{- $default := list (get $all "managementendpointsenabledbydefault") (get $all "managementendpointsaccessdefault") | compact }}
{{- $access := $own | default $default }}
{{- if not (or (has "*" $include) (has $id $include)) }}
{{- print "management.endpoints.web.exposure.include" }}
{{- else if or (has "*" $exclude) (has $id $exclude) }}
{{- print "management.endpoints.web.exposure.exclude" }}
{{- else if or (has "false" $access) (has "none" $access) (has "NONE" $access) }}
{{- printf "management.endpoint.%s.*" $id }}
{{- else if eq (get $all "managementendpointsaccessmaxpermitted" | lower) "none" }}
{{- print "management.endpoints.access.max-permitted" }}
{{- else if and (eq $id "prometheus") (eq (get $all "managementprometheusmetricsexportenabled") "false") }}
{{- print "management.prometheus.metrics.export.enabled" }}
{{- end }}
{{- end }}

{{/*
Who calls the registry, as JSON: `needed` (whether it asks for a user), and the `secret` with that user and the keys `usernameKey` and
`passwordKey`, if the chart knows one. A user whose password is in `config` in plain text is put beside it into the Secret.
*/}}
{{- define "registry.login" -}}
{{- if .Values.auth.enabled }}
{{- dict "needed" true "secret" (include "registry.authSecretName" .) "usernameKey" .Values.auth.usernameKey "passwordKey" .Values.auth.passwordKey | toJson }}
{{- else }}
{{- $settings := include "registry.settings" . | fromJson }}
{{- $all := mergeOverwrite (deepCopy $settings.maybe) $settings.file $settings.over }}
{{- $needed := or (get $all "springsecurityuserpassword") (get $all "registrysecurityusers0name") }}
{{- $login := dict "needed" (not (empty $needed)) }}
{{- $username := get $all "registrydiscoveryusername" }}
{{- $password := get $all "registrydiscoverypassword" }}
{{- if not $username }}
{{- $username = get $all "springsecurityusername" | default "user" }}
{{- $password = get $all "springsecurityuserpassword" }}
{{- end }}
{{- $username = include "registry.resolve" (dict "text" $username "settings" $all) }}
{{- $password = include "registry.resolve" (dict "text" $password "settings" $all) | trimPrefix "{noop}" }}
{{- if and $needed $password .Values.config (not (contains "${" $username)) (not (contains "${" $password)) (not (regexMatch "^(\\{[^}]*\\}|\\$2)" $password)) }}
{{- $login = merge $login (dict "secret" (include "registry.configSecretName" .) "usernameKey" "username" "passwordKey" "password" "username" $username "password" $password) }}
{{- end }}
{{- toJson $login }}
{{- end }}
{{- end }}

{{/* The paths that need no user, with commas between them; empty where the registry's own default, its health, is right. */}}
{{- define "registry.openPaths" -}}
{{- if .Values.auth.openPaths }}
{{- join "," .Values.auth.openPaths }}
{{- else if .Values.auth.enabled }}
{{- printf "%s/**" (include "registry.endpointBelow" (dict "root" . "id" "health")) }}
{{- end }}
{{- end }}

{{/* Not empty if a path is among open ones: (dict "path" PATH "open" LIST) */}}
{{- define "registry.isOpen" -}}
{{- $path := .path }}
{{- range .open }}
{{- $prefix := trimSuffix "/**" . }}
{{- if or (eq $path .) (and (hasSuffix "/**" .) (or (eq $path $prefix) (hasPrefix (printf "%s/" $prefix) $path))) }}
{{- print "open" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty if settings may be in what the chart cannot read: its names, with commas between them. */}}
{{- define "registry.unread" -}}
{{- $unread := list }}
{{- range $kind, $names := dict "ConfigMap" (list .Values.existingConfigMap .Values.extraEnvVarsCM) "Secret" (list .Values.existingConfigSecret .Values.extraEnvVarsSecret) }}
{{- range compact $names }}
{{- $unread = append $unread (printf "%s %s" $kind .) }}
{{- end }}
{{- end }}
{{- $settings := include "registry.settings" . | fromJson }}
{{- range $name, $_ := merge dict $settings.file $settings.maybe $settings.over }}
{{- if eq $name "springconfigimport" }}
{{- $unread = append $unread "the files of spring.config.import" }}
{{- end }}
{{- end }}
{{- join ", " $unread }}
{{- end }}
