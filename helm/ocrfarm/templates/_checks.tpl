{{/*
What contradicts itself is refused before anything is installed: all of it at once, each with what to do.
The schema has looked at names, types and ranges before.
*/}}
{{- define "ocrfarm.checks" -}}
{{- $wrong := concat (include "ocrfarm.checks.places" . | fromJsonArray) (include "ocrfarm.checks.parts" . | fromJsonArray) (include "ocrfarm.checks.pools" . | fromJsonArray) }}
{{- if $wrong }}
{{- fail (printf "these values cannot be:\n- %s" (join "\n- " $wrong)) }}
{{- end }}
{{- end }}

{{/* Broker, store and weights. */}}
{{- define "ocrfarm.checks.places" -}}
{{- $wrong := list }}
{{- with .Values.broker }}
{{- if not .host }}
{{- $wrong = append $wrong "broker.host is empty: name the Redis or Valkey that the farm is to use" }}
{{- else if regexMatch "[/:@]" .host }}
{{- $wrong = append $wrong (printf "broker.host is %q: write the host alone; port, database and tls have values of their own, user and password are in broker.secret" .host) }}
{{- end }}
{{- if and .tls.caSecret (not .tls.enabled) }}
{{- $wrong = append $wrong "broker.tls.caSecret is given, but broker.tls.enabled is false: passwords would travel in the clear" }}
{{- end }}
{{- end }}
{{- with .Values.store }}
{{- if not (hasPrefix "s3://" .url) }}
{{- $wrong = append $wrong (printf "store.url is %q: pods share no folder, so write s3://bucket/prefix?endpoint=https://host&region=name" .url) }}
{{- else if contains "@" .url }}
{{- $wrong = append $wrong "store.url holds a user or a key: put it into store.secret" }}
{{- end }}
{{- end }}
{{- with .Values.weights }}
{{- range $from, $value := dict "pvc" "claim" "imageVolume" "image" "initContainer" "url" }}
{{- $given := get $.Values.weights $value }}
{{- if and $given (ne $.Values.weights.from $from) }}
{{- $wrong = append $wrong (printf "weights.%s is given, but weights.from is %q: it counts with %q alone" $value $.Values.weights.from $from) }}
{{- else if and (eq $.Values.weights.from $from) (not $given) (ne $from "initContainer") }}
{{- $wrong = append $wrong (printf "weights.from is %q, but weights.%s is empty" $from $value) }}
{{- end }}
{{- end }}
{{- if and (eq .from "imageVolume") (semverCompare "<1.31-0" $.Capabilities.KubeVersion.Version) }}
{{- $wrong = append $wrong (printf "weights.from is \"imageVolume\", which Kubernetes %s does not know and would drop without a word: take pvc or initContainer" $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* Settings, times, Flower and metrics. */}}
{{- define "ocrfarm.checks.parts" -}}
{{- $wrong := list }}
{{- $homes := dict "OCRFARM_BROKER" "broker" "OCRFARM_STORE" "store.url" "OCRFARM_KEY_PREFIX" "broker.keyPrefix" "OCRFARM_FLOWER_PASSWORD" "flower.secret" "OCRFARM_SHUTDOWN_TIMEOUT" "termination.shutdownTimeout" "OCRFARM_MODEL_LOAD_TIMEOUT" "probes.modelLoadTimeout" "OCRFARM_RECOGNIZE_MEMORY_MB" "processMemoryMB of a pool" "OCRFARM_MODELS_DIR" "weights" "OCRFARM_CACHE_DIR" "weights" "OCRFARM_HEALTH_DIR" "probes" }}
{{- range $name, $value := .Values.settings }}
{{- with get $homes $name }}
{{- $wrong = append $wrong (printf "settings.%s has a place of its own: %s" $name .) }}
{{- end }}
{{- end }}
{{- with .Values.termination }}
{{- if lt (int .gracePeriod) (add 15 .shutdownTimeout) }}
{{- $wrong = append $wrong (printf "termination.gracePeriod is %d: with shutdownTimeout %d it must be %d or more, else pods are killed before their batch is back in its queue" (int .gracePeriod) (int .shutdownTimeout) (add 15 .shutdownTimeout)) }}
{{- end }}
{{- end }}
{{- with .Values.flower }}
{{- if and .ingress.host (not .enabled) }}
{{- $wrong = append $wrong "flower.ingress.host is given, but flower.enabled is false" }}
{{- end }}
{{- if and .ingress.host (not .ingress.tlsSecret) }}
{{- $wrong = append $wrong "flower.ingress.host needs flower.ingress.tlsSecret: Flower's password would travel in the clear" }}
{{- end }}
{{- end }}
{{- range list "serviceMonitor" "rules" "dashboard" }}
{{- if and (get $.Values.metrics .).enabled (not $.Values.metrics.enabled) }}
{{- $wrong = append $wrong (printf "metrics.%s.enabled is true, but metrics.enabled is false: there would be nothing to see" .) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* Each pool by itself, and the pools together. */}}
{{- define "ocrfarm.checks.pools" -}}
{{- $wrong := list }}
{{- $names := dict }}
{{- $scaled := dict }}
{{- $pools := include "ocrfarm.pools" . | fromJsonArray }}
{{- range $index, $pool := $pools }}
{{- $own := index $.Values.recognize.pools $index }}
{{- if hasKey $names .name }}
{{- $wrong = append $wrong (printf "two pools are named %q" .name) }}
{{- end }}
{{- $_ := set $names .name true }}
{{- if .keda.enabled }}
{{- with get $scaled .recognizer }}
{{- $wrong = append $wrong (printf "pools %q and %q both scale by the queue of %s, so each message would be counted twice: let one of them have a fixed number of replicas" . $pool.name $pool.recognizer) }}
{{- end }}
{{- $_ := set $scaled .recognizer .name }}
{{- if .hpa.enabled }}
{{- $wrong = append $wrong (printf "pool %q has both keda and hpa: two scalers of one deployment undo each other's work" .name) }}
{{- end }}
{{- if gt (int .keda.minReplicas) (int .keda.maxReplicas) }}
{{- $wrong = append $wrong (printf "pool %q: keda.minReplicas %d is more than keda.maxReplicas %d" .name (int .keda.minReplicas) (int .keda.maxReplicas)) }}
{{- end }}
{{- if gt (int .keda.fallbackReplicas) (int .keda.maxReplicas) }}
{{- $wrong = append $wrong (printf "pool %q: keda.fallbackReplicas %d is more than keda.maxReplicas %d" .name (int .keda.fallbackReplicas) (int .keda.maxReplicas)) }}
{{- end }}
{{- end }}
{{- if .hpa.enabled }}
{{- if gt (int .hpa.minReplicas) (int .hpa.maxReplicas) }}
{{- $wrong = append $wrong (printf "pool %q: hpa.minReplicas %d is more than hpa.maxReplicas %d" .name (int .hpa.minReplicas) (int .hpa.maxReplicas)) }}
{{- end }}
{{- if .gpu.resource }}
{{- $wrong = append $wrong (printf "pool %q: hpa goes by the CPU, which idles while a GPU works: take keda" .name) }}
{{- else if not (dig "requests" "cpu" "" .resources) }}
{{- $wrong = append $wrong (printf "pool %q: hpa goes by the share of resources.requests.cpu, which is not given" .name) }}
{{- end }}
{{- end }}
{{- if and (hasKey $own "replicas") (or .keda.enabled .hpa.enabled) }}
{{- $wrong = append $wrong (printf "pool %q has replicas, but %s decides how many there are" .name (ternary "keda" "hpa" .keda.enabled)) }}
{{- end }}
{{- if and (eq .precision "fp16") (not .gpu.resource) }}
{{- $wrong = append $wrong (printf "pool %q: precision fp16 needs gpu.resource" .name) }}
{{- end }}
{{- if and (has .provider (list "cuda" "tensorrt" "migraphx")) (not .gpu.resource) }}
{{- $wrong = append $wrong (printf "pool %q: provider %s needs gpu.resource" .name .provider) }}
{{- end }}
{{- if and .gpu.runtimeClassName (not .gpu.resource) }}
{{- $wrong = append $wrong (printf "pool %q has gpu.runtimeClassName, but no gpu.resource: it would get no GPU" .name) }}
{{- end }}
{{- $limits := .resources.limits | default dict }}
{{- $needed := mul (int .processes) (int .processMemoryMB) }}
{{- if and $limits.memory (lt (include "ocrfarm.megabytes" $limits.memory | int64) $needed) }}
{{- $wrong = append $wrong (printf "pool %q: processes x processMemoryMB is %d MB, but resources.limits.memory is %v: the pod would be killed before a process is replaced" .name $needed $limits.memory) }}
{{- end }}
{{- if and $limits.cpu (not .gpu.resource) (gt (mulf .processes .threads) (include "ocrfarm.cpu" $limits.cpu | float64)) }}
{{- $wrong = append $wrong (printf "pool %q: processes x threads is %d, but resources.limits.cpu is %v: they would wait for each other" .name (mul (int .processes) (int .threads)) $limits.cpu) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* A quantity of CPU in cores. */}}
{{- define "ocrfarm.cpu" -}}
{{- $text := toString . }}
{{- if hasSuffix "m" $text }}{{ mulf (trimSuffix "m" $text | float64) 0.001 }}{{ else }}{{ $text }}{{ end }}
{{- end }}
