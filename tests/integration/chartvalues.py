"""Sets of values as people keep them for charts of this kind: one sentence each."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

LIMITS = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "512Mi"}}
CONTROL_PLANE = [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}]
SPREAD = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}]
ON_LINUX = {"kubernetes.io/os": "linux"}
ZONES = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
        }
    }
}


def everywhere(values: Values) -> Values:
    """The same for all three components."""
    return {**values, "webhook": values, "certController": values}


CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "external-secrets.fullname" . }}
  namespace: {{ .Release.Namespace }}
"""

NO_WEBHOOK: Values = {"webhook": {"create": False}, "certController": {"create": False}}
ALL_EXTRAS: Values = {
    "extraArgs": {"metrics-cert-name": "a.crt", "zap-time-encoding": "iso8601", "enable-http2": ""},
    "extraEnv": [
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
        {"name": "NO_PROXY", "value": ".svc,10.0.0.0/8"},
    ],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca-bundle"}}],
    "extraVolumeMounts": [
        {"name": "ca", "mountPath": "/etc/ssl/certs/ours.pem", "subPath": "ours.pem", "readOnly": True}
    ],
    "extraInitContainers": [{"name": "wait", "image": "busybox:{{ .Chart.Version }}", "restartPolicy": "Always"}],
}

# every key of an old chart with nothing in it, as operators that carry a chart write it into their own objects
NOTHING_SAID: Values = {
    "affinity": {},
    "deploymentAnnotations": {},
    "extraArgs": {},
    "extraEnv": [],
    "fullnameOverride": "",
    "imagePullSecrets": [],
    "nameOverride": "",
    "nodeSelector": {},
    "podAnnotations": {},
    "podLabels": {},
    "podSecurityContext": {},
    "priorityClassName": "",
    "prometheus": {"enabled": False, "service": {"port": 8080}},
    "rbac": {"create": True},
    "replicaCount": 1,
    "resources": {},
    "securityContext": {},
    "serviceAccount": {"annotations": {}, "create": True, "name": ""},
    "tolerations": [],
}
NO_CRDS: Values = {
    f"create{kind}": False
    for kind in (
        "ClusterExternalSecret",
        "ClusterSecretStore",
        "SecretStore",
        "ClusterGenerator",
        "ClusterPushSecret",
        "PushSecret",
    )
}
NOTHING_FOR_THE_CLUSTER: Values = {
    "processClusterStore": False,
    "processClusterExternalSecret": False,
    "processClusterPushSecret": False,
    "processClusterGenerator": False,
    "processPushSecret": False,
}

