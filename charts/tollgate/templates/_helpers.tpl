{{/* Labels that say which release an object belongs to. Selectors never use them. */}}
{{- define "tollgate.labels" -}}
app.kubernetes.io/name: tollgate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tollgate.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "tollgate.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What no container here may do. */}}
{{- define "tollgate.locked" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The Envoys that Envoy Gateway runs. The labels are its own. */}}
{{- define "tollgate.envoys" -}}
podSelector:
  matchLabels:
    app.kubernetes.io/managed-by: envoy-gateway
    app.kubernetes.io/component: proxy
{{- end }}

{{- define "tollgate.databaseSecret" -}}
{{- if .Values.database.existingSecret -}}
{{ .Values.database.existingSecret }}
{{- else if .Values.postgres.enabled -}}
postgresql
{{- else -}}
{{ fail "postgres.enabled is false, so database.existingSecret must name a Secret with the key url" }}
{{- end -}}
{{- end }}
