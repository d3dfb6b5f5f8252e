// KeyPartitions: where does Java's own producer put a key?
//
//   java -cp LIBS KeyPartitions.java BOOTSTRAP TOPIC [SETTING=VALUE]... <keys
//
// Sends one record for each line of standard input (UTF-8), with the line as its key and as its value, by a
// KafkaProducer whose partitioner is the default one. Then prints for each, in the order of the input, its
// partition, a tab and the key. The first record that the broker does not take ends the program with an error.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class KeyPartitions {
    public static void main(String[] args) throws Exception {
        if (args.length < 2) {
            System.err.println("KeyPartitions BOOTSTRAP TOPIC [SETTING=VALUE]... <keys");
            System.exit(2);
        }
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("acks", "all");
        p.put("max.block.ms", "20000");
        p.put("delivery.timeout.ms", "60000");
        for (int i = 2; i < args.length; i++) {
            String[] kv = args[i].split("=", 2);
            p.put(kv[0], kv[1]);
        }
        List<String> keys = new ArrayList<>();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            for (String key = in.readLine(); key != null; key = in.readLine()) {
                keys.add(key);
                sent.add(producer.send(new ProducerRecord<>(args[1], key, key)));
            }
            producer.flush();
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (int i = 0; i < keys.size(); i++) {
            out.println(sent.get(i).get(60, TimeUnit.SECONDS).partition() + "\t" + keys.get(i));
        }
        out.flush();
    }
}
