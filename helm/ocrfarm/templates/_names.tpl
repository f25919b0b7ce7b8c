{{/* Names, labels and small helpers of all objects. */}}

{{- define "ocrfarm.name" -}}
{{- if contains "ocrfarm" .Release.Name }}{{ .Release.Name | trunc 30 | trimSuffix "-" }}{{ else }}{{ printf "%s-ocrfarm" .Release.Name | trunc 30 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels of every pod and object of a release. */}}
{{- define "ocrfarm.release" -}}
app.kubernetes.io/name: ocrfarm
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* dict root, component: labels that select the pods of one component. */}}
{{- define "ocrfarm.selector" -}}
{{ include "ocrfarm.release" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ocrfarm.labels" -}}
{{ include "ocrfarm.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/*
dict root, component, objectLabels, objectAnnotations: name, namespace, labels and annotations of an object; the last two
are its own, besides those of all objects.
*/}}
{{- define "ocrfarm.metadata" -}}
name: {{ include "ocrfarm.name" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- with merge (dict) (.objectLabels | default dict) .root.Values.commonLabels }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- include "ocrfarm.labels" . | nindent 2 }}
{{- with merge (dict) (.objectAnnotations | default dict) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The pools, completed by recognize.defaults, as a JSON list. */}}
{{- define "ocrfarm.pools" -}}
{{- $pools := list }}
{{- range .Values.recognize.pools }}
{{- $pools = append $pools (mergeOverwrite (deepCopy $.Values.recognize.defaults) (deepCopy .)) }}
{{- end }}
{{- toJson $pools }}
{{- end }}

{{/* A pool's profile (TOML), named like the pool. */}}
{{- define "ocrfarm.profile" -}}
detector = {{ .detector | quote }}
recognizer = {{ .recognizer | quote }}
detector_scale = {{ .detectorScale }}

[runtime]
engine = {{ .engine | quote }}
device = {{ ternary "gpu:0" "cpu" (ne .gpu.resource "") | quote }}
threads = {{ .threads }}
precision = {{ .precision | quote }}
provider = {{ .provider | quote }}
batch = {{ .batch }}
{{- end }}

{{/* A quantity of memory in megabytes (10^6), as a whole number. */}}
{{- define "ocrfarm.megabytes" -}}
{{- $text := toString . }}
{{- $number := regexFind "^[0-9.]+" $text | float64 }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- $factors := dict "" 0.000001 "k" 0.001 "K" 0.001 "Ki" 0.001024 "M" 1.0 "Mi" 1.048576 "G" 1000.0 "Gi" 1073.741824 "T" 1000000.0 "Ti" 1099511.627776 }}
{{- mulf $number (get $factors $unit) | int64 }}
{{- end }}
