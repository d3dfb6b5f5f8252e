package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestOpen(t *testing.T) {
	c := open(t, to(cluster(t, kfake.SeedTopics(3, "t"), kfake.NumBrokers(3))))
	if c.Version().Generation != V010 || !c.Version().Supports(kmsg.Metadata, 4) {
		t.Errorf("version %v", c.Version())
	}
	m, err := c.Metadata(t.Context(), []string{"t"})
	if err != nil || len(m.Brokers) != 3 || len(m.Topics["t"].Partitions) != 3 {
		t.Errorf("got %+v, %v", m, err)
	}
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestOpenUnreachable(t *testing.T) {
	a, b := closedPort(t), closedPort(t)
	err := openErr(t, with("bootstrap.servers", a+","+b))
	wantError(t, err, Unreachable, a+": ", b+": ", "connection refused", "bootstrap.servers")
	if n := strings.Count(err.Error(), "connection refused"); n != 2 {
		t.Errorf("%d of 2 addresses have their error: %v", n, err)
	}
	wantError(t, openErr(t, with("bootstrap.servers", "weir-test.invalid:9092")), HostUnknown,
		"weir-test.invalid")
	err = openErr(t, with("bootstrap.servers", "weir-test.invalid:9092,"+a))
	wantError(t, err, Unreachable, "weir-test.invalid:9092: ", "connection refused")
}

func TestOpenUsesWhicheverAddressAnswers(t *testing.T) {
	k := cluster(t)
	open(t, with("bootstrap.servers", closedPort(t)+","+k.ListenAddrs()[0]+","+closedPort(t)))
}

// A port that takes connections and never says a word.
func TestOpenSilentPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := mustParse(t, Consumer, with("bootstrap.servers", l.Addr().String()))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = Open(ctx, cfg)
	wantError(t, err, TimedOut, l.Addr().String())
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("took %v", d)
	}
	// A silent address must not keep one that answers from being found.
	k := cluster(t)
	open(t, with("bootstrap.servers", l.Addr().String()+","+k.ListenAddrs()[0]))
}

func TestOpenNotKafka(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4))
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_ = conn.Close()
		}
	}()
	wantError(t, openErr(t, with("bootstrap.servers", l.Addr().String())), NotKafka, l.Addr().String())
}

// The cluster answers at its bootstrap address and advertises another.
func TestOpenAdvertisedUnreachable(t *testing.T) {
	k := cluster(t)
	dead := closedPort(t)
	host, port, _ := net.SplitHostPort(dead)
	n, _ := strconv.Atoi(port)
	k.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = 7, host, int32(n)
		resp.Brokers = append(resp.Brokers, b)
		return resp, nil, true
	})
	err := openErr(t, to(k))
	wantError(t, err, AdvertisedUnreachable, k.ListenAddrs()[0], dead, "node 7", "advertised.listeners")
}

func TestOpenTLSMixups(t *testing.T) {
	a := newAuthority(t)
	secured := cluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{a.server(t, "127.0.0.1")}}))
	wantError(t, openErr(t, to(secured)), TLSExpected, "security.protocol is PLAINTEXT",
		"set security.protocol to SSL ")
	// The fake takes the greeting for a long request and waits for the rest; Kafka closes the connection.
	plain := to(cluster(t), "security.protocol", "SSL", "socket.connection.setup.timeout.ms", "300")
	wantError(t, openErr(t, plain), TLSUnexpected, "security.protocol is SSL", "PLAINTEXT")
}

