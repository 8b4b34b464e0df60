{{/* Labels of every object of the chart. */}}
{{- define "kwatt.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "kwatt.selector" . }}
{{- end }}

{{/* Labels that the operator's pods are chosen by: never to be changed, a Deployment's selector is immutable. */}}
{{- define "kwatt.selector" -}}
app.kubernetes.io/name: kwatt
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kwatt.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What every pod of the chart is run with: it passes the Pod Security Standard "restricted". */}}
{{- define "kwatt.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "kwatt.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* "true" where something is asked for, or left to the API (`auto`) and the API is there.
     Takes a dict of `root`, `wish` and `api`. */}}
{{- define "kwatt.wanted" -}}
{{- if or (eq .wish "always") (and (eq .wish "auto") (.root.Capabilities.APIVersions.Has .api)) -}}true{{- end -}}
{{- end }}

{{/* A file with an object, for this release: its namespace in place of the one written there, and our labels.
     Takes a dict of `root` and `text`; gives YAML. */}}
{{- define "kwatt.object" -}}
{{- $object := replace "kwatt-system" .root.Release.Namespace .text | fromYaml -}}
{{- if hasKey $object "Error" }}{{ fail $object.Error }}{{ end -}}
{{- $labels := include "kwatt.labels" .root | fromYaml -}}
{{- $_ := set $object.metadata "labels" (mergeOverwrite ($object.metadata.labels | default dict) $labels) -}}
{{ toYaml $object }}
{{- end }}

{{/* Annotations of an object that is made once and never touched again. No delete policy would mean
     before-hook-creation: deleted and made anew at every upgrade. */}}
{{- define "kwatt.once" -}}
helm.sh/hook: post-install,post-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: hook-failed
{{- end }}
