package conf_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
)

func TestConf(t *testing.T) {
	c := conf.New().Set("b", "2").Set("a", "1").Set("c", "3").Set("a", "one")
	if got := collect(c); got != "a=one b=2 c=3" {
		t.Errorf("All = %q", got)
	}
	for name := range c.All() {
		if name != "a" {
			t.Errorf("All goes on to %q although the loop ended", name)
		}
		break
	}
	d := c.Clone().Unset("b").Unset("never set").Set("c", "4")
	if got, want := collect(d), "a=one c=4"; got != want {
		t.Errorf("the changed clone is %q, want %q", got, want)
	}
	if got := collect(c); got != "a=one b=2 c=3" {
		t.Errorf("changing the clone changed the original to %q", got)
	}
	if v, ok := c.Get("b"); v != "2" || !ok {
		t.Errorf("Get(b) = %q, %v", v, ok)
	}
	if v, ok := c.Get("z"); v != "" || ok {
		t.Errorf("Get(z) = %q, %v", v, ok)
	}
}

func collect(c *conf.Conf) string {
	var out []string
	for name, value := range c.All() {
		out = append(out, name+"="+value)
	}
	return strings.Join(out, " ")
}

// The zero Conf can be used, and a nil one can be read: options that leave the Conf out mean defaults.
func TestZeroAndNil(t *testing.T) {
	var zero conf.Conf
	zero.Unset("x")
	if got := collect(zero.Set("a", "1").Merge(nil)); got != "a=1" {
		t.Errorf("the zero Conf after Set is %q", got)
	}
	var none *conf.Conf
	if err := none.Validate(); err != nil || none.Summary() != "" || none.String() != "" ||
		collect(none) != "" {
		t.Errorf("a nil Conf does not read as empty: %v", err)
	}
	if got := conf.TaskMaxFailures.Get(none); got != 4 {
		t.Errorf("spark.task.maxFailures of a nil Conf = %d, want 4", got)
	}
	if got := collect(none.Clone().Set("a", "1")); got != "a=1" {
		t.Errorf("the clone of nil after Set is %q", got)
	}
	if got := none.Redacted("a"); got != "" {
		t.Errorf("Redacted of a nil Conf = %q", got)
	}
}

// The program wins over flags, flags win over the file.
func TestMerge(t *testing.T) {
	program := conf.New().Set("a", "program")
	flags := conf.New().Set("a", "flag").Set("b", "flag")
	file := conf.New().Set("a", "file").Set("b", "file").Set("c", "file")
	got := collect(program.Clone().Merge(flags).Merge(file))
	if want := "a=program b=flag c=file"; got != want {
		t.Errorf("merged %q, want %q", got, want)
	}
	if got := collect(flags); got != "a=flag b=flag" {
		t.Errorf("the weaker layer was changed to %q", got)
	}
}