func TestOpenSASL(t *testing.T) {
	const user = "ckafka-ab12cd#alice"
	jaas := func(module, pass string) string {
		return fmt.Sprintf(`org.apache.kafka.common.security.%s required username="%s" password="%s";`,
			module, user, pass)
	}
	k := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", user, `p"w\d`),
		kfake.Superuser("SCRAM-SHA-256", user, "256"), kfake.Superuser("SCRAM-SHA-512", user, "512"))
	for mechanism, config := range map[string]string{
		"PLAIN":         jaas("plain.PlainLoginModule", `p\"w\\d`),
		"SCRAM-SHA-256": jaas("scram.ScramLoginModule", "256"),
		"SCRAM-SHA-512": jaas("scram.ScramLoginModule", "${file:"+writeFile(t, "pw", []byte("512\n"))+"}"),
	} {
		t.Run(mechanism, func(t *testing.T) {
			params := to(k, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", mechanism,
				"sasl.jaas.config", config)
			c := open(t, params)
			if _, err := c.Metadata(t.Context(), nil); err != nil {
				t.Error(err)
			}
			// The fake closes the connection at a wrong password, as brokers up to 0.11 do.
			params["sasl.jaas.config"] = jaas(strings.Split(config, ".")[5]+"."+modules[mechanism], "wrong")
			wantError(t, openErr(t, params), AuthenticationFailed, user, "sasl.jaas.config", k.ListenAddrs()[0])
		})
	}
	wantError(t, openErr(t, to(k)), SASLExpected, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", "SASL_PLAINTEXT")
	err := openErr(t, to(k, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "OAUTHBEARER",
		"sasl.oauthbearer.token.endpoint.url", "file://"+writeFile(t, "token", []byte("x"))))
	wantError(t, err, MechanismUnsupported, "OAUTHBEARER", "it offers PLAIN, SCRAM-SHA-256, SCRAM-SHA-512")
}

// Only of brokers that do not say why is it said that they close the connection at a wrong password.
func TestClosedRemedy(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{"0.10.2": kversion.V0_10_2(), "4.0": kversion.V4_0_0()} {
		got := closedRemedy(Version{Generation: V010, Name: name, max: versions})
		if strings.Contains(got, "up to 0.11") != (name == "0.10.2") || !strings.Contains(got, "sasl.jaas.config") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What brokers say since 1.0.
func TestOpenSASLErrors(t *testing.T) {
	params := func(k *kfake.Cluster) map[string]string {
		return to(k, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN", "sasl.jaas.config",
			`x.PlainLoginModule required username="bob" password="hunter2";`)
	}
	k := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "bob", "hunter2"))
	k.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = kmsg.StringPtr("Authentication failed: Invalid username or password")
		return resp, nil, true
	})
	err := openErr(t, params(k))
	wantError(t, err, AuthenticationFailed, `user "bob"`, "Invalid username or password", "sasl.jaas.config")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password shows: %v", err)
	}
	k = cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "bob", "hunter2"))
	k.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, nil, true
	})
	wantError(t, openErr(t, params(k)), SASLUnexpected, "without SASL_")
}

// oldAnswers returns what a broker of 0.9, or with old of 0.8.2, answers. It knows one topic, t, with one
// partition; brokers that are named are given by node.
func oldAnswers(old bool, self func() string) func(kmsg.Request) kmsg.Response {
	return func(kreq kmsg.Request) kmsg.Response {
		max := map[int16]int16{2: 0, 3: 0, 8: 2, 9: 1, 10: 0, 15: 0, 16: 0}
		if old {
			max = map[int16]int16{2: 0, 3: 0, 8: 1, 9: 1, 10: 0}
		}
		if v, ok := max[kreq.Key()]; !ok || kreq.GetVersion() > v {
			return nil
		}
		host, port, _ := net.SplitHostPort(self())
		n, _ := strconv.Atoi(port)
		resp := kreq.ResponseKind()
		switch r := resp.(type) {
		case *kmsg.MetadataResponse:
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = 1, host, int32(n)
			r.Brokers = append(r.Brokers, b)
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic = kmsg.StringPtr("t")
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Leader, p.Replicas, p.ISR, p.ErrorCode = 1, []int32{1, 2}, []int32{1},
				kerr.ReplicaNotAvailable.Code
			topic.Partitions = append(topic.Partitions, p)
			r.Topics = append(r.Topics, topic)
		case *kmsg.ListOffsetsResponse:
			for _, t := range kreq.(*kmsg.ListOffsetsRequest).Topics {
				rt := kmsg.NewListOffsetsResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewListOffsetsResponseTopicPartition()
					rp.Partition = p.Partition
					rp.OldStyleOffsets = []int64{map[int64]int64{-1: 42, -2: 7}[p.Timestamp]}
					rt.Partitions = append(rt.Partitions, rp)
				}
				r.Topics = append(r.Topics, rt)
			}
		case *kmsg.FindCoordinatorResponse:
			r.NodeID, r.Host, r.Port = 1, host, int32(n)
		case *kmsg.OffsetFetchResponse:
			for _, t := range kreq.(*kmsg.OffsetFetchRequest).Topics {
				rt := kmsg.NewOffsetFetchResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetFetchResponseTopicPartition()
					rp.Partition, rp.Offset, rp.Metadata = p, 11, kmsg.StringPtr("m")
					rt.Partitions = append(rt.Partitions, rp)
				}
				r.Topics = append(r.Topics, rt)
			}
		case *kmsg.OffsetCommitResponse:
			for _, t := range kreq.(*kmsg.OffsetCommitRequest).Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetCommitResponseTopicPartition()
					rp.Partition = p.Partition
					rt.Partitions = append(rt.Partitions, rp)
				}
				r.Topics = append(r.Topics, rt)
			}
		case *kmsg.DescribeGroupsResponse:
			g := kmsg.NewDescribeGroupsResponseGroup()
			g.Group, g.State = kreq.(*kmsg.DescribeGroupsRequest).Groups[0], "Dead"
			r.Groups = append(r.Groups, g)
		}
		return resp
	}
}

