package main

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// changing is what differs between runs: addresses and ids.
var changing = regexp.MustCompile(`127\.0\.0\.1:\d+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// TestTranscript runs command lines one after the other on one cluster: what they do to it and show of it.
func TestTranscript(t *testing.T) {
	k := cluster(t)
	for _, step := range []struct{ args, stdin, want string }{
		{"topics list", "", "TOPIC  PARTITIONS  REPLICATION\n"},
		{"topics list --json", "", "[]\n"},
		{"topics create lines --partitions 3 --config retention.ms=60000", "",
			"created topic lines: partitions 3, replication factor 1\n"},
		{"topics create by_default", "", "created topic by_default: partitions 2, replication factor 1\n"},
		{"topics list", "", "" +
			"TOPIC       PARTITIONS  REPLICATION\n" +
			"by_default  2           1\n" +
			"lines       3           1\n"},
		{"produce lines --partition 1 --timestamp 1700000000000 --header a=1 --header b= --key k one two", "", "" +
			"wrote 2 records to lines\n" +
			"PARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n" +
			"1          2        0             1\n"},
		{"produce lines --partition 2 --timestamp 2023-11-14T22:13:21Z --key-separator \\t", "x\tthree\n\tfour", "" +
			"wrote 2 records to lines\n" +
			"PARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n" +
			"2          2        0             1\n"},
		{"produce lines --partition 1 --timestamp 1700000002000 --null gone", "", "" +
			"wrote 1 record to lines\n" +
			"PARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n" +
			"1          1        2             2\n"},
		{"produce lines", "", "wrote 0 records to lines\n"},
		{"consume lines", "", "one\ntwo\nnull\nthree\nfour\n"},
		{"consume lines lines -n 2", "", "one\ntwo\n"},
		{"consume lines --partition 2", "", "three\nfour\n"},
		{"consume lines --partition 0,2 -n 1", "", "three\n"},
		{"consume lines --from end", "", ""},
		{"consume lines --from 1 --keys --offsets --partitions", "", "" +
			"lines-1\t1\tk\ttwo\n" +
			"lines-1\t2\tgone\tnull\n" +
			"lines-2\t1\t\tfour\n"},
		{"consume lines --from -1 --timestamps", "", "" +
			"CreateTime:2023-11-14T22:13:22.000Z\tnull\n" +
			"CreateTime:2023-11-14T22:13:21.000Z\tfour\n"},
		{"consume lines --from 3 --partition 1", "", ""},
		{"consume lines --from 2023-11-14T22:13:21Z --headers", "", "\tnull\n\tthree\n\tfour\n"},
		{"consume lines -n 1 --headers", "", "a:1,b:\tone\n"},
		{"consume lines -n 1 --json", "", `{"topic":"lines","partition":1,"offset":0,` +
			`"timestamp":"2023-11-14T22:13:20.000Z","timestamp_type":"CreateTime","key":"k","value":"one",` +
			`"headers":[{"key":"a","value":"1"},{"key":"b","value":""}]}` + "\n"},
		{"consume lines --from 2 --partition 1 --json", "", `{"topic":"lines","partition":1,"offset":2,` +
			`"timestamp":"2023-11-14T22:13:22.000Z","timestamp_type":"CreateTime","key":"gone","value":null}` + "\n"},
		{"topics describe lines", "", "" +
			"topic lines: partitions 3, replication factor 1, id *\n" +
			"retention.ms=60000\n" +
			"PARTITION  LEADER  ADDRESS  REPLICAS  ISR  START  END\n" +
			"0          0       *        0         0    0      0\n" +
			"1          0       *        0         0    0      3\n" +
			"2          0       *        0         0    0      2\n"},
		{"topics delete lines by_default --yes", "", "deleted topic lines\ndeleted topic by_default\n"},
		{"topics list --json", "", "[]\n"},
	} {
		t.Run(step.args, func(t *testing.T) {
			args := append(strings.Fields(step.args), "--brokers", "%")
			got := must(t, k, step.stdin, args...)
			if !strings.Contains(step.args, "describe") {
				if got != step.want {
					t.Errorf("got\n%s\nwant\n%s", got, step.want)
				}
				return
			}
			// Addresses have no fixed length, so the columns move.
			if got, want := squeeze(changing.ReplaceAllString(got, "*")), squeeze(step.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func squeeze(s string) string { return regexp.MustCompile(` +`).ReplaceAllString(s, " ") }

func TestTopicsJSON(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	got := changing.ReplaceAllString(must(t, k, "", "topics", "describe", "lines", "--json", "--brokers", "%"), "*")
	want := `[
  {
    "name": "lines",
    "id": "*",
    "internal": false,
    "partition_count": 1,
    "replication_factor": 1,
    "partitions": [
      {
        "partition": 0,
        "leader": 0,
        "address": "*",
        "replicas": [
          0
        ],
        "isr": [
          0
        ],
        "start_offset": 0,
        "end_offset": 0
      }
    ]
  }
]
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOffsetsShow(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(2, "lines", "other"))
	must(t, k, "", "produce", "lines", "--partition", "0", "a", "b", "c", "--brokers", "%")
	c := client(t, k)
	commits := kadm.Offsets{}
	commits.AddOffset("lines", 0, 1, -1)
	if err := kadm.NewClient(c).CommitAllOffsets(t.Context(), "g", commits); err != nil {
		t.Fatal(err)
	}
	rows := "" +
		"TOPIC  PARTITION  COMMITTED  START  END  LAG\n" +
		"lines  0          1          0      3    2\n" +
		"lines  1          -          0      0    -\n"
	if got, want := must(t, k, "", "offsets", "show", "g", "--brokers", "%"),
		"group g: state Empty, members 0, lag 2\n"+rows; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := must(t, k, "", "offsets", "show", "g", "--topic", "other", "--brokers", "%"), ""+
		"group g: state Empty, members 0, lag 0\n"+
		"TOPIC  PARTITION  COMMITTED  START  END  LAG\n"+
		"other  0          -          0      0    -\n"+
		"other  1          -          0      0    -\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want := `{"topic":"lines","partition":0,"committed":1,"start_offset":0,"end_offset":3,"lag":2}`
	got := must(t, k, "", "offsets", "show", "g", "--json", "--brokers", "%")
	if squeezed := strings.NewReplacer(" ", "", "\n", "").Replace(got); !strings.Contains(squeezed, want) {
		t.Errorf("got\n%s\nwhich lacks %s", got, want)
	}
	weirOn(t, k, "", "offsets", "show", "nothing", "--brokers", "%").wants(t, 1, `group "nothing" does not exist`)
	weirOn(t, k, "", "offsets", "show", "g", "--topic", "othr", "--brokers", "%").wants(t, 1,
		`topic "othr" does not exist`, `is "other" meant?`)
}

