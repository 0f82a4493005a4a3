"""What providers share. A provider is a package of four small modules; two of them opened at random look alike:

`spec.py` (pure, always imported, exports SPEC): reads the store's block with `selectors`.

    class DopplerSpec:
        name, capability, maintained = "doppler", "ReadOnly", True
        def check(self, store):                              # admission, in the reference's order
            refuse_loose(store, credentials(store)); return []
        def plan(self, store):
            return Plan(endpoint, block, references=references(store.provider_spec, credentials(store)), pace=4.0)

`connect.py` (imported in a thread, exports Connector): reads credentials, opens one pool per login, logs in.

    class Connector:
        async def open(self, store, plan, credentials):
            token = (await credentials.secret(part(store.provider_spec, "auth", "secretRef"))).decode()
            pool = await opened(self.env, credentials, BASE, ca=await credentials.ca_bundle(store.provider_spec))
            api = Api(pool, "Doppler", BASE, bearer(token), refuse=refuse)
            return Client(store, Connection(api, self.env.offload))

`client.py` (a StoreClient, `class Client(Connected[Connection])`): `request` names the call, `fetch` makes it by
`Api.send`, `value` and `mapping` take the part.

    async def fetch(self, request):
        path = f"/v3/secret/{segment(request.key)}"
        reply = await self.connection.api.send("GetSecret", "GET", path, ok=(404,))
        if reply.status == 404: raise SecretNotFound        # only where the backend proved it
        return await self.decoded(reply.body, object_of)

`refusal.py` (pure): `refuse(reply) → EsoError` with the reference's text; `http.refusal(text, reply)` picks the class,
`refusals.phrases` what of the server's message may be shown.

Neighbours: address.py where a store calls, http.py one call, headers.py what a store may send, selectors.py credentials
in specs, connected.py the login that a client holds, together.py batches, search.py `find`, property.py look-ups,
setpath.py writes into JSON, retries.py retrySettings, metadata.py, payload.py and written.py pushes, uuids.py ids,
token.py how long a login lasts; authority.py connections and whom they trust, valueorref.py credentials that a store
writes down itself, files.py those in files. Logins that several providers share: awsidentity.py and sts.py at AWS,
googlemetadata.py at Google, githubapp.py, and jwt.py, which signs. Over gRPC: grpc.py one call, protobuf.py its
messages, entries.py what most of them bring. `env.pools.dial(url)` is the dial that some validations make. A bench in
tests/contract/benches_<provider>.py makes the provider pass the sentences that all of them pass.
"""
