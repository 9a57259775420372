"""Reads a topic with librdkafka, read_committed, from its start to its end, decodes each value by fastavro with the schema
that the registry holds under the id in its frame, and prints one JSON line a record.

Arguments: brokers, registry URL, topic.
"""

import base64
import io
import json
import struct
import sys
import urllib.request

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition


class Schemas:
    """Schemas of one registry by id, each fetched once."""

    def __init__(self, registry):
        self.registry = registry
        self.known = {}

    def get(self, schema_id):
        if schema_id not in self.known:
            with urllib.request.urlopen(f"{self.registry}/schemas/ids/{schema_id}") as answer:
                schema = json.loads(json.load(answer)["schema"])
            self.known[schema_id] = fastavro.parse_schema(schema)
        return self.known[schema_id]


def text(raw):
    return None if raw is None else raw.decode("utf-8")


def plain(value):
    """JSON has no bytes: they go out in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def decode(raw, schemas):
    """Avro when the frame says so; otherwise JSON, or text when it is not JSON."""
    if raw is None:
        return None
    if len(raw) < 5 or raw[0] != 0:
        try:
            return json.loads(raw)
        except ValueError:
            return text(raw)
    (schema_id,) = struct.unpack(">I", raw[1:5])
    body = io.BytesIO(raw[5:])
    value = fastavro.schemaless_reader(body, schemas.get(schema_id))
    if body.read(1):
        raise ValueError(f"bytes left over after schema {schema_id}")
    return plain(value)


def row(msg, schemas):
    raw = msg.value()
    return {
        "topic": msg.topic(),
        "partition": msg.partition(),
        "offset": msg.offset(),
        "timestamp": msg.timestamp()[1],
        "key": text(msg.key()),
        "headers": {k: text(v) for k, v in msg.headers() or []},
        "raw": None if raw is None else base64.b64encode(raw).decode(),
        "value": decode(raw, schemas),
    }


def main(brokers, registry, topic):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "topic-reader",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
    })
    schemas = Schemas(registry)
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    if not partitions:
        raise SystemExit(f"no topic {topic}")
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    ended = set()
    while len(ended) < len(partitions):
        msg = consumer.poll(30)
        if msg is None:
            raise SystemExit(f"{topic}: nothing for 30 seconds, ends seen of {sorted(ended)}")
        if msg.error() is None:
            print(json.dumps(row(msg, schemas), ensure_ascii=False))
        elif msg.error().code() == KafkaError._PARTITION_EOF:
            ended.add(msg.partition())
        else:
            raise KafkaException(msg.error())
    consumer.close()


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main(*sys.argv[1:])
