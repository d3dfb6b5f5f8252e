package conf_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
)

func TestParseDuration(t *testing.T) {
	for _, test := range []struct {
		text, bare string
		want       time.Duration
		fail       string
	}{
		{text: "200ms", want: 200 * time.Millisecond},
		{text: "250us", want: 250 * time.Microsecond},
		{text: "5s", want: 5 * time.Second},
		{text: "2m", want: 2 * time.Minute},
		{text: " 2MIN ", want: 2 * time.Minute},
		{text: "1h", want: time.Hour},
		{text: "3d", want: 72 * time.Hour},
		{text: "5", bare: "ms", want: 5 * time.Millisecond},
		{text: "5", bare: "s", want: 5 * time.Second},
		{text: "0", bare: "s"},
		{text: "-5s", want: -5 * time.Second},
		{text: "", bare: "s", fail: "it is empty"},
		{text: "ms", fail: "it has no number"},
		{text: "5", fail: `unknown unit ""`},
		{text: "5 s", fail: "must be a whole number"},
		{text: "5w", fail: `unknown unit "w"`},
		{text: "1.5s", fail: "fractions are not allowed, use a smaller unit"},
		{text: "+5s", fail: "a number has no plus sign here"},
		{text: "--5s", fail: "must be a whole number"},
		{text: "0x5s", fail: "must be a whole number"},
		{text: "5s5", bare: "s", fail: "must be a whole number"},
		{text: "99999999999999999999s", fail: "the number is too large"},
		{text: "106751d", want: 106751 * 24 * time.Hour},
		{text: "106752d", fail: "the number is too large"},
		{text: "-106752d", fail: "the number is too large"},
	} {
		got, err := conf.ParseDuration(test.text, test.bare)
		if test.fail != "" {
			test.fail = "not a duration such as 200ms, 5s, 2min or 1h: " + test.fail
		}
		if got != test.want || message(err) != test.fail {
			t.Errorf("ParseDuration(%q, %q) = %v, %v; want %v, %s", test.text, test.bare, got, err, test.want, test.fail)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for _, test := range []struct {
		text, bare string
		want       conf.Bytes
		again      string
		fail       string
	}{
		{text: "8k", want: 8192, again: "8k"},
		{text: "512m", want: 512 << 20, again: "512m"},
		{text: "1G", want: 1 << 30, again: "1g"},
		{text: "2tb", want: 2 << 40, again: "2t"},
		{text: "1PB", want: 1 << 50, again: "1p"},
		{text: "100b", want: 100, again: "100b"},
		{text: "1025", bare: "b", want: 1025, again: "1025b"},
		{text: "1024", bare: "k", want: 1 << 20, again: "1m"},
		{text: "0", bare: "m", again: "0b"},
		{text: "-1k", again: "0b", fail: "a size cannot be negative"},
		{text: "1.5g", again: "0b", fail: "fractions are not allowed, use a smaller unit"},
		{text: "1gib", again: "0b", fail: `unknown unit "gib"`},
		{text: "8192p", again: "0b", fail: "the number is too large"},
	} {
		got, err := conf.ParseBytes(test.text, test.bare)
		if test.fail != "" {
			test.fail = "not a size such as 512m, 8k or 1g: " + test.fail
		}
		if got != test.want || message(err) != test.fail || got.String() != test.again {
			t.Errorf("ParseBytes(%q, %q) = %v, %v; want %s, %s", test.text, test.bare, got, err, test.again, test.fail)
		}
	}
}

// Every size is read back from its own text.
func FuzzBytes(f *testing.F) {
	for _, n := range []int64{0, 1, 1023, 1024, 3 << 20, 1<<63 - 1} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 {
			return
		}
		if got, err := conf.ParseBytes(conf.Bytes(n).String(), ""); err != nil || got != conf.Bytes(n) {
			t.Errorf("%d is written as %s and read as %d, %v", n, conf.Bytes(n), got, err)
		}
	})
}

