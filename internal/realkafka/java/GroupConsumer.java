// GroupConsumer: a Java consumer with a group, as a program that weir takes over from would be.
//
//   java -cp LIBS GroupConsumer.java BOOTSTRAP TOPIC GROUP COUNT [SETTING=VALUE]...
//
// Subscribes to TOPIC as a member of GROUP (from the group's offsets, or from the start where it has none), reads
// COUNT records, commits exactly these synchronously and leaves the group. Prints "record PARTITION OFFSET KEY VALUE"
// for each and at last "committed PARTITION OFFSET" for each partition, with tabs between; a missing key or value
// is printed as \N. Ends with exit code 1 if the records do not come within 60 s.

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class GroupConsumer {
    public static void main(String[] args) throws Exception {
        if (args.length < 4) {
            System.err.println("GroupConsumer BOOTSTRAP TOPIC GROUP COUNT [SETTING=VALUE]...");
            System.exit(2);
        }
        long left = Long.parseLong(args[3]);
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("group.id", args[2]);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        for (int i = 4; i < args.length; i++) {
            String[] kv = args[i].split("=", 2);
            p.put(kv[0], kv[1]);
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        // The offset after the last record that was printed, per partition: a poll may bring more than are asked for.
        Map<Integer, Long> next = new TreeMap<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(args[1]));
            while (left > 0) {
                if (System.nanoTime() > deadline) {
                    System.err.println("GroupConsumer: " + left + " of " + args[3] + " records did not come in 60 s");
                    System.exit(1);
                }
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(500))) {
                    if (left-- <= 0) {
                        break;
                    }
                    out.println(String.join("\t", "record", String.valueOf(r.partition()),
                            String.valueOf(r.offset()), text(r.key()), text(r.value())));
                    next.put(r.partition(), r.offset() + 1);
                }
            }
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            next.forEach((part, offset) ->
                    offsets.put(new TopicPartition(args[1], part), new OffsetAndMetadata(offset)));
            consumer.commitSync(offsets, Duration.ofSeconds(30));
        }
        next.forEach((part, offset) -> out.println("committed\t" + part + "\t" + offset));
        out.flush();
    }

    private static String text(String s) {
        return s == null ? "\\N" : s;
    }
}