func TestSetPair(t *testing.T) {
	for _, test := range []struct{ pair, want, fail string }{
		{pair: "spark.app.name=x", want: "spark.app.name=x"},
		{pair: " spark.app.name = x = y ", want: "spark.app.name= x = y "},
		{pair: "spark.app.name=", want: "spark.app.name="},
		{pair: "s3cr3t", fail: "--conf: a setting is given as name=value"},
		{pair: " =s3cr3t", fail: "--conf: a setting is given as name=value"},
		{pair: "", fail: "--conf: a setting is given as name=value"},
	} {
		c := conf.New()
		err := c.SetPair("--conf", test.pair)
		if got := collect(c); got != test.want || message(err) != test.fail {
			t.Errorf("SetPair(%q): %q, %q; want %q, %q", test.pair, got, message(err), test.want, test.fail)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What Validate says of a few settings at a time. Places are tested by TestValidateJoins.
var validateTests = []struct{ set, want string }{
	{"spark.task.maxFailures=1", ""},
	{"spark.task.maxFailures=0", "spark.task.maxFailures=0: must be at least 1; the default is 4"},
	{"spark.task.maxFailures=four",
		"spark.task.maxFailures=four: must be a whole number; the default is 4"},
	{"spark.task.maxFailures=99999999999",
		"spark.task.maxFailures=99999999999: the number is too large; the default is 4"},
	{"spark.task.maxFailures= ", "spark.task.maxFailures= : it is empty; remove it for the default, 4"},
	{"spark.streaming.blockInterval=200", ""},
	{"spark.streaming.blockInterval=0",
		"spark.streaming.blockInterval=0: must be whole milliseconds, at least 1ms; the default is 200ms"},
	{"spark.streaming.blockInterval=1500us",
		"spark.streaming.blockInterval=1500us: must be whole milliseconds, at least 1ms; the default is 200ms"},
	{"spark.streaming.blockInterval=5 sec",
		"spark.streaming.blockInterval=5 sec: not a duration such as 200ms, 5s, 2min or 1h: " +
			"unknown unit \"sec\"; the default is 200ms"},
	{"spark.streaming.stopGracefullyOnShutdown=TRUE", ""},
	{"spark.streaming.stopGracefullyOnShutdown=yes",
		"spark.streaming.stopGracefullyOnShutdown=yes: must be true or false; the default is true"},
	{"spark.streaming.backpressure.rateEstimator=PID", ""},
	{"spark.streaming.backpressure.rateEstimator=kalman",
		"spark.streaming.backpressure.rateEstimator=kalman: must be one of pid; the default is pid"},
	{"spark.streaming.backpressure.pid.minRate=0",
		"spark.streaming.backpressure.pid.minRate=0: must be above 0; the default is 100.0"},
	{"spark.streaming.backpressure.pid.integral=-0.1",
		"spark.streaming.backpressure.pid.integral=-0.1: must be at least 0; the default is 0.2"},
	{"spark.streaming.backpressure.pid.integral=NaN",
		"spark.streaming.backpressure.pid.integral=NaN: must be a decimal number such as 0.2; the default is 0.2"},
	{"spark.speculation.quantile=1.1", "spark.speculation.quantile=1.1: must be from 0 to 1; the default is 0.75"},
	{"weir.kafka.fetchBytes=3g",
		"weir.kafka.fetchBytes=3g: must be from 1k to 2147483647b; the default is 8m"},
	{"spark.local.dir=,", "spark.local.dir=,: must name at least one; " +
		"the default is the system's directory for temporary files"},
	{"spark.redaction.regex=(?=x)", "spark.redaction.regex=(?=x): must be a regular expression of Go's " +
		"regexp package (which has no look-ahead or back-reference): error parsing regexp: " +
		"invalid or unsupported Perl syntax: `(?=`; the default is none beyond the built-in rule"},
	{"spark.master=local[0]",
		"spark.master=local[0]: the N of local[N] must be * or 1 to 65536 threads; the default is local[*]"},
	{"spark.master=yarn", "spark.master=yarn: weir does not run on YARN: use local[N] or local[*], " +
		"for this version runs programs on one machine only; " +
		"the default is local[*]"},

	// Refused.
	{"spark.streaming.clock=org.apache.spark.util.ManualClock",
		"spark.streaming.clock=org.apache.spark.util.ManualClock: weir's tests use virtual time " +
			"(testing/synctest) and its clock cannot be replaced; remove it"},
	{"spark.streaming.clock=org.apache.spark.util.SystemClock", ""},
	{"spark.streaming.receiver.writeAheadLog.class=com.example.Log",
		"spark.streaming.receiver.writeAheadLog.class=com.example.Log: it names a Java class, " +
			"and weir runs none; remove it"},
	{"spark.streaming.checkpoint.directory=", ""},
	{"spark.streaming.checkpoint.directory=/ckpt", ""},
	{"spark.streaming.receiver.writeAheadLog.enable=false", ""},
	{"spark.streaming.receiver.writeAheadLog.enable=True", ""},
	{"weir.streaming.failedBatch=skip", ""},
	{"weir.streaming.failedBatch=skipWithState", ""},
	{"spark.io.encryption.enabled=false", ""},
	{"spark.io.encryption.enabled=true",
		"spark.io.encryption.enabled=true: weir does not encrypt what it writes to spark.local.dir; " +
			"put that on an encrypted disk, and remove this"},

	// Without a meaning, but not without a form.
	{"spark.streaming.unpersist=false", ""},
	{"spark.streaming.unpersist=maybe", "spark.streaming.unpersist=maybe: must be true or false"},
	{"spark.streaming.dynamicAllocation.enabled=true & spark.dynamicAllocation.enabled=true", ""},
	{"spark.yarn.anything.at.all=x", ""},
	{"spark.task.resource.gpu.amount=1", ""},

	// Unknown.
	{"spark.streaming.blockInterva=1s",
		"spark.streaming.blockInterva: weir knows no setting of this name; " +
			"the nearest known name is spark.streaming.blockInterval"},
	{"spark.streaming.BlockInterval=1s",
		"spark.streaming.BlockInterval: weir knows no setting of this name; " +
			"the nearest known name is spark.streaming.blockInterval"},
	{"spark.task.maxFailure=1", "spark.task.maxFailure: weir knows no setting of this name; " +
		"the nearest known name is spark.task.maxFailures"},
	{"spark.network.timeuot=1", "spark.network.timeuot: weir knows no setting of this name; " +
		"the nearest known name is spark.network.timeout"},
	{"spark.mastre=local", "spark.mastre: weir knows no setting of this name; " +
		"the nearest known name is spark.master"},
	{"spark.excutor.memory=1g", "spark.excutor.memory: weir knows no setting of this name; " +
		"the nearest known name is spark.executor.memory"},
	{"weir.kafka.failOnDataloss=1", "weir.kafka.failOnDataloss: weir knows no setting of this name; " +
		"the nearest known name is weir.kafka.failOnDataLoss"},
	{"streaming.concurrentjobs=2", "streaming.concurrentjobs: weir knows no setting of this name " +
		"(all begin with spark. or weir.; parameters of Kafka's clients go into kafka.Params); " +
		"the nearest known name is spark.streaming.concurrentJobs"},
	{"group.id=x", "group.id: weir knows no setting of this name (all begin with spark. or weir.; " +
		"parameters of Kafka's clients go into kafka.Params)"},
	{"spark.foo=1", "spark.foo: weir knows no setting of this name: correct or remove it (weir settings lists all)"},
	{"=x", "a setting needs a name"},

	// Contradictions.
	{"spark.streaming.kafka.minRatePerPartition=50 & spark.streaming.kafka.maxRatePerPartition=10",
		"spark.streaming.kafka.minRatePerPartition=50: the least is above the most, " +
			"spark.streaming.kafka.maxRatePerPartition=10: lower this one or raise that"},
	{"spark.streaming.kafka.minRatePerPartition=50 & spark.streaming.kafka.maxRatePerPartition=-1", ""},
	{"weir.memory.budget=32m", "weir.memory.budget=32m: one receiver may take more than all, " +
		"weir.receiver.memory=64m: raise this one or lower that"},
	{"weir.memory.budget=32m & weir.receiver.memory=1m & weir.kafka.fetchBytes=64m",
		"weir.memory.budget=32m: one fetch may take more than all, " +
			"weir.kafka.fetchBytes=64m: raise this one or lower that"},
}

func TestValidate(t *testing.T) {
	for _, test := range validateTests {
		c := conf.New()
		for _, pair := range nextName.Split(test.set, -1) {
			name, value, _ := strings.Cut(pair, "=")
			c.SetFrom("", name, value)
		}
		if got := message(c.Validate()); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.set, got, test.want)
		}
	}
}

// nextName separates the settings of one test.
var nextName = regexp.MustCompile(` \& `)

// TestSettingsAgree: what one setting says of another is so.
func TestSettingsAgree(t *testing.T) {
	c := conf.New().Set("spark.local.dir", t.TempDir()).Set("spark.ui.killEnabled", "true")
	if got, want := c.Summary(), "1 setting has no meaning here: spark.ui.killEnabled (weir has its own events, log "+
		"and page)"; got != want {
		t.Errorf("Summary = %s\nwant %s", got, want)
	}
	for d := range conf.Settings() {
		if d.Class == conf.NoMeaning {
			continue
		}
		for other := range conf.Settings() {
			if other.Class == conf.NoMeaning && strings.Contains(d.Doc, other.Name) {
				t.Errorf("the text of %s speaks of %s, which has no meaning: %s", d.Name, other.Name, d.Doc)
			}
		}
	}
}

// All mistakes are told at once, each with its place.
func TestValidateJoins(t *testing.T) {
	file, err := conf.Load(strings.NewReader("\nspark.task.maxFailures 0\n"), "my.conf")
	if err != nil {
		t.Fatal(err)
	}
	c := conf.New().Set("spark.default.parallelism", "-1").SetFrom("--conf", "weir.honestly", "true").Merge(file)
	got := c.Validate()
	want := regexp.MustCompile(`^\S*/conf_test\.go:\d+: spark\.default\.parallelism=-1: must be at least 1; ` +
		`the default is the threads of the master
my\.conf:2: spark\.task\.maxFailures=0: must be at least 1; the default is 4
--conf: weir\.honestly: weir knows no setting of this name; the nearest known name is weir\.honest$`)
	if got == nil || !want.MatchString(got.Error()) {
		t.Errorf("Validate = %v", got)
	}
	var e *conf.Error
	if !errors.As(got, &e) || e.Name != "spark.default.parallelism" || e.Value != "-1" {
		t.Errorf("the first part is %+v", e)
	}
}

// Every typed setting reads what it was set to.
func TestGet(t *testing.T) {
	c := conf.New()
	for _, pair := range []string{
		"spark.master=local[3,7]", "spark.app.name= my app ", "spark.network.timeout=30",
		"spark.local.dir=/a, /b,", "spark.scheduler.mode=fair", "spark.streaming.blockInterval=2min",
		"spark.streaming.receiver.maxRate=-5", "spark.streaming.gracefulStopTimeout=1H",
		"weir.memory.budget=2g", "weir.receiver.memory=131072", "weir.streaming.missedBatches=each",
		"spark.streaming.backpressure.pid.derived=.5", "spark.streaming.kafka.maxRatePerPartition=9223372036854775807",
		"spark.speculation=True",
	} {
		if err := c.SetPair("test", pair); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ got, want any }{
		{conf.MasterURL.Get(c).String(), "local[3,7]"},
		{conf.AppName.Get(c), "my app"},
		{conf.Parallelism.Get(c), 3},     // follows from the master
		{conf.TaskMaxFailures.Get(c), 7}, // so does this
		{conf.NetworkTimeout.Get(c), 30 * time.Second},
		{conf.KafkaPollTimeout.Get(c), 30 * time.Second}, // and this from the one before
		{fmt.Sprint(conf.LocalDirs.Get(c)), "[/a /b]"},
		{conf.Scheduling.Get(c), conf.FAIR},
		{conf.BlockInterval.Get(c), 2 * time.Minute},
		{conf.ReceiverMaxRate.Get(c), int64(0)},
		{conf.GracefulStopTimeout.Get(c), time.Hour},
		{conf.MemoryBudget.Get(c), conf.Bytes(2 << 30)},
		{conf.ReceiverMemory.Get(c), conf.Bytes(128 << 10)},
		{conf.Missed.Get(c), conf.EachMissed},
		{conf.PIDDerived.Get(c), 0.5},
		{conf.KafkaMaxRatePerPartition.Get(c), int64(1<<63 - 1)},
		{conf.Speculation.Get(c), true},
		{conf.StopGracefullyOnShutdown.Get(c), true},
		{conf.Failed.Get(c), conf.AutoFailed},
	} {
		if test.got != test.want {
			t.Errorf("got %v, want %v", test.got, test.want)
		}
	}
}

func TestLookup(t *testing.T) {
	c := conf.New().Set("spark.task.maxFailures", "x").Set("spark.default.parallelism", "2")
	if v, set, err := conf.TaskMaxFailures.Lookup(c); v != 4 || !set || err == nil {
		t.Errorf("Lookup of a bad value = %v, %v, %v", v, set, err)
	}
	if v := conf.TaskMaxFailures.Get(c); v != 4 {
		t.Errorf("Get of a bad value = %v, want the default", v)
	}
	if v, set, err := conf.Parallelism.Lookup(c); v != 2 || !set || err != nil {
		t.Errorf("Lookup of a good value = %v, %v, %v", v, set, err)
	}
	if v, set, err := conf.AppName.Lookup(c); v != "weir" || set || err != nil {
		t.Errorf("Lookup of a default = %v, %v, %v", v, set, err)
	}
	// A caller may write into the list he was given.
	conf.LocalDirs.Get(c)[0] = "spoilt"
	if got := conf.LocalDirs.Get(c)[0]; got != os.TempDir() {
		t.Errorf("the default of spark.local.dir became %q", got)
	}
}

// The properties files that a cluster's nodes come with start a program, and one line says what became
// of them.
func TestStockFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		c, err := conf.LoadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s does not start: %v", file, err)
		}
		count := 0
		for _, n := range c.Ignored() {
			count += len(n.Names)
		}
		all := slices.Collect(maps.Keys(maps.Collect(c.All())))
		all = slices.DeleteFunc(all, func(name string) bool { return name == "spark.ui.enabled" }) // It acts.
		if count != len(all) || count < 25 {
			t.Errorf("%s: %d of %d settings are noted", file, count, len(all))
		}
		summary := c.Summary()
		start := fmt.Sprintf("%d settings have no meaning here: ", count)
		if strings.Contains(summary, "\n") || !strings.HasPrefix(summary, start) {
			t.Errorf("%s: the summary is %q", file, summary)
		}
		if m, set, err := conf.MasterURL.Lookup(c); m.Kind != conf.Local || set || err != nil {
			t.Errorf("%s: the master is %v, %v, %v", file, m, set, err)
		}
	}
}

