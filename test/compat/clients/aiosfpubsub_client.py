"""aiosfpubsub against the org: SOAP login, topic, schema, and the events of a
channel from the earliest on, while it sends its request again and again.
Prints one JSON object with what it saw."""
import asyncio
import json
import os

import certifi

conf = json.loads(os.environ["COMPAT"])
certifi.where = lambda: conf["caFile"]  # the library trusts certifi's roots alone

from aiosfpubsub import Client  # noqa: E402

host, port = conf["pubsubAddr"].rsplit(":", 1)
client = Client(conf["httpURL"], conf["username"], conf["password"], host, int(port))
client.auth()
topic = client.get_topic("/data/AccountChangeEvent")
out = {"tenant": topic.tenant_guid, "canSubscribe": topic.can_subscribe, "schemaID": topic.schema_id, "events": []}


def bits(mask):
    n = int(mask, 16)
    return [i for i in range(n.bit_length()) if n >> i & 1]


def names(schema, masks):
    """Field names behind bitmaps: 0x... over the fields of the event, and
    n-0x... over the parts of its n-th field."""
    fields, out_names = json.loads(schema)["fields"], []
    for mask in masks:
        at, dash, inner = mask.partition("-")
        if not dash:
            out_names += [fields[i]["name"] for i in bits(mask)]
            continue
        parent = fields[int(at)]
        record = next(t for t in parent["type"] if isinstance(t, dict))
        out_names += [parent["name"] + "." + record["fields"][i]["name"] for i in bits(inner)]
    return out_names


def on_events(response, c):
    for e in response.events:
        schema = c.get_schema_json(e.event.schema_id)
        payload = c.decode(schema, e.event.payload)
        payload["ChangeEventHeader"]["changedFields"] = names(schema, payload["ChangeEventHeader"]["changedFields"])
        out["events"].append({"id": e.event.id, "replayID": e.replay_id.hex(), "schemaID": e.event.schema_id, "payload": payload})
    out["pending"] = response.pending_num_requested


async def main():
    task = asyncio.create_task(client.subscribe("/data/AccountChangeEvent", "EARLIEST", b"", 50, on_events))
    for _ in range(300):
        if len(out["events"]) >= conf["accounts"] or task.done():
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(6)  # its second request, the same as the first, has been sent by now
    if task.done():
        task.result()
    task.cancel()

asyncio.run(main())
print(json.dumps(out))