func TestOldBrokers(t *testing.T) {
	for _, old := range []bool{true, false} {
		t.Run(map[bool]string{true: "0.8.2", false: "0.9"}[old], func(t *testing.T) {
			var b *oldBroker
			ready := make(chan struct{})
			b = startOldBroker(t, func(req kmsg.Request) kmsg.Response {
				<-ready
				return oldAnswers(old, func() string { return b.addr })(req)
			})
			close(ready)
			c := open(t, with("bootstrap.servers", b.addr))
			want, state := V09, GroupDead
			if old {
				want, state = V08, GroupUnknown
			}
			if c.Version().Generation != want {
				t.Fatalf("generation %d, want %d", c.Version().Generation, want)
			}
			ctx := t.Context()
			tp := TopicPartition{"t", 0}
			m, err := c.Metadata(ctx, []string{"t", "none"})
			if err != nil || len(m.Topics) != 2 || m.Topics["t"].Partitions[0].Err != nil {
				t.Errorf("metadata %+v, %v", m, err)
			}
			wantError(t, m.Topics["none"].Err, NoTopic, "none")
			for spec, want := range map[OffsetSpec]int64{Latest: 42, Earliest: 7} {
				got, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{tp: spec}, ReadUncommitted)
				if err != nil || got[tp] != (ListedOffset{Offset: want, LeaderEpoch: -1, Timestamp: -1}) {
					t.Errorf("offset %+v, %v", got, err)
				}
			}
			got, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{tp: AtTime(time.Now())},
				ReadUncommitted)
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, got[tp].Err, TooOld, "0.10.1")
			offsets, err := c.FetchOffsets(ctx, "g", []TopicPartition{tp}, true)
			if err != nil || offsets[tp] != (CommittedOffset{Offset: 11, LeaderEpoch: -1, Metadata: "m"}) {
				t.Errorf("committed %+v, %v", offsets, err)
			}
			if err := c.CommitOffsets(ctx, "g",
				map[TopicPartition]OffsetToCommit{tp: {Offset: 1}}); err != nil {
				t.Error(err)
			}
			if g, err := c.DescribeGroup(ctx, "g"); err != nil || g.State != state || g.Live() {
				t.Errorf("group %+v, %v", g, err)
			}
			ends, err := c.OffsetForLeaderEpoch(ctx, map[TopicPartition]int32{tp: 1})
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, ends[tp].Err, TooOld, "2.1")
		})
	}
}

// A broker of 0.8.2 names no broker before its first topic.
func TestOldBrokerWithoutTopics(t *testing.T) {
	b := startOldBroker(t, func(req kmsg.Request) kmsg.Response {
		if req.Key() != int16(kmsg.Metadata) || req.GetVersion() > 0 {
			return nil
		}
		return req.ResponseKind()
	})
	c := open(t, with("bootstrap.servers", b.addr))
	if c.Version().Generation != V08 {
		t.Errorf("version %v", c.Version())
	}
	if got := b.requests(); !slices.Equal(got[:3], []string{"ApiVersions", "ListGroups", "Metadata"}) {
		t.Errorf("requests %v", got)
	}
}

