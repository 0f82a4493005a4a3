{{/*
Arguments: root, rules. The rules are those of manifests/rbac.yaml and aggregated-roles.yaml; what belongs to a kind
that is switched off is left out. As JSON.
*/}}
{{- define "external-secrets.rules" -}}
{{- $root := index . 0 -}}{{- $values := $root.Values -}}
{{- $scoped := include "external-secrets.scoped" $root -}}
{{- $off := list -}}
{{- if or $scoped (not $values.processClusterStore) }}{{ $off = append $off "clustersecretstores" }}{{ end -}}
{{- if or $scoped (not $values.processClusterExternalSecret) }}{{ $off = append $off "clusterexternalsecrets" }}{{ end -}}
{{- if or $scoped (not $values.processClusterPushSecret) }}{{ $off = append $off "clusterpushsecrets" }}{{ end -}}
{{- if or $scoped (not $values.processClusterGenerator) }}{{ $off = append $off "clustergenerators" }}{{ end -}}
{{- if not $values.processSecretStore }}{{ $off = append $off "secretstores" }}{{ end -}}
{{- if not $values.processPushSecret }}{{ $off = append $off "pushsecrets" }}{{ end -}}
{{- if not $values.rbac.serviceAccountTokenCreate }}{{ $off = append $off "serviceaccounts/token" }}{{ end -}}
{{- $rules := list -}}
{{- range $rule := index . 1 -}}
{{- $resources := list -}}{{- $verbs := $rule.verbs -}}
{{- range $resource := $rule.resources -}}
{{- $subresource := trimPrefix "/" (regexFind "/.*" $resource) -}}
{{- $hidden := or (has $resource $off) (has (regexFind "^[^/]*" $resource) $off) -}}
{{- if and (eq $subresource "finalizers") (not $values.openshiftFinalizers) }}{{ $hidden = true }}{{ end -}}
{{- /* children: only where their parents are served */ -}}
{{- if and (eq $resource "externalsecrets") (has "create" $verbs) (not (has "update" $verbs)) (has "clusterexternalsecrets" $off) }}{{ $hidden = true }}{{ end -}}
{{- if and (eq $resource "pushsecrets") (has "create" $verbs) (not (has "update" $verbs)) (has "clusterpushsecrets" $off) }}{{ $hidden = true }}{{ end -}}
{{- if eq $resource "namespaces" -}}
{{- if and (has "patch" $verbs) (has "clusterexternalsecrets" $off) }}{{ $hidden = true }}{{ end -}}
{{- /* a Role in a namespace may let that namespace itself be read */ -}}
{{- if and $scoped (has "get" $verbs) }}{{ $verbs = list "get" }}{{ end -}}
{{- end -}}
{{- if not $hidden }}{{ $resources = append $resources $resource }}{{ end -}}
{{- end -}}
{{- if $resources }}{{ $rules = append $rules (mergeOverwrite (deepCopy $rule) (dict "resources" $resources "verbs" $verbs)) }}{{ end -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}

{{/* Arguments: root, file, name. The role of that name in a file of several documents, as YAML. */}}
{{- define "external-secrets.document" -}}
{{- $name := index . 2 -}}
{{- range regexSplit "(?m)^---$" ((index . 0).Files.Get (index . 1)) -1 -}}
{{- $object := fromYaml . -}}
{{- if and (eq (dig "metadata" "name" "" $object) $name) (hasKey $object "rules") }}{{ toYaml $object }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Arguments: a dict of kind, name, namespace, labels, and root. What Role and ClusterRole have in common. */}}
{{- define "external-secrets.roleHead" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- .labels | nindent 4 }}
{{- end -}}

{{/* Arguments: a dict of root, name, namespace ("" for a cluster's), labels, role, account; `roleKind` where it is another one's. */}}
{{- define "external-secrets.binding" -}}
{{- $kind := ternary "Role" "ClusterRole" (not (empty .namespace)) -}}
{{ include "external-secrets.roleHead" (dict "kind" (printf "%sBinding" $kind) "name" .name "namespace" .namespace "labels" .labels) }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .roleKind | default $kind }}
  name: {{ .role | default .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ include "external-secrets.namespace" .root }}
{{- end -}}

{{/* What a process needs to ask who scrapes, and what the token of its account needs to be let in. */}}
{{- define "external-secrets.scrapeRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
- nonResourceURLs: [/metrics]
  verbs: [get]
{{- end -}}

{{/* Arguments: a dict of root, name, labels, account. The same as a role of its own. */}}
{{- define "external-secrets.scrapeRole" -}}
{{ include "external-secrets.roleHead" (dict "kind" "ClusterRole" "name" .name "labels" .labels) }}
rules:
  {{- include "external-secrets.scrapeRules" . | nindent 2 }}
---
{{ include "external-secrets.binding" (dict "root" .root "name" .name "namespace" "" "labels" .labels "account" .account) }}
{{- end -}}
