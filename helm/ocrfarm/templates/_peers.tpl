{{/* Whom pods may reach: peers of network policies from the values, or from the names of services in the cluster. */}}

{{/* dict given, host, root: peers as a JSON list: those that are given, or the namespace or address of the host; else none. */}}
{{- define "ocrfarm.peers" -}}
{{- $service := regexFind "^[a-z0-9-]+\\.[a-z0-9-]+\\.svc(\\.cluster\\.local)?\\.?$" .host }}
{{- if .given }}
{{- toJson .given }}
{{- else if $service }}
{{- list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" (index (splitList "." $service) 1)))) | toJson }}
{{- else if regexMatch "^[0-9.]+$" .host }}
{{- list (dict "ipBlock" (dict "cidr" (printf "%s/32" .host))) | toJson }}
{{- else if regexMatch "^[a-z0-9-]+$" .host }}
{{- list (dict "podSelector" (dict)) | toJson }}
{{- else }}
{{- toJson list }}
{{- end }}
{{- end }}

{{/* The URL of the store's endpoint; without one, the store is AWS's. */}}
{{- define "ocrfarm.storeEndpoint" -}}
{{- regexFind "endpoint=[^&]+" .Values.store.url | trimPrefix "endpoint=" | trimSuffix "/" }}
{{- end }}

{{- define "ocrfarm.storeHost" -}}
{{- include "ocrfarm.storeEndpoint" . | trimPrefix "http://" | trimPrefix "https://" | regexFind "^[^:/]+" }}
{{- end }}

{{- define "ocrfarm.storePort" -}}
{{- $endpoint := include "ocrfarm.storeEndpoint" . }}
{{- $given := regexFind ":[0-9]+$" $endpoint | trimPrefix ":" }}
{{- $given | default (ternary "80" "443" (hasPrefix "http://" $endpoint)) }}
{{- end }}

{{/* Names of AWS's S3 in the region of the store's URL, and of its service for roles, for Cilium. */}}
{{- define "ocrfarm.awsPatterns" -}}
{{- $region := regexFind "region=[a-z0-9-]+" .Values.store.url | trimPrefix "region=" | default "us-east-1" }}
{{- list (printf "s3.%s.amazonaws.com" $region) (printf "*.s3.%s.amazonaws.com" $region) (printf "sts.%s.amazonaws.com" $region) | toJson }}
{{- end }}
