import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic with Kafka's Java client, read_committed, from its start to the end that it had at the start of the
 * reading, decodes each value with the schema that the registry holds under the id in its frame, and prints one JSON line a
 * record.
 *
 * <p>Arguments: brokers, registry URL, topic.
 */
public final class TopicReader {
  private final ObjectMapper json = new ObjectMapper();
  private final HttpClient http = HttpClient.newHttpClient();
  private final Map<Integer, Schema> schemas = new HashMap<>();
  private final String registry;

  private TopicReader(String registry) {
    this.registry = registry;
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 3) {
      System.err.println("usage: TopicReader BROKERS REGISTRY TOPIC");
      System.exit(2);
    }
    new TopicReader(args[1]).read(args[0], args[2]);
  }

  private void read(String brokers, String topic) throws Exception {
    Properties props = new Properties();
    props.put("bootstrap.servers", brokers);
    props.put("isolation.level", "read_committed");
    props.put("enable.auto.commit", "false");
    props.put("auto.offset.reset", "earliest");
    props.put("allow.auto.create.topics", "false");
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(props, bytes, bytes);
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8))) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (!reached(consumer, ends)) {
        for (ConsumerRecord<byte[], byte[]> rec : consumer.poll(Duration.ofMillis(500))) {
          if (rec.offset() < ends.get(new TopicPartition(topic, rec.partition()))) {
            out.write(json.writeValueAsString(row(rec)));
            out.newLine();
          }
        }
      }
    }
  }

  private static boolean reached(KafkaConsumer<?, ?> consumer, Map<TopicPartition, Long> ends) {
    return ends.entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue());
  }

  private ObjectNode row(ConsumerRecord<byte[], byte[]> rec) throws Exception {
    ObjectNode row = json.createObjectNode();
    row.put("topic", rec.topic());
    row.put("partition", rec.partition());
    row.put("offset", rec.offset());
    row.put("timestamp", rec.timestamp());
    row.put("key", text(rec.key()));
    ObjectNode headers = row.putObject("headers");
    for (Header h : rec.headers()) {
      headers.put(h.key(), text(h.value()));
    }
    row.put("raw", rec.value() == null ? null : Base64.getEncoder().encodeToString(rec.value()));
    row.set("value", value(rec.value()));
    return row;
  }

  private static String text(byte[] b) {
    return b == null ? null : new String(b, StandardCharsets.UTF_8);
  }

  /** Avro when the frame says so; otherwise JSON, or text when it is not JSON. */
  private JsonNode value(byte[] b) throws Exception {
    if (b == null) {
      return NullNode.getInstance();
    }
    if (b.length < 5 || b[0] != 0) {
      try {
        return json.readTree(b);
      } catch (IOException notJson) {
        return JsonNodeFactory.instance.textNode(text(b));
      }
    }
    Schema schema = schema(ByteBuffer.wrap(b, 1, 4).getInt());
    BinaryDecoder in = DecoderFactory.get().binaryDecoder(b, 5, b.length - 5, null);
    Object datum = new GenericDatumReader<>(schema).read(null, in);
    if (!in.isEnd()) {
      throw new IOException("bytes left over after " + schema.getFullName());
    }
    return plain(datum);
  }

  private Schema schema(int id) throws Exception {
    Schema known = schemas.get(id);
    if (known != null) {
      return known;
    }
    URI uri = URI.create(registry + "/schemas/ids/" + id);
    HttpResponse<String> answer =
        http.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IOException(uri + ": " + answer.statusCode() + " " + answer.body());
    }
    Schema schema = new Schema.Parser().parse(json.readTree(answer.body()).get("schema").asText());
    schemas.put(id, schema);
    return schema;
  }

  /** Avro's generic data as plain JSON: unions without their tag, bytes and fixed in hexadecimal. */
  private JsonNode plain(Object o) {
    if (o instanceof IndexedRecord r) {
      ObjectNode node = json.createObjectNode();
      for (Schema.Field f : r.getSchema().getFields()) {
        node.set(f.name(), plain(r.get(f.pos())));
      }
      return node;
    }
    if (o instanceof Collection<?> c) {
      ArrayNode node = json.createArrayNode();
      c.forEach(e -> node.add(plain(e)));
      return node;
    }
    if (o instanceof Map<?, ?> m) {
      ObjectNode node = json.createObjectNode();
      m.forEach((k, v) -> node.set(k.toString(), plain(v)));
      return node;
    }
    if (o instanceof GenericFixed f) {
      return JsonNodeFactory.instance.textNode(HexFormat.of().formatHex(f.bytes()));
    }
    if (o instanceof ByteBuffer b) {
      byte[] copy = new byte[b.remaining()];
      b.duplicate().get(copy);
      return JsonNodeFactory.instance.textNode(HexFormat.of().formatHex(copy));
    }
    if (o == null || o instanceof Number || o instanceof Boolean) {
      return json.valueToTree(o);
    }
    return JsonNodeFactory.instance.textNode(o.toString());
  }
}