// TestOffsetsReset is a transcript: what the commands do to groups, and say of them.
func TestOffsetsReset(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(2, "lines"))
	for _, step := range []struct {
		args, want string
		code       int
		err        []string
	}{
		{args: "offsets list", want: "GROUP  STATE\n"},
		{args: "offsets list --json", want: "[]\n"},
		{args: "produce lines --partition 0 --timestamp 1700000000000 a b", want: "" +
			"wrote 2 records to lines\nPARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n0          2        0             1\n"},
		{args: "produce lines --partition 0 --timestamp 1700000002000 c", want: "" +
			"wrote 1 record to lines\nPARTITION  RECORDS  FIRST OFFSET  LAST OFFSET\n0          1        2             2\n"},
		{args: "offsets reset wordcount --topic lines --to latest", code: 1,
			err: []string{`group "wordcount" does not exist`, "add --new"}},
		{args: "offsets reset wordcount --new --topic lines --to latest", want: "" +
			"group wordcount goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\n" +
			"lines  0          -       3\n" +
			"lines  1          -       0\n"},
		{args: "offsets list", want: "GROUP      STATE\nwordcount  Empty\n"},
		{args: "offsets reset wordcount --topic lines --to earliest --dry-run", want: "" +
			"group wordcount would go on there; nothing was committed (--dry-run):\n" +
			"TOPIC  PARTITION  BEFORE  NOW\n" +
			"lines  0          3       0\n" +
			"lines  1          0       0\n"},
		{args: "offsets reset wordcount --topic lines --partition 0 --to 1", want: "" +
			"group wordcount goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\n" +
			"lines  0          3       1\n"},
		{args: "offsets reset wordcount --topic lines --at 2023-11-14T22:13:21Z", want: "" +
			"group wordcount goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\n" +
			"lines  0          1       2\n" +
			"lines  1          0       0\n"},
		{args: "offsets reset wordcount --topic lines --to -2", want: "" +
			"group wordcount goes on there:\n" +
			"TOPIC  PARTITION  BEFORE  NOW\n" +
			"lines  0          2       1\n" +
			"lines  1          0       0\n"},
		{args: "offsets reset wordcount --topic lines --to 3", code: 1,
			err: []string{"lines-1 holds offsets from 0 up to 0", "cannot go on at 3", "--partition"}},
		{args: "offsets show wordcount", want: "" +
			"group wordcount: state Empty, members 0, lag 2\n" +
			"TOPIC  PARTITION  COMMITTED  START  END  LAG\n" +
			"lines  0          1          0      3    2\n" +
			"lines  1          0          0      0    0\n"},
		{args: "offsets reset wordcuont --topic lines --to latest", code: 1,
			err: []string{`weir: is group "wordcount" meant?`}},
		{args: "offsets show wordcont", code: 1, err: []string{`weir: is group "wordcount" meant?`}},
		{args: "offsets reset wordcount --topic linse --to latest", code: 1, err: []string{`is "lines" meant?`}},
		{args: "offsets reset wordcount --topic lines --partition 7 --to latest", code: 1,
			err: []string{"no partition 7"}},
		{args: "offsets list --json", want: "[\n  {\n    \"group\": \"wordcount\",\n    \"state\": \"Empty\"\n  }\n]\n"},
	} {
		t.Run(step.args, func(t *testing.T) {
			r := weirOn(t, k, "", append(strings.Fields(step.args), "--brokers", "%")...)
			r.wants(t, step.code, step.err...)
			if r.out != step.want {
				t.Errorf("got\n%s\nwant\n%s", r.out, step.want)
			}
		})
	}
}

