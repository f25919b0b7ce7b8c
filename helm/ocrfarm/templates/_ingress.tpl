{{/* dict names, ingress: an Ingress for the service of a component, whose port is named http. */}}
{{- define "ocrfarm.ingress" -}}
{{- $names := .names }}
{{- with .ingress -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{- include "ocrfarm.metadata" (merge (dict "objectAnnotations" .annotations) $names) | nindent 2 }}
spec:
  {{- with .className }}
  ingressClassName: {{ . }}
  {{- end }}
  tls:
    - {hosts: [{{ .host }}], secretName: {{ .tlsSecret }}}
  rules:
    - host: {{ .host }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: {{ include "ocrfarm.name" $names.root }}-{{ $names.component }}, port: {name: http}}}
{{- end }}
{{- end }}