func TestParseMaster(t *testing.T) {
	all := runtime.GOMAXPROCS(0)
	for _, test := range []struct {
		text string
		want conf.Master
		show string
	}{
		{"local", conf.Master{Threads: 1}, "local[1]"},
		{" local[4] ", conf.Master{Threads: 4}, "local[4]"},
		{"local[*]", conf.Master{Threads: all}, ""},
		{"local[ * , 3 ]", conf.Master{Threads: all, MaxFailures: 3}, ""},
		{"local[2,1]", conf.Master{Threads: 2, MaxFailures: 1}, "local[2,1]"},
		{"sc://spark.example.com:15003", conf.Master{Kind: conf.Connect, Host: "spark.example.com", Port: 15003},
			"sc://spark.example.com:15003"},
		{"sc://h/", conf.Master{Kind: conf.Connect, Host: "h", Port: 15002}, "sc://h:15002"},
		{"sc://[::1]:7/;use_ssl=true;;token=a%3Bb", conf.Master{Kind: conf.Connect, Host: "::1", Port: 7,
			Params: map[string]string{"use_ssl": "true", "token": "a;b"}}, "sc://[::1]:7"},
	} {
		got, err := conf.ParseMaster(test.text)
		same := got.Kind == test.want.Kind && got.Threads == test.want.Threads && got.Host == test.want.Host &&
			got.Port == test.want.Port && got.MaxFailures == test.want.MaxFailures &&
			len(got.Params) == len(test.want.Params)
		for name, value := range test.want.Params {
			same = same && got.Params[name] == value
		}
		if err != nil || !same || test.show != "" && got.String() != test.show {
			t.Errorf("ParseMaster(%q) = %#v, %v; want %#v", test.text, got, err, test.want)
		}
	}
}

func TestParseMasterErrors(t *testing.T) {
	const use = "use local[N] or local[*], for this version runs programs on one machine only"
	const count = "the N of local[N] must be * or 1 to 65536 threads"
	const failures = "the F of local[N,F], how often a task may fail, must be 1 or more"
	const host = "the host of a Spark Connect URL must be a name or an address (an IPv6 address in brackets)"
	const form = "a Spark Connect URL is sc://host:port, with parameters after /;"
	const params = "the parameters of a Spark Connect URL are ;name=value, percent-encoded"
	for text, want := range map[string]string{
		"":                       "not a master: " + use,
		"Local":                  "not a master: " + use,
		"localhost":              "not a master: " + use,
		"yarn":                   "weir does not run on YARN: " + use,
		"yarn-client":            "weir does not run on YARN: " + use,
		"spark://h:7077":         "weir does not run on a Spark standalone master: " + use,
		"k8s://https://h:443":    "weir does not run on Kubernetes: " + use,
		"mesos://h:5050":         "weir does not run on Mesos: " + use,
		"local-cluster[2,1,512]": "weir does not run on a local-cluster: " + use,
		"local[":                 "local[ is not closed by ]",
		"local[4":                "local[ is not closed by ]",
		"local[]":                count,
		"local[0]":               count,
		"local[-1]":              count,
		"local[+1]":              count,
		"local[65537]":           count,
		"local[4]]":              count,
		"local[4,0]":             failures,
		"local[4,*]":             failures,
		"local[4,1,1]":           failures,
		"sc://":                  "a Spark Connect URL needs a host: sc://host:15002",
		"sc://:15002":            "a Spark Connect URL needs a host: sc://host:15002",
		"sc://h:0":               "the port of a Spark Connect URL must be 1 to 65535",
		"sc://h:65536":           "the port of a Spark Connect URL must be 1 to 65535",
		"sc://h:x":               "not a Spark Connect URL; it has the form sc://host:port/;name=value",
		"sc://::1":               host,
		"sc://a b":               "not a Spark Connect URL; it has the form sc://host:port/;name=value",
		"sc://h%C3%A4":           host,
		"sc://[fe80::1%25eth0]":  host,
		"sc://h/path":            form,
		"sc://h?x=1":             form,
		"sc://me:pw@h":           form,
		"sc://h/;token":          params,
		"sc://h/;=x":             params,
		"sc://h/;token=%zz":      params,
	} {
		if _, err := conf.ParseMaster(text); message(err) != want {
			t.Errorf("ParseMaster(%q):\n got %v\nwant %s", text, err, want)
		}
	}
}

// A master is read back from its own text, and its text shows no parameter.
func FuzzParseMaster(f *testing.F) {
	for _, seed := range []string{"local", "local[3,2]", "sc://h:1/;token=secret", "sc://[::1]:2", "sc://::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := conf.ParseMaster(text)
		if err != nil {
			return
		}
		again, err := conf.ParseMaster(m.String())
		if err != nil || again.String() != m.String() || strings.Contains(m.String(), ";") {
			t.Errorf("%q is shown as %s and read as %s, %v", text, m, again, err)
		}
	})
}
