"""The words of which a text from outside may consist when it is shown: those that servers use in refusals. A text made
of them alone cannot hold a value, however it is spelled.

Neighbours: echo.py masks every other word.
"""

from __future__ import annotations

from typing import Final

# Words that a value often holds by chance, too: they are no trace of one.
COMMON_WORDS: Final = """
    access accessed account admission allowed alphanumeric already and annotation annotations api apps are
    because been before being belongs body bytes cannot case certificate changed characters client cluster code
    config configmap configuration configured consist constraint contain contains controller create created
    credential credentials data database default delete deleted denied deployment does domain duplicate either
    empty end environment error exceed exceeded exist exists expected expired external externalsecret failed
    failure field fields file finalizers for forbidden format found from group has have header host http https
    immutable integer internal invalid key keys kind kubernetes label labels least length letters limit limited
    line login long longer lower lowercase match matches maximum message metadata method minimum missing more
    most must name names namespace namespaces not null number object only operation owner parameter parse part
    password path pattern permission permissions policy port prefix private production project property provided
    public quota read refused regex regexp region registry repository request requested required requires
    reserved resource resources response role rule rules scope secret secrets server service serviceaccount
    should spec staging start status store string subdomain suffix supported tenant test than that the this time
    token too type unable unauthorized unknown unsupported update url used user username valid validating
    validation value values vault version webhook when which with without write
"""
# The rest of what API servers, admission controllers and the servers of generators say.
FURTHER_WORDS: Final = """
    a abort aborted about above absent accept accepted accepting according accordingly accounts acm across
    action actions active add added additional address addresses admin administrator after again against agent
    aggregated algorithm alive all allow allowlist allowprivilegeescalation allows alone also alternative
    amazonaws ambiguous among an another answer answered answers any apigroup apigroups apikey apimachinery apis
    apiserver apiversion app application applications applied apply applying approval approve approved archived
    aren argument arguments arn array as ask asked assertion assertionfailed assigned assume at attempt attempts
    attribute attributes audience audiences audit auth authenticate authenticated authentication author
    authority authorization authorize authorized available avoid awaited away aws awscurrent awspending
    awsprevious azure back backend backends backoff bad balance based basic be bearer become begin beginning
    begins belong below beside between beyond billing binary binarydata binding blank block blocked boolean both
    bound boundary break broken budget build builtin bundle busy but by byte ca cache call callback callbacks
    called caller calling calls can cancelled cas cel celexpression cer cert certificates certs chain change
    changes character chars check checked checking checks choose chosen cidr ciphertext claim claims class clear
    clientid clients closed closing clusterexternalsecret clusterpushsecret clusterrole clusterrolebinding
    clusters clustersecretstore codes collection colon column com combination come comma command comment commit
    common compare compile compiled compiling complete compliant component compute condition conditions
    configmaps conflict conflicting conflicts connect connected connecting connection connections connector
    consent constraints container containers containing content contents context control controllers conversion
    copy coroutine correct cost could couldn count country crd creates creating creation credit cron crt current
    currently custom customresourcedefinition cyclic daemonset dash dashboard datafrom date day days deadline
    declared decode decoded decoding decrease deeper define defined definition deletes deleting deletion denies
    deny denying dependent deployments deprecated depth desc describe description destroyed detail details dial
    did didn different digest digits directory disable disabled disallowed dns do doc dockercfg dockerconfigjson
    docs document doesn domains don done dot double down drop dry dsn due duration durations during each earlier
    ecr edit editable element elements else email enable enabled encoded encoding encrypted encryption ending
    endpoint ends enforce enforced engine engines enough ensure enter enterprise entities entity entries entry
    enum environments eof equal equals errors etag etc etcd etcdserver evaluate evaluated evaluating evaluation
    event events every exact exactly example except exception exclude excluded exclusive execute executed
    executing existing expect expiration expire expires expiry explicit explicitly exported expression
    expressions extended externalsecrets extra extract fail failing fails failures false faults fetch fetching
    few fieldmanager files filter final finalizer find finished first fit fix flag float folder follow following
    follows foreground form frame frames fulfilled full function future gatekeeper gateway general generate
    generated generatename generation generator generatorref generators generic get getting git github gitlab
    give given gives global go good google grafana grant granted grants greater groups had hand handle handled
    handler handshake hash hashes hasn haven he headers helm here hex hidden hides hint history hold hosts hour
    hours how however iam id identical identifier identifiers identities identity identitypolicy if ignore
    ignored illegal image images import in inactive include included includes including incompatible incomplete
    incorrect increase index indexed individual infinite info information ingress initial initializing inline
    input insecure inside instance instances instead insufficient int integers intended interval into
    introspection invalidated io ip is isn issue issued issuer it item items its itself job join joins json jwks
    jwt keep keepalive keyid kinds kms known kyverno large larger last later latest leader leading leaf leaked
    lease left less let letter level lib licence license lifetime like limits link list listed listening listing
    lists live ll load loaded local locked log logged logging logout looking lookup loop lost made mail mainly
    maintained maintains maintenance make makes malformed managed management manager managers manifest many map
    mapping marked marshal mask matched matching max may mean means media member members memory merge merges
    messages metric microseconds milliseconds min minute minutes mismatch missed mode modified modify module
    month moved multiple mutate mutating mutation my named namespaced needed needs nested net network never new
    newer next nil no nobody node nodes non none nor normal nothing now numbers numeric oauth objects observed
    obsolete occurred of off offline ok old older omit on once one ones online opaque open openidconnect
    operations operator option optional options or order ordinary organisation organization origin orphan other
    others otherwise our out outside over overflow override overwrite own owned ownerreference ownerreferences
    owners owns package packages page parameters params parent parsed parsing partial parts party pass passed
    passes passphrase passwords past patch paths patterns payload payment peer pem pending per perform performed
    period permitted pin ping place plain plan please pod pods podsecurity point points policies policyname pool
    possible post pre precondition preconditions preferred prepare present prevent prevented previous principal
    process processed processing profile prohibited projects properties protected protocol provide provider
    proxy publish pull purpose push pushsecret pushsecrets put quantity quay queries query queue quotas range
    rate rates rbac re reach reached reading ready reason reauthenticate received reconcile record recreate
    redirect ref refer reference referenced references refers refresh refreshed refreshes refusal regions
    regular reject rejected related release released remain remaining remote remotely remoteref remove removed
    rename renew replace replaced replicas report repositories requests require requirement requirements reset
    resolve resolved resourcename resourcequota resourcequotas resourceversion responded restarted restricted
    restriction result results retain retried retries retrieved retry return returned returns review revision
    revoked rewrite rfc rights robot rolebinding roles rolled root rotated rotation round route rpc run running
    runtime safe same saml sandbox say says scan scheduled schema schemas scheme scopes seal sealed search
    second seconds secretstore secretstores section security see seen segment select selected selecting selector
    selects self send sender sensitive sent separated serial serve served serviceaccountname serviceaccounts
    services session sessionname sessions set sets setting settings setup several sha share shared short shorter
    shouldn sign signature signed signing similar since single size sized skipped slash slow small so socket
    some somebody something source sourceref sources space spaces special specific specification specified
    specify sqs ssh ssm sso stage stale standard started starting starts state statefulset statement states
    steps stop stopped storage stored storeref stores strategy stream streams strict stringdata strings strong
    struct structural structure sts sub subject subjects subresource subscription succeed succeeded success
    successful such suggested support suspended svc symbol syntax system tag tags taken target targets task tcp
    team teams template temporarily temporary terminated terminating terms text their them then there therefore
    these they third those though thread three throttled throttling through thus ticket till timed timeout times
    timestamp title tls to today together tokens took top total transaction transport tried trim true truncated
    trust trusted try trying twice two typed types ui uid unauthenticated unavailable unchanged unclosed
    undefined under understand unexpected unfortunately unicode unique unit unless unlimited unmarshal
    unmarshaling unpermitted unprocessable unrecognised unrecognized unsafe unset until unverified up updated
    updates updating upgrade upgrading upload upper uppercase uri urls us usage use users uses using utc utf
    uuid uuids validate validated validatingadmissionpolicy ve verb verified verify versions via view viewer
    violated violates violation violations visible vpc wait waiting want wants warning was wasn way we weak
    webhooks well went were weren what where whether whitespace who whole whom whose why wildcard will window
    wins within won word words work worker workflow workload workloads workspace would wouldn writable writing
    written wrong yaml year years yes yet you your yourself zero zone
"""
COMMON: Final = frozenset(COMMON_WORDS.split())
VOCABULARY: Final = COMMON | frozenset(FURTHER_WORDS.split())
# Numbers that stand in refusals by themselves: limits of names and sizes, HTTP statuses, versions of standards.
NUMBERS: Final = frozenset(
    {*map(str, range(11)), "63", "64", "128", "253", "256", "316", "512", "1035", "1123", "1024", "4096", "16384"}
    | {"32768", "65536", "262144", "524288", "1048576", "2097152", "3145728"}
    | {*map(str, (400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 415, 422, 423, 425, 428, 429))}
    | {*map(str, (500, 501, 502, 503, 504, 507))}
)
# Parts of the validation messages of Kubernetes that no vocabulary covers.
PHRASES: Final = (
    r"(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    r"(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    r"(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    r"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    r"'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    r"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    r"'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    r"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    r"(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    r"must consist of alphanumeric characters, '-', '_' or '.'",
    r"consist of alphanumeric characters, '-', '_' or '.'",
    r"consist of lower case alphanumeric characters, '-' or '.'",
    r"consist of lower case alphanumeric characters or '-'",
    "[-._a-zA-Z0-9]",
    *("[..]", "[.]", "'..'", "'.'"),  # names that no key may have
)
