{{/*
Contradictory values are rejected before anything is installed: all of them at once, each with what to do.
The schema has checked names, types and ranges before.
*/}}
{{- define "ocrfarm.checks" -}}
{{- $problems := concat (include "ocrfarm.checks.endpoints" . | fromJsonArray) (include "ocrfarm.checks.parts" . | fromJsonArray) (include "ocrfarm.checks.services" . | fromJsonArray) (include "ocrfarm.checks.network" . | fromJsonArray) (include "ocrfarm.checks.pools" . | fromJsonArray) }}
{{- if $problems }}
{{- fail (printf "these values contradict one another or the cluster:\n- %s" (join "\n- " $problems)) }}
{{- end }}
{{- end }}

{{/* Broker, store and weights. */}}
{{- define "ocrfarm.checks.endpoints" -}}
{{- $problems := list }}
{{- with .Values.broker }}
{{- if not .host }}
{{- $problems = append $problems "broker.host is empty: set it to the host of a Redis or Valkey server" }}
{{- else if regexMatch "[/:@]" .host }}
{{- $problems = append $problems (printf "broker.host is %q: set it to the host alone; use broker.port, broker.database and broker.tls, and put user and password into broker.secret" .host) }}
{{- end }}
{{- if and .tls.caSecret (not .tls.enabled) }}
{{- $problems = append $problems "broker.tls.caSecret is set, but broker.tls.enabled is false: passwords would be sent unencrypted" }}
{{- end }}
{{- end }}
{{- with .Values.store }}
{{- if not (hasPrefix "s3://" .url) }}
{{- $problems = append $problems (printf "store.url is %q: pods share no folder, so use s3://bucket/prefix?endpoint=https://host&region=name" .url) }}
{{- else if contains "@" .url }}
{{- $problems = append $problems "store.url contains credentials: put them into store.secret" }}
{{- end }}
{{- end }}
{{- with .Values.weights }}
{{- range $from, $value := dict "pvc" "claim" "imageVolume" "image" "initContainer" "url" }}
{{- $given := get $.Values.weights $value }}
{{- if and $given (ne $.Values.weights.from $from) }}
{{- $problems = append $problems (printf "weights.%s is set, but weights.from is %q: it is used with %q only" $value $.Values.weights.from $from) }}
{{- else if and (eq $.Values.weights.from $from) (not $given) (ne $from "initContainer") }}
{{- $problems = append $problems (printf "weights.from is %q, but weights.%s is empty" $from $value) }}
{{- end }}
{{- end }}
{{- if and (eq .from "imageVolume") (semverCompare "<1.31-0" $.Capabilities.KubeVersion.Version) }}
{{- $problems = append $problems (printf "weights.from is \"imageVolume\", which Kubernetes %s does not support and would silently drop: use pvc or initContainer" $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Settings, timeouts and metrics. */}}
{{- define "ocrfarm.checks.parts" -}}
{{- $problems := list }}
{{- $instead := dict "OCRFARM_BROKER" "broker" "OCRFARM_STORE" "store.url" "OCRFARM_KEY_PREFIX" "broker.keyPrefix" "OCRFARM_FLOWER_PASSWORD" "flower.secret" "OCRFARM_API_KEYS" "api.secret" "OCRFARM_API_KEYS_FILE" "api.secret" "OCRFARM_API_METRICS_PORT" "metrics.serviceMonitor" "OCRFARM_WEBHOOK_SECRET" "webhooks.secret" "OCRFARM_SHUTDOWN_TIMEOUT" "termination.shutdownTimeout" "OCRFARM_MODEL_LOAD_TIMEOUT" "probes.modelLoadTimeout" "OCRFARM_RECOGNIZE_MEMORY_MB" "processMemoryMB of a pool" "OCRFARM_MODELS_DIR" "weights" "OCRFARM_CACHE_DIR" "weights" "OCRFARM_HEALTH_DIR" "probes" }}
{{- range $name, $value := .Values.settings }}
{{- with get $instead $name }}
{{- $problems = append $problems (printf "settings.%s duplicates another value: set %s instead" $name .) }}
{{- end }}
{{- end }}
{{- with .Values.termination }}
{{- if lt (int .gracePeriod) (add 15 .shutdownTimeout) }}
{{- $problems = append $problems (printf "termination.gracePeriod is %d: with termination.shutdownTimeout %d it must be %d or more, or pods are killed before their batch is back in its queue" (int .gracePeriod) (int .shutdownTimeout) (add 15 .shutdownTimeout)) }}
{{- end }}
{{- end }}
{{- range list "serviceMonitor" "rules" "dashboard" }}
{{- if and (get $.Values.metrics .).enabled (not $.Values.metrics.enabled) }}
{{- $problems = append $problems (printf "metrics.%s.enabled is true, but metrics.enabled is false: there would be no metrics" .) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* The services that people and programs reach from outside. */}}
{{- define "ocrfarm.checks.services" -}}
{{- $problems := list }}
{{- range $name, $what := dict "flower" "Flower's password" "api" "keys of the API" }}
{{- with get $.Values $name }}
{{- if and .ingress.host (not .enabled) }}
{{- $problems = append $problems (printf "%s.ingress.host is set, but %s.enabled is false" $name $name) }}
{{- end }}
{{- if and .ingress.host (not .ingress.tlsSecret) }}
{{- $problems = append $problems (printf "%s.ingress.host needs %s.ingress.tlsSecret, or %s would be sent unencrypted" $name $name $what) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.api.httpRoute }}
{{- if and .parentRefs (not $.Values.api.enabled) }}
{{- $problems = append $problems "api.httpRoute.parentRefs is set, but api.enabled is false" }}
{{- end }}
{{- if and .parentRefs (not .hostnames) }}
{{- $problems = append $problems "api.httpRoute.parentRefs is set, but api.httpRoute.hostnames is empty: the API would answer for every host of the gateway" }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* With network policies, everything that pods must reach has to be named. */}}
{{- define "ocrfarm.checks.network" -}}
{{- $problems := list }}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled (not $policy.cilium) }}
{{- $hosts := dict "broker" .Values.broker.host }}
{{- if hasPrefix "s3://" .Values.store.url }}
{{- $_ := set $hosts "store" (include "ocrfarm.storeHost" . | default "s3.amazonaws.com") }}
{{- end }}
{{- range $name, $host := $hosts }}
{{- if and (regexMatch "^[^/:@]+$" $host) (not (include "ocrfarm.peers" (dict "given" (get $policy $name) "host" $host) | fromJsonArray)) }}
{{- $problems = append $problems (printf "networkPolicy.%s is empty, and %s is no service of the cluster: list its addresses (ipBlock), or set networkPolicy.cilium if the cluster has Cilium" $name $host) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $policy.enabled (not $policy.extraEgress) }}
{{- if or .Values.proxy.https .Values.proxy.http }}
{{- $problems = append $problems "proxy is set, but networkPolicy.extraEgress does not let pods reach it" }}
{{- end }}
{{- if get .Values.settings "OCRFARM_OTLP_ENDPOINT" }}
{{- $problems = append $problems "settings.OCRFARM_OTLP_ENDPOINT is set, but networkPolicy.extraEgress does not let pods reach it" }}
{{- end }}
{{- if and (eq .Values.weights.from "initContainer") (not .Values.weights.url) }}
{{- $problems = append $problems "weights.url is empty, but networkPolicy.extraEgress does not let pods reach a package registry" }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Each pool, and the pools together. */}}
{{- define "ocrfarm.checks.pools" -}}
{{- $problems := list }}
{{- $names := dict }}
{{- $scaled := dict }}
{{- $pools := include "ocrfarm.pools" . | fromJsonArray }}
{{- range $index, $pool := $pools }}
{{- $own := index $.Values.recognize.pools $index }}
{{- if hasKey $names .name }}
{{- $problems = append $problems (printf "two pools are named %q" .name) }}
{{- end }}
{{- $_ := set $names .name true }}
{{- if .keda.enabled }}
{{- with get $scaled .recognizer }}
{{- $problems = append $problems (printf "pools %q and %q both scale by the queue of %s, so each message would count twice: give one of them a fixed number of replicas" . $pool.name $pool.recognizer) }}
{{- end }}
{{- $_ := set $scaled .recognizer .name }}
{{- if .hpa.enabled }}
{{- $problems = append $problems (printf "pool %q enables both keda and hpa: two scalers of one deployment undo each other's work" .name) }}
{{- end }}
{{- if gt (int .keda.minReplicas) (int .keda.maxReplicas) }}
{{- $problems = append $problems (printf "pool %q: keda.minReplicas %d is more than keda.maxReplicas %d" .name (int .keda.minReplicas) (int .keda.maxReplicas)) }}
{{- end }}
{{- if and .keda.maxMessageAge (not .keda.prometheusUrl) }}
{{- $problems = append $problems (printf "pool %q: keda.maxMessageAge needs keda.prometheusUrl, the Prometheus that scrapes the exporter" .name) }}
{{- end }}
{{- if gt (int .keda.fallbackReplicas) (int .keda.maxReplicas) }}
{{- $problems = append $problems (printf "pool %q: keda.fallbackReplicas %d is more than keda.maxReplicas %d" .name (int .keda.fallbackReplicas) (int .keda.maxReplicas)) }}
{{- end }}
{{- end }}
{{- if .hpa.enabled }}
{{- if gt (int .hpa.minReplicas) (int .hpa.maxReplicas) }}
{{- $problems = append $problems (printf "pool %q: hpa.minReplicas %d is more than hpa.maxReplicas %d" .name (int .hpa.minReplicas) (int .hpa.maxReplicas)) }}
{{- end }}
{{- if .gpu.resource }}
{{- $problems = append $problems (printf "pool %q: hpa scales by CPU utilization, which is low while a GPU works: use keda" .name) }}
{{- else if not (dig "requests" "cpu" "" .resources) }}
{{- $problems = append $problems (printf "pool %q: hpa scales by the fraction of resources.requests.cpu, which is not set" .name) }}
{{- end }}
{{- end }}
{{- if and (hasKey $own "replicas") (or .keda.enabled .hpa.enabled) }}
{{- $problems = append $problems (printf "pool %q sets replicas, but %s decides their number" .name (ternary "keda" "hpa" .keda.enabled)) }}
{{- end }}
{{- if and (eq .precision "fp16") (not .gpu.resource) }}
{{- $problems = append $problems (printf "pool %q: precision fp16 needs gpu.resource" .name) }}
{{- end }}
{{- if and (has .provider (list "cuda" "tensorrt" "migraphx")) (not .gpu.resource) }}
{{- $problems = append $problems (printf "pool %q: provider %s needs gpu.resource" .name .provider) }}
{{- end }}
{{- if and .gpu.runtimeClassName (not .gpu.resource) }}
{{- $problems = append $problems (printf "pool %q sets gpu.runtimeClassName, but not gpu.resource: it would get no GPU" .name) }}
{{- end }}
{{- $limits := .resources.limits | default dict }}
{{- $needed := mul (int .processes) (int .processMemoryMB) }}
{{- if and $limits.memory (lt (include "ocrfarm.megabytes" $limits.memory | int64) $needed) }}
{{- $problems = append $problems (printf "pool %q: processes x processMemoryMB is %d MB, but resources.limits.memory is %v: the pod would be killed before a large process is replaced" .name $needed $limits.memory) }}
{{- end }}
{{- if and $limits.cpu (not .gpu.resource) (gt (mulf .processes .threads) (include "ocrfarm.cpu" $limits.cpu | float64)) }}
{{- $problems = append $problems (printf "pool %q: processes x threads is %d, but resources.limits.cpu is %v: threads would wait for one another" .name (mul (int .processes) (int .threads)) $limits.cpu) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* A quantity of CPU in cores. */}}
{{- define "ocrfarm.cpu" -}}
{{- $text := toString . }}
{{- if hasSuffix "m" $text }}{{ mulf (trimSuffix "m" $text | float64) 0.001 }}{{ else }}{{ $text }}{{ end }}
{{- end }}