SETS: dict[str, Values] = {
    "every key written out, with nothing in it": everywhere(NOTHING_SAID)
    | {
        "global": {"nodeSelector": {}, "tolerations": []},
        "extraVolumes": [
            {"name": "ca", "configMap": {"name": "ca", "items": [{"key": "ca-bundle.crt", "path": "bundle.pem"}]}}
        ],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/pki/ca-trust/extracted/pem", "readOnly": True}],
    },
    "the second of two releases, for one namespace and without a webhook": {
        "crds": NO_CRDS,
        "scopedNamespace": "default",
        "scopedRBAC": True,
        "rbac": {
            "serviceAccountTokenCreate": False,
            "servicebindings": {"create": False},
            "aggregateToView": False,
            "aggregateToEdit": False,
            "aggregateToAdmin": False,
        },
        **NOTHING_FOR_THE_CLUSTER,
        **NO_WEBHOOK,
    },
    "the first of two releases, for one namespace and with the webhook of both": {
        "scopedNamespace": "default",
        "scopedRBAC": True,
        **NOTHING_FOR_THE_CLUSTER,
    },
    "Roles that are asked for without a namespace": {"scopedRBAC": True, "leaderElect": True},
    "CRDs that nobody serves": {
        "crds": {
            "createClusterSecretStore": True,
            "createClusterExternalSecret": False,
            "conversion": {"enabled": True},
        },
        "processClusterStore": False,
        "processClusterExternalSecret": False,
    },
    "an image by its digest, and cert-manager without a cert controller": {
        "image": {"repository": "mirror.example/eso", "tag": "v2@sha256:" + "0" * 64},
        "leaderElect": True,
        "replicaCount": 2,
        "podDisruptionBudget": {"enabled": True, "minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        "webhook": {
            "replicaCount": 2,
            "certManager": {"enabled": True, "cert": {"issuerRef": {"kind": "ClusterIssuer", "name": "internal-ca"}}},
            "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
        },
        "certController": {"create": False},
    },
    "a group of volumes in the context of the container": everywhere(
        {"securityContext": {"runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534}}
    ),
    "cipher suites of the webhook": {
        "webhook": {"extraArgs": {"tls-ciphers": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "tls-min-version": "1.3"}}
    },
    "a subchart with values of its own": {
        "podAnnotations": {"secret.reloader.stakater.com/reload": "certs"},
        "bitwarden-sdk-server": {"enabled": True, "tls": {"enabled": True}, "podAnnotations": {"a": "b"}},
    },
    "ServiceMonitors demanded, HTTP/2 and all labels": {
        "replicaCount": 3,
        "leaderElect": True,
        "extendedMetricLabels": True,
        "enableHTTP2": True,
        "serviceMonitor": {
            "enabled": True,
            "renderMode": "failIfMissing",
            "honorLabels": True,
            "metricRelabelings": [{"action": "labeldrop", "regex": "pod_template_hash"}],
        },
    },
    "a probe of a port of its own, and keys that are none": {
        "readinessProbe": {"enabled": True, "spec": {"httpGet": {"path": "/readyz", "port": 8082}}},
        "replicas": 1,
        "crds": {"create": True},
        "containerSecurityContext": {"runAsNonRoot": True},
    },
    "logs in capitals": everywhere({"log": {"level": "INFO", "timeEncoding": "ISO8601"}}),
    "pods apart from each other": {
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {
                            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "external-secrets"}},
                            "topologyKey": "kubernetes.io/hostname",
                        },
                    }
                ]
            }
        },
        "webhook": {"serviceAccount": {"name": "eso-webhook"}},
        "certController": {"serviceAccount": {"name": "eso-certs"}},
    },
    "change events behind an Ingress": {
        "changeEvents": {"enabled": True, "port": 9443, "service": {"annotations": {"team": "platform"}}},
        "networkPolicy": {"enabled": True},
    },
    "nothing but the defaults": {},
    "two replicas with leader election": {
        "replicaCount": 2,
        "leaderElect": True,
        "leaderElectionID": "own-lease",
        "leaderElectionLeaseDuration": "30s",
        "leaderElectionRenewDeadline": "20s",
        "leaderElectionRetryPeriod": "5s",
        "webhook": {"replicaCount": 2},
        "certController": {"replicaCount": 2},
    },
    "disruption budgets": everywhere({"podDisruptionBudget": {"enabled": True, "minAvailable": 1}}),
    "disruption budgets in percent": everywhere({"podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"}}),
    "resources for all": everywhere({"resources": LIMITS}),
    "nodes chosen for all, by global": {
        "global": {"nodeSelector": ON_LINUX, "tolerations": CONTROL_PLANE, "topologySpreadConstraints": SPREAD}
    },
    "nodes chosen for each": everywhere({"nodeSelector": ON_LINUX, "tolerations": CONTROL_PLANE, "affinity": ZONES}),
    "spread over nodes with a selector of one's own": {
        "topologySpreadConstraints": [{**SPREAD[0], "labelSelector": {"matchLabels": {"a": "b"}}}]
    },
    "extra arguments, variables, volumes and containers": everywhere(ALL_EXTRAS),
    "a sidecar": {"extraContainers": [{"name": "proxy", "image": "envoy:1", "ports": [{"containerPort": 9901}]}]},
    "an account for roles of AWS": {
        "serviceAccount": {
            "name": "eso",
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/eso"},
            "extraLabels": {"team": "platform"},
        }
    },
    "workload identity of Azure": {
        "serviceAccount": {"annotations": {"azure.workload.identity/client-id": "c"}},
        "podLabels": {"azure.workload.identity/use": "true"},
    },
    "an account that exists already": everywhere({"serviceAccount": {"create": False, "name": "existing"}}),
    "no webhook": NO_WEBHOOK,
    "no cert controller": {"certController": {"create": False}},
    "cert-manager": {
        "webhook": {
            "certManager": {
                "enabled": True,
                "cert": {
                    "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "ca"},
                    "duration": "8760h",
                    "renewBefore": "2400h",
                    "revisionHistoryLimit": 3,
                    "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                },
            }
        }
    },
    "cert-manager with a certificate that exists": {
        "webhook": {"certManager": {"enabled": True, "addInjectorAnnotations": False, "cert": {"create": False}}}
    },
    "webhook failures are ignored": {"webhook": {"failurePolicy": "Ignore", "certCheckInterval": "10m", "port": 9443}},
    "the webhook on the host network": {"webhook": {"hostNetwork": True, "hostUsers": True, "port": 10260}},
    "a load balancer before the webhook": {
        "webhook": {
            "service": {
                "type": "LoadBalancer",
                "loadBalancerIP": "10.0.0.5",
                "annotations": {"a": "b"},
                "labels": {"c": "d"},
            }
        }
    },
    "one namespace": {"scopedNamespace": "default", "scopedRBAC": True} | NO_WEBHOOK,
    "one namespace with cluster roles": {"scopedNamespace": "default"},
    "no cluster stores": {"processClusterStore": False, "crds": {"createClusterSecretStore": False}},
    "ExternalSecrets and stores alone": {
        "processClusterExternalSecret": False,
        "processPushSecret": False,
        "processClusterPushSecret": False,
        "processClusterGenerator": False,
        "processClusterStore": False,
    },
    "no token requests": {"rbac": {"serviceAccountTokenCreate": False}},
    "no rights for the cluster's own roles": {
        "rbac": {
            "aggregateToView": False,
            "aggregateToEdit": False,
            "aggregateToAdmin": False,
            "servicebindings": {"create": False},
        }
    },
    "roles made elsewhere": {"rbac": {"create": False}, "certController": {"rbac": {"create": False}}},
    "the account may review tokens": {"systemAuthDelegator": True, "openshiftFinalizers": False},
    "a controller class": {
        "controllerClass": "blue",
        "concurrent": 10,
        "extendedMetricLabels": True,
        "extraArgs": {"client-qps": 100, "enable-flood-gate": False},
    },
    "generic targets": {
        "genericTargets": {
            "enabled": True,
            "resources": [
                {"apiGroup": "argoproj.io", "resources": ["applications"], "verbs": ["get", "list", "create"]}
            ],
        }
    },
    "Vault's tokens kept": {"vault": {"enableTokenCache": True, "tokenCacheSize": 1000}, "storeRequeueInterval": "10m"},
    "ServiceMonitors": {
        "serviceMonitor": {
            "enabled": True,
            "namespace": "default",
            "additionalLabels": {"release": "prometheus"},
            "interval": "60s",
            "honorLabels": True,
            "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "one"}],
        }
    },
    "alerts and a dashboard": {
        "prometheusRule": {"enabled": True, "additionalLabels": {"release": "prometheus"}},
        "grafanaDashboard": {"enabled": True, "extraLabels": {"team": "platform"}, "sidecarLabelValue": "yes"},
    },
    "Services for metrics": everywhere(
        {"metrics": {"service": {"enabled": True, "port": 9090, "annotations": {"prometheus.io/scrape": "true"}}}}
    ),
    "metrics for bearers of a token": everywhere(
        {"metrics": {"listen": {"auth": {"enabled": True}, "secure": {"enabled": True}}}}
    )
    | {"serviceMonitor": {"enabled": True}},
    "metrics of one namespace for bearers of a token": {
        "scopedNamespace": "default",
        "scopedRBAC": True,
        "metrics": {"listen": {"auth": {"enabled": True}, "secure": {"enabled": True, "certDir": ""}}},
    },
    "ports of one's own": {
        "metrics": {"listen": {"port": 8888}},
        "webhook": {"metrics": {"listen": {"port": 8889}}, "readinessProbe": {"port": 8890}},
        "certController": {"metrics": {"listen": {"port": 8891}}, "readinessProbe": {"port": 8892}},
    },
    "probes": {
        "livenessProbe": {"enabled": True, "spec": {"timeoutSeconds": 10}},
        "readinessProbe": {"enabled": True},
        "webhook": {"livenessProbe": {"enabled": True}, "startupProbe": {"enabled": True}},
        "certController": {
            "livenessProbe": {"enabled": True},
            "startupProbe": {"enabled": True, "useReadinessProbePort": False, "port": "8083"},
        },
    },
    "network policies": {
        "networkPolicy": {
            "enabled": True,
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]}],
            "egress": [{"ports": [{"protocol": "UDP", "port": 53}]}, {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
        },
        "webhook": {"networkPolicy": {"enabled": True}},
        "certController": {"networkPolicy": {"enabled": True}},
    },
    "OpenShift": {"global": {"compatibility": {"openshift": {"adaptSecurityContext": "force"}}}},
    "security contexts of one's own": everywhere(
        {
            "podSecurityContext": {"enabled": True, "fsGroup": 2000},
            "securityContext": {"runAsUser": 3000, "runAsGroup": 3000},
        }
    ),
    "no security contexts": everywhere(
        {"podSecurityContext": {"enabled": False}, "securityContext": {"enabled": False}}
    ),
    "a mirror of the registry": {
        "global": {"repository": "mirror.example/eso", "imagePullSecrets": [{"name": "mirror"}]},
        "image": {"tag": "v1", "flavour": "ubi", "pullPolicy": "Always"},
    },
    "host names and DNS": {
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["vault.example"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["192.0.2.53"], "options": [{"name": "ndots", "value": "2"}]},
        "service": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]},
    },
    "names of one's own": {
        "fullnameOverride": "external-secrets-production-cluster-for-long-release-testing",
        "namespaceOverride": "default",
        "commonLabels": {"team": "platform", "cost-centre": "42"},
    }
    | everywhere({"metrics": {"service": {"enabled": True}}}),
    "scheduling classes": everywhere(
        {"priorityClassName": "system-cluster-critical", "schedulerName": "other", "runtimeClassName": "gvisor"}
    ),
    "a pod spec and strategy of one's own": everywhere(
        {
            "podSpecExtra": {"terminationGracePeriodSeconds": 60, "enableServiceLinks": False},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "revisionHistoryLimit": 2,
            "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
            "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
        }
    ),
    "objects of one's own": {
        "extraObjects": [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ClusterSecretStore",
                "metadata": {"name": "{{ .Release.Name }}-store", "labels": {"a": "{{ .Values.controllerClass }}"}},
                "spec": {"provider": {"fake": {"data": [{"key": "a", "value": "b"}]}}},
            },
            CONFIG_MAP,
        ]
    },
    "all policies": {
        "policies": {
            "apiServerAudiences": ["https://api.example.com"],
            "tokenConsent": True,
            "managedSecrets": "Deny",
            "storesInNamespaces": True,
            "storeHosts": ["vault.example.com", "*.vault.azure.net"],
        }
    },
    "a warning for who edits, and no policy on tokens": {
        "policies": {"tokenRequests": False, "managedSecrets": "Warn"}
    },
    "logs for people": everywhere({"log": {"level": "debug", "timeEncoding": "iso8601"}}),
    "no operator, only what else there is": {"createOperator": False},
    "keys of charts long gone and of the subchart": {
        "prometheus": {"enabled": False, "service": {"port": 8080}},
        "bitwarden-sdk-server": {"enabled": False},
        "crds": {"createExternalSecret": True},
        "webhook": {"prometheus": {"enabled": False}, "rbac": {"create": True}, "nameOverride": ""},
    },
    "everything null that may be": {
        "affinity": None,
        "tolerations": None,
        "nodeSelector": None,
        "extraArgs": None,
        "resources": None,
        "commonLabels": None,
        "podSecurityContext": None,
    },
}