// In virtual time: a broker of 0.9 keeps silent about the question that it does not know.
func TestSilentOldBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		l, err := network.Listen("tcp", "127.0.0.1:9092")
		if err != nil {
			t.Fatal(err)
		}
		b := &oldBroker{addr: "127.0.0.1:9092", swallow: kmsg.ApiVersions}
		b.answer = oldAnswers(false, func() string { return b.addr })
		b.listen(t, l)
		begin := time.Now()
		c, err := Open(t.Context(), mustParse(t, Consumer, with("bootstrap.servers", b.addr)),
			kgo.Dialer(network.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if d := time.Since(begin); c.Version().Generation != V09 || d > oldPatience+time.Second {
			t.Errorf("version %v after %v", c.Version(), d)
		}
	})
}

func TestOldBrokerRefusesSASL(t *testing.T) {
	b := startOldBroker(t, oldAnswers(false, func() string { return "127.0.0.1:1" }))
	err := openErr(t, with("bootstrap.servers", b.addr, "security.protocol", "SASL_PLAINTEXT",
		"sasl.mechanism", "PLAIN",
		"sasl.jaas.config", `x.PlainLoginModule required username="bob" password="x";`))
	wantError(t, err, TooOld, "0.9", "PLAIN")
}

func TestOpenNoTLSFromOwnDialer(t *testing.T) {
	k := cluster(t)
	cfg := mustParse(t, Consumer, to(k, "security.protocol", "SSL"))
	_, err := Open(t.Context(), cfg, kgo.Dialer((&net.Dialer{}).DialContext))
	wantError(t, err, Other, "without TLS", "tls.Conn")
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, mustParse(t, Consumer, to(cluster(t))))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// In virtual time: nothing waits longer than 15 s, whatever the network swallows, and nothing is left.
func TestOpenEndsInTime(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	silent := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		return ours, nil
	}
	deaf := func(context.Context, string, string) (net.Conn, error) {
		<-time.After(time.Minute) // a dialer that does not look at its context
		return nil, errors.New("late")
	}
	for name, dial := range map[string]dialFunc{"dial hangs": hang, "dialer is deaf": deaf,
		"broker is silent": silent} {
		for _, protocol := range []string{"PLAINTEXT", "SSL"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := mustParse(t, Consumer, with("bootstrap.servers", "a:1,b:2", "security.protocol",
						protocol,
						"request.timeout.ms", "300000", "default.api.timeout.ms", "600000",
						"socket.connection.setup.timeout.ms", "300000"))
					cfg.Dial = dial
					begin := time.Now()
					_, err := Open(t.Context(), cfg)
					if d := time.Since(begin); err == nil || d > startLimit {
						t.Errorf("took %v: %v", d, err)
					}
					time.Sleep(time.Hour) // whatever was abandoned has ended by then, or the bubble complains
				})
			})
		}
	}
}

// In virtual time, over pipes: a client that was closed leaves no goroutine, or the bubble would not end.
func TestCloseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		k, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(3, "t"), kfake.Ports(9092, 9093, 9094),
			kfake.ListenFn(network.Listen))
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		cfg := mustParse(t, Consumer, to(k))
		c, err := Open(t.Context(), cfg, kgo.Dialer(network.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		defer close(release)
		k.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			k.SleepControl(func() { <-release })
			return nil, nil, false
		})
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		begin := time.Now()
		got, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{{"t", 0}: Latest}, ReadUncommitted)
		if err != nil || time.Since(begin) > 4*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		wantError(t, got[TopicPartition{"t", 0}].Err, TimedOut)
		c.Close()
		c.Close()
		if _, err := c.Metadata(t.Context(), nil); !errors.Is(err, kgo.ErrClientClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// On real sockets: goroutines are back to where they were.
func TestGoroutinesEnd(t *testing.T) {
	k := cluster(t)
	before := runtime.NumGoroutine()
	for range 3 {
		c, err := Open(t.Context(), mustParse(t, Consumer, to(k)))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+2 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}
