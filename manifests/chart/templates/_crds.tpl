{{/*
Arguments: root, file name without its ending. The CRDs are those of manifests/crds; only conversion, annotations,
common labels and whether v1beta1 is served depend on values.
*/}}
{{- define "external-secrets.crd" -}}
{{- $root := index . 0 -}}
{{- $crd := $root.Files.Get (printf "files/crds/%s.yaml" (index . 1)) | fromYaml -}}
{{- $values := $root.Values -}}
{{- $annotations := dict -}}
{{- if $values.crds.conversion.enabled -}}
{{- $service := dict "name" (include "external-secrets.componentName" (list $root "-webhook")) "namespace" (include "external-secrets.namespace" $root) "path" "/convert" -}}
{{- $webhook := dict "conversionReviewVersions" (list "v1") "clientConfig" (dict "service" $service) -}}
{{- $_ := set $crd.spec "conversion" (dict "strategy" "Webhook" "webhook" $webhook) -}}
{{- if and $values.webhook.create $values.webhook.certManager.enabled $values.webhook.certManager.addInjectorAnnotations -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" $service.namespace $service.name) -}}
{{- end -}}
{{- else -}}
{{- $_ := unset $crd.spec "conversion" -}}
{{- end -}}
{{- range $version := $crd.spec.versions -}}
{{- if eq $version.name "v1beta1" }}{{ $_ := set $version "served" (and $version.served $values.crds.unsafeServeV1Beta1) }}{{ end -}}
{{- end -}}
{{- with mergeOverwrite $annotations ($values.crds.annotations | default dict) }}{{ $_ := set $crd.metadata "annotations" . }}{{ end -}}
{{- $_ := set $crd.metadata "labels" (mergeOverwrite (dict) ($values.commonLabels | default dict) $crd.metadata.labels) -}}
{{- toYaml $crd -}}
{{- end -}}
