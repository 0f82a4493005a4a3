{{/* Names, labels and images. Selectors are immutable in an installed release: name and instance, nothing else. */}}

{{- define "external-secrets.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "external-secrets.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $long := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $long | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Arguments: root, suffix. The fullname gives way, so that 63 characters hold both. */}}
{{- define "external-secrets.componentName" -}}
{{- $room := int (sub 63 (len (index . 1))) -}}
{{- include "external-secrets.fullname" (index . 0) | trunc $room | trimSuffix "-" }}{{ index . 1 -}}
{{- end -}}

{{- define "external-secrets.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- define "external-secrets.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Arguments: root, suffix of the component ("", "-webhook", "-cert-controller"). */}}
{{- define "external-secrets.selectorOf" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "external-secrets.name" $root }}{{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end -}}

{{/* Arguments: root, suffix, further labels. Labels of the user may add and replace, except in selectors. */}}
{{- define "external-secrets.labelsOf" -}}
{{- $root := index . 0 -}}
{{- $labels := dict "helm.sh/chart" (include "external-secrets.chart" $root) "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- with $root.Chart.AppVersion }}{{ $_ := set $labels "app.kubernetes.io/version" (toString .) }}{{ end -}}
{{- $selector := include "external-secrets.selectorOf" (list $root (index . 1)) | fromYaml -}}
{{- toYaml (mergeOverwrite $labels ($root.Values.commonLabels | default dict) (index . 2 | default dict) $selector) -}}
{{- end -}}

{{- define "external-secrets.selectorLabels" -}}{{ include "external-secrets.selectorOf" (list . "") }}{{- end -}}
{{- define "external-secrets-webhook.selectorLabels" -}}{{ include "external-secrets.selectorOf" (list . "-webhook") }}{{- end -}}
{{- define "external-secrets-cert-controller.selectorLabels" -}}
{{- include "external-secrets.selectorOf" (list . "-cert-controller") -}}
{{- end -}}

{{- define "external-secrets.labels" -}}{{ include "external-secrets.labelsOf" (list . "" dict) }}{{- end -}}
{{- define "external-secrets-webhook.labels" -}}
{{- $more := dict -}}
{{- if include "external-secrets.monitored" . -}}
{{- $more = mergeOverwrite (dict) (.Values.webhook.service.labels | default dict) (dict "app.kubernetes.io/metrics" "webhook") -}}
{{- end -}}
{{- include "external-secrets.labelsOf" (list . "-webhook" $more) -}}
{{- end -}}
{{- define "external-secrets-cert-controller.labels" -}}
{{- $more := dict -}}
{{- if include "external-secrets.monitored" . }}{{ $_ := set $more "app.kubernetes.io/metrics" "cert-controller" }}{{ end -}}
{{- include "external-secrets.labelsOf" (list . "-cert-controller" $more) -}}
{{- end -}}

{{/* Arguments: the component's values, the name of an account that the chart makes. */}}
{{- define "external-secrets.accountOf" -}}
{{- $account := (index . 0).serviceAccount -}}
{{- $account.name | default (ternary (index . 1) "default" $account.create) -}}
{{- end -}}
{{- define "external-secrets.serviceAccountName" -}}
{{- include "external-secrets.accountOf" (list .Values (include "external-secrets.fullname" .)) -}}
{{- end -}}
{{- define "external-secrets-webhook.serviceAccountName" -}}
{{- include "external-secrets.accountOf" (list .Values.webhook "external-secrets-webhook") -}}
{{- end -}}
{{- define "external-secrets-cert-controller.serviceAccountName" -}}
{{- include "external-secrets.accountOf" (list .Values.certController "external-secrets-cert-controller") -}}
{{- end -}}

{{/* Arguments: root, image. `global.repository` stands for the whole repository, `global.imageRegistry` for its host. */}}
{{- define "external-secrets.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}{{- $global := $root.Values.global -}}
{{- $repository := $global.repository | default $image.repository -}}
{{- if and $global.imageRegistry (not $global.repository) -}}
{{- $parts := splitList "/" $repository -}}
{{- if regexMatch "[.:]|^localhost$" (first $parts) }}{{ $parts = rest $parts }}{{ end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" $global.imageRegistry) (join "/" $parts) -}}
{{- end -}}
{{- $tag := $image.tag | default $root.Chart.AppVersion | toString -}}
{{- /* a digest alone: "@sha256:…" */ -}}
{{- printf "%s%s%s%s" $repository (ternary "" ":" (hasPrefix "@" $tag)) $tag (ternary (printf "-%s" $image.flavour) "" (not (empty $image.flavour))) -}}
{{- end -}}

{{/* "true" where ServiceMonitors are rendered, "" where not. */}}
{{- define "external-secrets.monitored" -}}
{{- if .Values.serviceMonitor.enabled -}}
{{- $mode := .Values.serviceMonitor.renderMode | default "skipIfMissing" -}}
{{- $present := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor" -}}
{{- if not (has $mode (list "skipIfMissing" "failIfMissing" "alwaysRender")) -}}
{{- fail (printf "serviceMonitor.renderMode is %q: use skipIfMissing, failIfMissing or alwaysRender" $mode) -}}
{{- end -}}
{{- if and (eq $mode "failIfMissing") (not $present) -}}
{{- fail "serviceMonitor.renderMode is failIfMissing, and the cluster has no ServiceMonitors: install the CRDs of the Prometheus operator, or set skipIfMissing" -}}
{{- end -}}
{{- if or $present (eq $mode "alwaysRender") }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* "true" where one namespace is served with Roles instead of ClusterRoles. */}}
{{- define "external-secrets.scoped" -}}
{{- if and .Values.scopedNamespace .Values.scopedRBAC }}true{{ end -}}
{{- end -}}

{{/* "true" where the cert controller runs: cert-manager replaces it. */}}
{{- define "external-secrets.certControlled" -}}
{{- if and .Values.certController.create (not .Values.webhook.certManager.enabled) }}true{{ end -}}
{{- end -}}
