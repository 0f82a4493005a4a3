{{/* Arguments: a dict of root, account (its values), name, labels, metrics. With authenticated metrics: a token for the scraper. */}}
{{- define "external-secrets.account" -}}
{{- if .account.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ include "external-secrets.namespace" .root }}
  labels:
    {{- mergeOverwrite (fromYaml .labels) (.account.extraLabels | default dict) | toYaml | nindent 4 }}
  {{- with .account.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: {{ .account.automount }}
{{- if dig "listen" "auth" "enabled" false .metrics }}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: {{ .name }}-token
  namespace: {{ include "external-secrets.namespace" .root }}
  labels:
    {{- .labels | nindent 4 }}
  annotations:
    kubernetes.io/service-account.name: {{ .name }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Arguments: a dict of root, name, labels, selector, annotations, ports (a list), more (further fields of the spec). */}}
{{- define "external-secrets.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ include "external-secrets.namespace" .root }}
  labels:
    {{- .labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- $spec := dict "type" "ClusterIP" "ports" .ports "selector" (fromYaml .selector) }}
{{- with .root.Values.service.ipFamilyPolicy }}{{ $_ := set $spec "ipFamilyPolicy" . }}{{ end }}
{{- with .root.Values.service.ipFamilies }}{{ $_ := set $spec "ipFamilies" . }}{{ end }}
spec:
  {{- mergeOverwrite $spec (.more | default dict) | toYaml | nindent 2 }}
{{- end -}}

{{/* Argument: metrics of a component. */}}
{{- define "external-secrets.metricsPort" -}}
name: metrics
port: {{ .service.port }}
targetPort: metrics
protocol: TCP
{{- end -}}

{{/* Arguments: a dict of root, values, suffix, labels, selector. `minAvailable` gives way to `maxUnavailable`. */}}
{{- define "external-secrets.disruptionBudget" -}}
{{- $budget := .values.podDisruptionBudget -}}
{{- if $budget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $budget.nameOverride | default (include "external-secrets.componentName" (list .root (printf "%s-pdb" .suffix))) }}
  namespace: {{ include "external-secrets.namespace" .root }}
  labels:
    {{- include .labels .root | nindent 4 }}
spec:
  {{- if not (kindIs "invalid" $budget.maxUnavailable) }}
  maxUnavailable: {{ $budget.maxUnavailable }}
  {{- else if not (kindIs "invalid" $budget.minAvailable) }}
  minAvailable: {{ $budget.minAvailable }}
  {{- end }}
  {{- with $budget.unhealthyPodEvictionPolicy }}
  unhealthyPodEvictionPolicy: {{ . }}
  {{- end }}
  selector:
    matchLabels:
      {{- include .selector .root | nindent 6 }}
{{- end -}}
{{- end -}}

{{/* Arguments: a dict of root, values, suffix, labels, selector, ports. An empty egress lets nothing out. */}}
{{- define "external-secrets.networkPolicy" -}}
{{- $policy := .values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- $ports := list -}}
{{- range .ports }}{{ $ports = append $ports (dict "protocol" "TCP" "port" (int .)) }}{{ end -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "external-secrets.componentName" (list .root .suffix) }}
  namespace: {{ include "external-secrets.namespace" .root }}
  labels:
    {{- include .labels .root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include .selector .root | nindent 6 }}
  policyTypes: [Egress, Ingress]
  ingress:
    {{- $policy.ingress | default (list (dict "ports" $ports)) | toYaml | nindent 4 }}
  egress:
    {{- $policy.egress | default list | toYaml | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* Arguments: a dict of root, suffix, labels, select (labels of the Service), metrics, account. */}}
{{- define "external-secrets.serviceMonitor" -}}
{{- $root := .root -}}{{- $monitor := $root.Values.serviceMonitor -}}
{{- $endpoint := dict "port" "metrics" "interval" $monitor.interval "scrapeTimeout" $monitor.scrapeTimeout "honorLabels" $monitor.honorLabels -}}
{{- with $monitor.metricRelabelings }}{{ $_ := set $endpoint "metricRelabelings" . }}{{ end -}}
{{- with $monitor.relabelings }}{{ $_ := set $endpoint "relabelings" . }}{{ end -}}
{{- if dig "listen" "secure" "enabled" false .metrics -}}
{{- $_ := set $endpoint "scheme" "https" -}}
{{- $_ := set $endpoint "tlsConfig" (dict "insecureSkipVerify" true) -}}
{{- end -}}
{{- if dig "listen" "auth" "enabled" false .metrics -}}
{{- $_ := set $endpoint "authorization" (dict "type" "Bearer" "credentials" (dict "name" (printf "%s-token" .account) "key" "token")) -}}
{{- end -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "external-secrets.componentName" (list $root (printf "%s-metrics" .suffix)) }}
  namespace: {{ $monitor.namespace | default (include "external-secrets.namespace" $root) }}
  labels:
    {{- mergeOverwrite (include .labels $root | fromYaml) ($monitor.additionalLabels | default dict) | toYaml | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- toYaml .select | nindent 6 }}
  namespaceSelector:
    matchNames: [{{ include "external-secrets.namespace" $root }}]
  endpoints:
    {{- list $endpoint | toYaml | nindent 4 }}
{{- end -}}
