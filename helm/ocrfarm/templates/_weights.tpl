{{/* The models' weights: in the image, or mounted at /models. */}}

{{- define "ocrfarm.weightsMount" -}}
{{- if ne .Values.weights.from "image" }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- end }}

{{- define "ocrfarm.weightsVolume" -}}
{{- with .Values.weights }}
{{- if eq .from "pvc" }}
- name: models
  persistentVolumeClaim: {claimName: {{ .claim }}, readOnly: true}
{{- else if eq .from "imageVolume" }}
- name: models
  image: {reference: {{ .image | quote }}, pullPolicy: {{ $.Values.images.pullPolicy }}}
{{- else if eq .from "initContainer" }}
- name: models
  emptyDir: {sizeLimit: 4Gi}
{{- end }}
{{- end }}
{{- end }}

{{/* dict root, pool, image: an init container that fetches the pool's two models and checks their hashes. */}}
{{- define "ocrfarm.weightsInit" -}}
{{- if eq .root.Values.weights.from "initContainer" }}
initContainers:
  - name: weights
    image: {{ .image | quote }}
    imagePullPolicy: {{ .root.Values.images.pullPolicy }}
    command: [ocrfarm, models, pull{{ with .root.Values.weights.url }}, --from, {{ . | quote }}{{ end }}, {{ .pool.detector }}, {{ .pool.recognizer }}]
    env:
      - {name: OCRFARM_CACHE_DIR, value: /models}
      - {name: OCRFARM_MODELS_DIR, value: ""}
      {{- include "ocrfarm.env" (dict "root" .root "role" "recognize" "workload" .pool) | trim | nindent 6 }}
    resources:
      requests: {cpu: 100m, memory: 256Mi, ephemeral-storage: 1Gi}
      limits: {memory: 1Gi}
    securityContext: {{- include "ocrfarm.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: models, mountPath: /models}
      {{- include "ocrfarm.mounts" (dict "root" .root "workload" .pool) | nindent 6 }}
{{- end }}
{{- end }}