// A live member is shown, and where it is, and keeps the group's offsets from being reset.
func TestOffsetsShowMembers(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("lines"),
		kgo.ClientID("somebody"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must(t, k, "", "produce", "lines", "a", "--brokers", "%")
	c.PollFetches(t.Context()) // It has joined when it is given a record.
	got := must(t, k, "", "offsets", "show", "g", "--brokers", "%")
	if !regexp.MustCompile(`group g: state Stable, members 1, lag 0\nmember \S+: client somebody at \S*127\.0\.0\.1`).MatchString(got) {
		t.Errorf("got\n%s", got)
	}
	weirOn(t, k, "", "offsets", "reset", "g", "--topic", "lines", "--to", "earliest", "--brokers", "%").wants(t, 1,
		`group "g" has live members`, "client somebody at", "end them first")
}

// A partition without a leader is shown as such, and nobody is asked where it ends.
func TestDescribeWithoutLeader(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	host, port, err := net.SplitHostPort(k.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	k.ControlKey(int16(kmsg.Metadata), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := kreq.(*kmsg.MetadataRequest)
		if len(req.Topics) == 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		broker := kmsg.NewMetadataResponseBroker()
		broker.Host, broker.Port = host, int32(number)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = req.Topics[0].Topic
		part := kmsg.NewMetadataResponseTopicPartition()
		part.ErrorCode, part.Leader, part.Replicas = kerr.LeaderNotAvailable.Code, -1, []int32{3, 4}
		topic.Partitions = append(topic.Partitions, part)
		resp.Brokers, resp.Topics = append(resp.Brokers, broker), append(resp.Topics, topic)
		return resp, nil, true
	})
	got := must(t, k, "", "topics", "describe", "lines", "--brokers", "%")
	if want := "" +
		"topic lines: partitions 1, replication factor 2\n" +
		"PARTITION  LEADER  ADDRESS  REPLICAS  ISR  START  END\n" +
		"0          -       -        3,4            -      -\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What goes wrong on the cluster is code 1 and a line for each error, with the remedy.
func TestFailures(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(2, "lines"))
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"consume lins", []string{`topic "lins" does not exist`, `is "lines" meant?`}},
		{"consume lins --follow", []string{`topic "lins" does not exist`}},
		{"consume lines --partition 7", []string{`topic "lines" has no partition 7, only 0 to 1`}},
		{"produce lins v", []string{`topic "lins" does not exist`, "weir topics create", `is "lines" meant?`}},
		{"demo --topic lins --for 2s", []string{`topic "lins" does not exist`, `is "lines" meant?`}},
		{"offsets reset g --new --topic lins --to latest", []string{`is "lines" meant?`}},
		{"produce lines v --partition 2", []string{`topic "lines" has no partition 2, only 0 to 1`}},
		{"produce lins v --partition 2", []string{`topic "lins" does not exist`, `is "lines" meant?`}},
		{"topics create lines", []string{`topic "lines" exists already`}},
		{"topics create no/slash", []string{"no/slash", "letters, digits"}},
		{"topics create big --replication-factor 3", []string{`would not create topic "big"`, "number of brokers"}},
		{"topics describe lins nothing_like_it", []string{`topic "lins"`, `topic "nothing_like_it"`, `"lines" meant?`}},
		{"topics delete lins --yes", []string{`topic "lins" does not exist`, `"lines" meant?`}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := weirOn(t, k, "", append(strings.Fields(tt.args), "--brokers", "%")...)
			r.wants(t, 1, tt.want...)
			for line := range strings.Lines(r.err) {
				if !strings.HasPrefix(line, "weir: ") {
					t.Errorf("the line %q does not begin with weir:", line)
				}
			}
		})
	}
}

