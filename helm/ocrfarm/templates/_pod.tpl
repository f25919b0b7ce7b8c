{{/* What all pods have in common: metadata, security, environment, volumes and probes. */}}

{{/* dict root, role: the name of the role's service account. */}}
{{- define "ocrfarm.account" -}}
{{ include "ocrfarm.name" .root }}-{{ .role }}
{{- end }}

{{/*
dict root, component, podAnnotations: metadata of the pod template.
*/}}
{{- define "ocrfarm.podMetadata" -}}
labels:
  {{- with merge (dict) .root.Values.pods.labels .root.Values.commonLabels }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- include "ocrfarm.labels" . | nindent 2 }}
{{- with merge (dict) (.podAnnotations | default dict) .root.Values.pods.annotations .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
dict root, component, role, workload: fields that all pods have. `workload` is the part of the values with nodeSelector,
tolerations, ...; what it leaves out is taken from `pods`.
Service links are off, because Kubernetes would set variables such as OCRFARM_FLOWER_PORT, which look like settings.
*/}}
{{- define "ocrfarm.podSpec" -}}
{{- $pods := .root.Values.pods }}
serviceAccountName: {{ include "ocrfarm.account" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .workload.priorityClassName | default $pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pods.securityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.nodeSelector | default $pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.tolerations | default $pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.affinity | default $pods.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.topologySpreadConstraints | default $pods.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "ocrfarm.selector" $ | fromYaml)) }}
  - {{- merge (dict) . $selector | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ocrfarm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/*
dict root, role, workload: the broker's URL with the user of a role, the settings, proxies and variables of one's own.
Workers are "split", "recognize" and "stitch"; their user has no prefix in the secret.
*/}}
{{- define "ocrfarm.brokerEnv" -}}
{{- $values := .root.Values }}
{{- $tls := $values.broker.tls }}
{{- $prefix := ternary "" (printf "%s-" .role) (has .role (list "split" "recognize" "stitch")) }}
{{- range $name, $key := dict "BROKER_USERNAME" "username" "BROKER_PASSWORD" "password" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $values.broker.secret }}, key: {{ $prefix }}{{ $key }}}}
{{- end }}
- name: OCRFARM_BROKER
  value: {{ printf "%s://$(BROKER_USERNAME):$(BROKER_PASSWORD)@%s:%d/%d%s" (ternary "rediss" "redis" $tls.enabled) $values.broker.host (int $values.broker.port) (int $values.broker.database) (ternary "?ssl_ca_certs=/etc/ocrfarm/broker/ca.crt" "" (ne $tls.caSecret "")) | quote }}
- name: OCRFARM_KEY_PREFIX
  value: {{ $values.broker.keyPrefix | quote }}
{{- range $name, $value := $values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with $values.proxy }}
{{- range $name, $value := dict "HTTPS_PROXY" .https "HTTP_PROXY" .http "NO_PROXY" .noProxy }}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with concat $values.pods.extraEnv (.workload.extraEnv | default list) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* dict root, role, workload: the broker and the rest as above, and the store with the role's credentials. */}}
{{- define "ocrfarm.env" -}}
{{- $values := .root.Values }}
{{- include "ocrfarm.brokerEnv" . }}
- name: OCRFARM_STORE
  value: {{ $values.store.url | quote }}
{{- if $values.store.tls.caSecret }}
- name: AWS_CA_BUNDLE
  value: /etc/ocrfarm/store/ca.crt
{{- end }}
{{- with get $values.store.secrets .role | default $values.store.secret }}
{{- $secret := . }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* dict root, workload: mounts of the folders that a container may write to, of certificates, and mounts of one's own. */}}
{{- define "ocrfarm.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: health, mountPath: /run/ocrfarm}
{{- range $name, $secret := dict "broker" .root.Values.broker.tls.caSecret "store" .root.Values.store.tls.caSecret }}
{{- if $secret }}
- {name: {{ $name }}-ca, mountPath: /etc/ocrfarm/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- with concat .root.Values.pods.extraVolumeMounts (.workload.extraVolumeMounts | default list) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* dict root, workload, scratch: the volumes of these mounts; scratch is the size of /tmp. */}}
{{- define "ocrfarm.volumes" -}}
- name: tmp
  {{- if dig "scratchClaim" "enabled" false .workload }}
  ephemeral:
    volumeClaimTemplate:
      metadata:
        labels: {{- include "ocrfarm.selector" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .workload.scratchClaim.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ .scratch }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .scratch }}}
  {{- end }}
- name: health
  emptyDir: {sizeLimit: 1Mi}
{{- range $name, $secret := dict "broker" .root.Values.broker.tls.caSecret "store" .root.Values.store.tls.caSecret }}
{{- if $secret }}
- name: {{ $name }}-ca
  secret: {secretName: {{ $secret }}}
{{- end }}
{{- end }}
{{- with concat .root.Values.pods.extraVolumes (.workload.extraVolumes | default list) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* dict workload, maxUnavailable: the update strategy of a deployment; maxUnavailable: never have more pods than before. */}}
{{- define "ocrfarm.strategy" -}}
{{- if .workload.strategy }}
strategy: {{- toYaml .workload.strategy | nindent 2 }}
{{- else if .maxUnavailable }}
strategy:
  rollingUpdate: {maxSurge: 0, maxUnavailable: {{ .maxUnavailable }}}
{{- end }}
{{- end }}

{{/* dict root, ready: the probes of a worker, by its health files; ready is a shell test. */}}
{{- define "ocrfarm.probes" -}}
startupProbe:
  exec: {command: [sh, -c, {{ .ready | quote }}]}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ add 12 (div (int .root.Values.probes.modelLoadTimeout) 5) }}
livenessProbe:
  exec: {command: [sh, -c, {{ printf "test -n \"$(find /run/ocrfarm -name '*.alive' -newermt '%d seconds ago')\"" (int .root.Values.probes.heartbeatTimeout) | quote }}]}
  periodSeconds: 30
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* The secret that signs webhooks, for those who send them and for the API, which accepts their addresses. */}}
{{- define "ocrfarm.webhookSecret" -}}
{{- with .Values.webhooks }}
{{- if .enabled }}
- name: OCRFARM_WEBHOOK_SECRET
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: secret}}
{{- end }}
{{- end }}
{{- end }}