func TestSummary(t *testing.T) {
	c, err := conf.Load(strings.NewReader(
		"spark.master yarn\nspark.yarn.a 1\nspark.yarn.b 2\nspark.sql.warehouse.dir password=hush\n"+
			"spark.streaming.unpersist true\nspark.submit.deployMode client\nspark.yarn.c 3\nspark.task.maxFailures 3"),
		"x.conf")
	if err != nil {
		t.Fatal(err)
	}
	want := "7 settings have no meaning here: " +
		"spark.master (the properties file names the cluster manager of other programs; " +
		"tasks run on local[*] unless --master says local[N]); " +
		"spark.sql.warehouse.dir (weir has no SQL, no Structured Streaming and no machine learning); " +
		"spark.streaming.unpersist (weir drops an RDD when no window, state or open batch needs it any more); " +
		"spark.submit.deployMode, spark.yarn.* (3) (it belongs to a cluster manager, and this version of " +
		"weir runs on one machine only)"
	if got := c.Summary(); got != want {
		t.Errorf("Summary = %s\nwant %s", got, want)
	}
	flags := conf.New().SetFrom("--master", "spark.master", "local[2]").Merge(c)
	if got := conf.MasterURL.Get(flags).Threads; got != 2 || strings.Contains(flags.Summary(), "spark.master") {
		t.Errorf("the flag does not win over the file's master: %d threads, %s", got, flags.Summary())
	}
	got := conf.New().Set("spark.cores.max", "1").Summary()
	if !strings.HasPrefix(got, "1 setting has no meaning here: ") {
		t.Errorf("Summary of one = %q", got)
	}
}

func TestWriteMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := conf.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for d := range conf.Settings() {
		if strings.Count(text, "\n| `"+d.Name+"` |") != 1 {
			t.Errorf("%s has not one row of its own", d.Name)
		}
	}
	columns := 0
	for line := range strings.SplitSeq(text, "\n") {
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if !strings.HasPrefix(line, "|") {
			columns = 0
		} else if columns == 0 {
			columns = n
		} else if n != columns {
			t.Errorf("%d bars where the table has %d: %s", n, columns, line)
		}
	}
	if err := conf.WriteMarkdown(broken{}); err == nil {
		t.Error("a failed write is not told")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// No way to print a Conf shows a secret.
func TestSecrets(t *testing.T) {
	c := conf.New()
	for _, name := range []string{
		"spark.ssl.keyPassword", "spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.secret.key",
		"spark.authenticate.secret", "spark.hadoop.fs.azure.account.key.me.blob.core.windows.net",
		"spark.x.apiKey", "spark.x.accesskey", "spark.x.auth-token", "spark.x.AWSCredentials",
		"spark.x.passwd",
		"spark.kafka.clusters.a.sasl.jaas.config", "spark.mine.hush",
	} {
		c.Set(name, "s3cr3t")
	}
	c.Set("spark.redaction.regex", "hush|zzz")
	c.Set("spark.mine.other", "a zzz s3cr3t")
	c.Set("spark.driver.extraJavaOptions",
		`-Djavax.net.ssl.trustStorePassword=s3cr3t -Da.secret.key="s3cr3t x" -Xmx1g`)
	c.Set("spark.x.url", "https://me:s3cr3t@host/path")
	c.Set("spark.master", "sc://host:15002/;use_ssl=true;token=s3cr3t;user_id=me")
	c.Set("spark.sql.x", "sc://host/;%74oken=s3cr3t")
	c.Set("spark.streaming.sessionByKey.deltaChainThreshold", "20")

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("settings", "conf", c)
	for how, text := range map[string]string{
		"String": c.String(), "%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c),
		"%#v":  fmt.Sprintf("%#v", c),
		"slog": log.String(), "Summary": c.Summary(), "Validate": message(c.Validate()),
		"Master %v":  fmt.Sprintf("%v", conf.MasterURL.Get(c)),
		"Master %#v": fmt.Sprintf("%#v", conf.MasterURL.Get(c)),
	} {
		if strings.Contains(text, "s3cr3t") {
			t.Errorf("%s shows a secret: %s", how, text)
		}
	}
	for name, want := range map[string]string{
		"spark.hadoop.fs.s3a.access.key": "(redacted)",
		"spark.driver.extraJavaOptions": "-Djavax.net.ssl.trustStorePassword=(redacted) " +
			"-Da.secret.key=(redacted) -Xmx1g",
		"spark.x.url":  "https://me:(redacted)@host/path",
		"spark.master": "sc://host:15002/;use_ssl=true;token=(redacted);user_id=me",
		"spark.streaming.sessionByKey.deltaChainThreshold": "20",
		"spark.redaction.regex":                            "hush|zzz",
		"spark.not.set":                                    "",
	} {
		if got := c.Redacted(name); got != want {
			t.Errorf("Redacted(%s) = %q, want %q", name, got, want)
		}
	}
	if got := conf.MasterURL.Get(c).Params["token"]; got != "s3cr3t" {
		t.Errorf("the token for the connection is %q", got)
	}
	// An expression that cannot be read hides everything rather than nothing.
	broken := conf.New().Set("spark.redaction.regex", "(").Set("a", "s3cr3t")
	if got := broken.String(); strings.Contains(got, "s3cr3t") {
		t.Errorf("with a broken spark.redaction.regex: %s", got)
	}
	// Wrong values of secrets, and secrets in lines without a name, are not repeated by errors.
	bad := conf.New().Set("spark.master", "sc://host:99999/;token=s3cr3t").Set("weir.passwordd", "s3cr3t")
	if err := bad.Validate(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error shows a secret: %v", err)
	}
	_, err := conf.Load(strings.NewReader(`=s3cr3t\u12`), "f")
	if err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error shows a secret: %v", err)
	}
}
