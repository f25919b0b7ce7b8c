{{/* What all pods have in common: metadata, security, environment, volumes and probes. */}}

{{/* dict root, role: the name of the role's service account. */}}
{{- define "ocrfarm.account" -}}
{{ include "ocrfarm.name" .root }}-{{ .role }}
{{- end }}

{{/*
dict root, component, role, annotations: metadata of the pod template.
*/}}
{{- define "ocrfarm.podMetadata" -}}
labels:
  {{- with .root.Values.pods.labels }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- include "ocrfarm.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.pods.annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
dict root, role, workload: fields that all pods have. `workload` is the part of the values with nodeSelector, tolerations, ...
Service links are off, because Kubernetes would set variables such as OCRFARM_FLOWER_PORT, which look like settings.
*/}}
{{- define "ocrfarm.podSpec" -}}
serviceAccountName: {{ include "ocrfarm.account" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .workload.priorityClassName | default .root.Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .workload.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ocrfarm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The broker's URL and key prefix; user and password come from the secret. */}}
{{- define "ocrfarm.brokerEnv" -}}
{{- $values := .Values }}
{{- $tls := $values.broker.tls }}
{{- range $name, $key := dict "BROKER_USERNAME" "username" "BROKER_PASSWORD" "password" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $values.broker.secret }}, key: {{ $key }}}}
{{- end }}
- name: OCRFARM_BROKER
  value: {{ printf "%s://$(BROKER_USERNAME):$(BROKER_PASSWORD)@%s:%d/%d%s" (ternary "rediss" "redis" $tls.enabled) $values.broker.host (int $values.broker.port) (int $values.broker.database) (ternary "?ssl_ca_certs=/etc/ocrfarm/broker/ca.crt" "" (ne $tls.caSecret "")) | quote }}
- name: OCRFARM_KEY_PREFIX
  value: {{ $values.broker.keyPrefix | quote }}
{{- end }}

{{/* dict root, role: the broker, the store with the role's credentials, and the settings. */}}
{{- define "ocrfarm.env" -}}
{{- $values := .root.Values }}
{{- include "ocrfarm.brokerEnv" .root }}
- name: OCRFARM_STORE
  value: {{ $values.store.url | quote }}
{{- with get $values.store.secrets .role | default $values.store.secret }}
{{- $secret := . }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- range $name, $value := $values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Mounts of the folders that a container may write to, and of the broker's certificate. */}}
{{- define "ocrfarm.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: health, mountPath: /run/ocrfarm}
{{- if .Values.broker.tls.caSecret }}
- {name: broker-ca, mountPath: /etc/ocrfarm/broker, readOnly: true}
{{- end }}
{{- end }}

{{/* dict root, scratch: the volumes of these mounts; scratch is the size of /tmp. */}}
{{- define "ocrfarm.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .scratch }}}
- name: health
  emptyDir: {sizeLimit: 1Mi}
{{- with .root.Values.broker.tls.caSecret }}
- name: broker-ca
  secret: {secretName: {{ . }}}
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
