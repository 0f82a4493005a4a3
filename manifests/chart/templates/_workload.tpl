{{/* One Deployment for all three components. What a component says wins over what `global` says. */}}

{{/* Arguments: root, securityContext. OpenShift chooses users and groups itself. */}}
{{- define "external-secrets.securityContext" -}}
{{- $root := index . 0 -}}{{- $context := index . 1 | default dict -}}
{{- $enabled := ternary $context.enabled true (hasKey $context "enabled") -}}
{{- $context = omit $context "enabled" -}}
{{- $mode := dig "compatibility" "openshift" "adaptSecurityContext" "auto" $root.Values.global -}}
{{- if or (eq $mode "force") (and (eq $mode "auto") ($root.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
{{- $context = omit $context "fsGroup" "runAsUser" "runAsGroup" -}}
{{- end -}}
{{- if and $enabled $context }}{{ toYaml $context }}{{ end -}}
{{- end -}}

{{/* A map of flags as a list of arguments. A flag without a value stands alone; `false` and `0` are values. */}}
{{- define "external-secrets.extraArgs" -}}
{{- $args := list -}}
{{- range $flag, $value := . -}}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") -}}
{{- $args = append $args (printf "--%s" $flag) -}}
{{- else if kindIs "slice" $value -}}
{{- $args = append $args (printf "--%s=%s" $flag (join "," $value)) -}}
{{- else -}}
{{- $args = append $args (printf "--%s=%s" $flag (ternary $value (toJson $value) (kindIs "string" $value) | toString)) -}}
{{- end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{/* Arguments: metrics of the component. */}}
{{- define "external-secrets.metricsArgs" -}}
{{- $listen := .listen -}}
{{- $args := list (printf "--metrics-addr=:%v" $listen.port) -}}
{{- if dig "secure" "enabled" false $listen -}}
{{- $args = append $args "--metrics-secure=true" -}}
{{- range $flag, $key := dict "cert-dir" "certDir" "cert-name" "certFile" "key-name" "keyFile" -}}
{{- with get $listen.secure $key }}{{ $args = append $args (printf "--metrics-%s=%s" $flag .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if dig "auth" "enabled" false $listen }}{{ $args = append $args "--metrics-auth=true" }}{{ end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "external-secrets.logArgs" -}}
{{- list (printf "--loglevel=%s" .level) (printf "--zap-time-encoding=%s" .timeEncoding) | toJson -}}
{{- end -}}

{{/* A probe of the port `ready`, or of one of its own. Arguments: the component's values, its container. */}}
{{- define "external-secrets.readyProbes" -}}
{{- $values := index . 0 -}}{{- $container := index . 1 -}}
{{- $ports := append $container.ports (dict "containerPort" (int $values.readinessProbe.port) "protocol" "TCP" "name" "ready") -}}
{{- $probe := dict "httpGet" (dict "path" "/readyz" "port" "ready") "initialDelaySeconds" 20 "periodSeconds" 5 -}}
{{- $_ := set $container "readinessProbe" $probe -}}
{{- with $values.startupProbe }}{{ if .enabled -}}
{{- $port := "ready" -}}
{{- if and (not .useReadinessProbePort) .port -}}
{{- $port = "startup" -}}
{{- $ports = append $ports (dict "containerPort" (int .port) "protocol" "TCP" "name" "startup") -}}
{{- end -}}
{{- $_ := set $container "startupProbe" (mergeOverwrite (deepCopy $probe) (dict "httpGet" (dict "port" $port))) -}}
{{- end }}{{ end -}}
{{- with $values.livenessProbe }}{{ if .enabled -}}
{{- $_ := set $container "livenessProbe" (omit .spec "address" "port") -}}
{{- end }}{{ end -}}
{{- $_ := set $container "ports" $ports -}}
{{- end -}}

{{/* Argument: a dict of root, values, suffix, labels, selector, account, container, volumes. */}}
{{- define "external-secrets.workload" -}}
{{- $root := .root -}}{{- $values := .values -}}{{- $global := $root.Values.global -}}
{{- $selector := include .selector $root | fromYaml -}}
{{- $labels := include .labels $root | fromYaml -}}
{{- $container := .container -}}
{{- $_ := set $container "image" (include "external-secrets.image" (list $root $values.image)) -}}
{{- $_ := set $container "imagePullPolicy" $values.image.pullPolicy -}}
{{- /* what pods alone have is not refused: values files put it here too */ -}}
{{- with omit (include "external-secrets.securityContext" (list $root $values.securityContext) | fromYaml) "fsGroup" "fsGroupChangePolicy" "supplementalGroups" "sysctls" -}}
{{- $_ := set $container "securityContext" . -}}
{{- end -}}
{{- with $values.extraEnv }}{{ $_ := set $container "env" . }}{{ end -}}
{{- with $values.resources }}{{ $_ := set $container "resources" . }}{{ end -}}
{{- with concat ($container.volumeMounts | default list) ($values.extraVolumeMounts | default list) -}}
{{- $_ := set $container "volumeMounts" . -}}
{{- end -}}
{{- $pod := dict "serviceAccountName" .account "automountServiceAccountToken" $values.serviceAccount.automount -}}
{{- $_ := set $pod "hostNetwork" ($values.hostNetwork | default false) -}}
{{- if and (kindIs "bool" $values.hostUsers) (semverCompare ">= 1.33.0-0" $root.Capabilities.KubeVersion.Version) -}}
{{- $_ := set $pod "hostUsers" $values.hostUsers -}}
{{- end -}}
{{- range $key := list "dnsPolicy" "dnsConfig" "priorityClassName" "schedulerName" "runtimeClassName" -}}
{{- with get $values $key }}{{ $_ := set $pod $key . }}{{ end -}}
{{- end -}}
{{- range $key := list "imagePullSecrets" "hostAliases" "nodeSelector" "affinity" "tolerations" -}}
{{- with get $values $key | default (get $global $key) }}{{ $_ := set $pod $key . }}{{ end -}}
{{- end -}}
{{- $spread := list -}}
{{- range $values.topologySpreadConstraints | default $global.topologySpreadConstraints -}}
{{- $spread = append $spread (merge (dict) . (hasKey . "labelSelector" | ternary (dict) (dict "labelSelector" (dict "matchLabels" $selector)))) -}}
{{- end -}}
{{- with $spread }}{{ $_ := set $pod "topologySpreadConstraints" . }}{{ end -}}
{{- with include "external-secrets.securityContext" (list $root $values.podSecurityContext) | fromYaml -}}
{{- $_ := set $pod "securityContext" . -}}
{{- end -}}
{{- with $values.extraInitContainers -}}
{{- $_ := set $pod "initContainers" (tpl (toYaml .) $root | fromYamlArray) -}}
{{- end -}}
{{- $_ := set $pod "containers" (concat (list $container) ($values.extraContainers | default list)) -}}
{{- with concat (.volumes | default list) ($values.extraVolumes | default list) }}{{ $_ := set $pod "volumes" . }}{{ end -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "external-secrets.componentName" (list $root .suffix) }}
  namespace: {{ include "external-secrets.namespace" $root }}
  labels:
    {{- toYaml $labels | nindent 4 }}
  {{- with $values.deploymentAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  replicas: {{ $values.replicaCount }}
  revisionHistoryLimit: {{ $values.revisionHistoryLimit }}
  {{- with $values.strategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- toYaml $selector | nindent 6 }}
  template:
    metadata:
      {{- with $values.podAnnotations | default $global.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      labels:
        {{- mergeOverwrite (deepCopy $labels) ($values.podLabels | default $global.podLabels | default dict) $selector | toYaml | nindent 8 }}
    spec:
      {{- mergeOverwrite $pod (deepCopy ($values.podSpecExtra | default dict)) | toYaml | nindent 6 }}
{{- end -}}
