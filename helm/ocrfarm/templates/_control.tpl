{{/* dict root, stage: the Deployment and the disruption budget of split or stitch. */}}
{{- define "ocrfarm.control" -}}
{{- $values := .root.Values }}
{{- $work := get $values .stage }}
{{- $names := dict "root" .root "component" .stage "role" .stage "workload" $work "scratch" $work.scratch "ready" "test -n \"$(find /run/ocrfarm -name '*.ready')\"" -}}
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "ocrfarm.metadata" $names | nindent 2 }}
spec:
  replicas: {{ $work.replicas }}
  {{- include "ocrfarm.strategy" $names | nindent 2 }}
  selector:
    matchLabels: {{- include "ocrfarm.selector" $names | nindent 6 }}
  template:
    metadata: {{- include "ocrfarm.podMetadata" $names | nindent 6 }}
    spec:
      {{- include "ocrfarm.podSpec" $names | nindent 6 }}
      terminationGracePeriodSeconds: {{ $values.termination.gracePeriod }}
      containers:
        - name: {{ .stage }}
          image: {{ $values.images.cpu | quote }}
          imagePullPolicy: {{ $values.images.pullPolicy }}
          command: [ocrfarm, worker, {{ .stage }}, --processes, {{ $work.concurrency | quote }}]
          env:
            {{- include "ocrfarm.env" $names | trim | nindent 12 }}
            - {name: OCRFARM_SHUTDOWN_TIMEOUT, value: {{ $values.termination.shutdownTimeout | quote }}}
          resources: {{- toYaml $work.resources | nindent 12 }}
          securityContext: {{- include "ocrfarm.containerSecurity" . | nindent 12 }}
          {{- include "ocrfarm.probes" $names | nindent 10 }}
          volumeMounts:
            {{- include "ocrfarm.mounts" $names | nindent 12 }}
      volumes:
        {{- include "ocrfarm.volumes" $names | nindent 8 }}
---
{{ include "ocrfarm.budget" (dict "names" $names "maxUnavailable" 1) }}
{{- end }}

{{/* dict names, maxUnavailable: a PodDisruptionBudget, which limits how many pods drained nodes may take away at once. */}}
{{- define "ocrfarm.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "ocrfarm.metadata" .names | nindent 2 }}
spec:
  maxUnavailable: {{ .maxUnavailable }}
  selector:
    matchLabels: {{- include "ocrfarm.selector" .names | nindent 6 }}
{{- end }}