// Nobody listens there: each command says so, where, and what to check.
func TestUnreachable(t *testing.T) {
	k := cluster(t)
	address := k.ListenAddrs()[0]
	k.Close()
	for _, args := range []string{
		"topics list", "offsets show g", "consume t", "produce t v", "demo --for 2s",
	} {
		r := weirIn(t.Context(), nil, append(strings.Fields(args), "--brokers", address)...)
		r.wants(t, 1, "be reached", address, "check ")
		if strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: the error has several lines: %q", args, r.err)
		}
	}
}

// TestSignIn signs in by a file of parameters, as CKafka's users do, and shows what a wrong password comes to.
func TestSignIn(t *testing.T) {
	const user, password = "ckafka-ab12cd#alice", "open sesame"
	k := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password), kfake.SeedTopics(1, "lines"))
	config := func(password string) string {
		return file(t, "client.properties", "# a job's parameters\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"+
			`sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \`+"\n"+
			`  username="`+user+`" password="`+password+"\";\n"+
			"group.id=a_job\nenable.auto.commit=true\nacks=all\n"+
			"key.deserializer=org.apache.kafka.common.serialization.StringDeserializer\n"+
			"value.serializer=org.apache.kafka.common.serialization.StringSerializer\n")
	}
	good, bad := config(password), config("guess")
	weirOn(t, k, "", "produce", "lines", "hello", "--brokers", "%", "--command-config", good).
		wants(t, 0, "weir: warning: ", "sends the password readable over the network")
	for _, args := range [][]string{{"consume", "lines"}, {"consume", "lines", "--follow", "-n", "1"}} {
		args = append(args, "--command-config", good, "--param", "bootstrap.servers=%")
		r := weirOn(t, k, "", args...)
		r.wants(t, 0, "weir: warning: ", "sends the password readable over the network")
		if r.out != "hello\n" {
			t.Errorf("%v gave %q", args, r.out)
		}
	}
	// Nothing was committed to the group that the file names.
	weirOn(t, k, "", "offsets", "show", "a_job", "--brokers", "%", "--command-config", good).wants(t, 1, "does not exist")
	for _, args := range []string{
		"topics list", "topics create t", "offsets show g", "consume lines", "consume lines --follow", "produce lines v",
		"demo --for 2s",
	} {
		args := append(strings.Fields(args), "--brokers", "%", "--command-config", bad)
		r := weirOn(t, k, "", args...)
		r.wants(t, 1, "weir: Kafka: ", user, "check username and password")
		if strings.Count(r.err, "\n") != 1 || strings.Contains(r.err, "guess") {
			t.Errorf("%v: the error is %q", args, r.err)
		}
	}
	weirOn(t, k, "", "topics", "list", "--brokers", "%").wants(t, 1, "sign in", "SASL_PLAINTEXT")
}
