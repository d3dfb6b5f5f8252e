package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"strings"
)

// A MasterKind says where tasks run.
type MasterKind int

// Where tasks run.
const (
	// Local runs tasks on threads of this process.
	Local MasterKind = iota
	// Connect runs tasks on an Apache Spark cluster through a Spark Connect server.
	Connect
)

// String returns "local" or "connect".
func (k MasterKind) String() string {
	if k == Connect {
		return "connect"
	}
	return "local"
}

// A Master is a parsed spark.master.
type Master struct {
	Kind MasterKind
	// Threads is how many tasks run at the same time; at least 1 when Kind is Local, 0 otherwise.
	Threads int
	// MaxFailures is the F of local[N,F], which overrides spark.task.maxFailures; 0 if not given.
	MaxFailures int
	// Host and Port are the Spark Connect server's when Kind is Connect.
	Host string
	Port int
	// Params are the parameters behind "/;" in a Spark Connect URL, such as user_id, use_ssl and
	// token. They may be secret.
	Params map[string]string
}

// ConnectPort is the port of a Spark Connect server whose URL names none.
const ConnectPort = 15002

// maxThreads bounds N of local[N]; far above any machine, it catches a number with a digit too many
// before it becomes that many goroutines.
const maxThreads = 1 << 16

// String writes the master as spark.master is written, without the parameters of a Connect URL, which
// may be secret.
func (m Master) String() string {
	switch {
	case m.Kind == Connect:
		return "sc://" + net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	case m.MaxFailures > 0:
		return fmt.Sprintf("local[%d,%d]", m.Threads, m.MaxFailures)
	default:
		return fmt.Sprintf("local[%d]", m.Threads)
	}
}

// GoString is [Master.String], so that %#v shows no token.
func (m Master) GoString() string { return m.String() }

// ParseMaster reads a master: "local" (one thread), "local[N]", "local[*]" (a thread per processor),
// each of the last two also with ",F" (a task may fail F times), or "sc://host[:port][/;name=value...]"
// for a Spark Connect server. Masters of Spark that weir does not speak to (yarn, spark://, k8s://,
// mesos://, local-cluster) give an error that says what to use instead.
func ParseMaster(text string) (Master, error) {
	s := strings.TrimSpace(text)
	if s == "local" {
		return Master{Threads: 1}, nil
	}
	if inner, ok := strings.CutPrefix(s, "local["); ok {
		return parseLocal(inner)
	}
	if strings.HasPrefix(s, "sc://") {
		return parseConnect(s)
	}
	if manager := foreignManager(s); manager != "" {
		return Master{}, fmt.Errorf("weir does not run on %s: "+useMaster, manager)
	}
	return Master{}, errors.New("not a master: " + useMaster)
}

const useMaster = "use local[N] or local[*], for this version runs programs on one machine only"

// foreignManager names the cluster manager that a master of Spark's stands for, or "".
func foreignManager(s string) string {
	for _, m := range []struct{ prefix, name string }{
		{"yarn", "YARN"}, {"spark://", "a Spark standalone master"}, {"k8s://", "Kubernetes"},
		{"mesos://", "Mesos"}, {"zk://", "Mesos"}, {"local-cluster", "a local-cluster"},
	} {
		if strings.HasPrefix(s, m.prefix) {
			return m.name
		}
	}
	return ""
}

func parseLocal(inner string) (Master, error) {
	inner, ok := strings.CutSuffix(inner, "]")
	if !ok {
		return Master{}, errors.New("local[ is not closed by ]")
	}
	threads, failures, hasFailures := strings.Cut(inner, ",")
	m := Master{}
	if threads = strings.TrimSpace(threads); threads == "*" {
		m.Threads = runtime.GOMAXPROCS(0)
	} else {
		n, err := parseCount(threads)
		if err != nil || n > maxThreads {
			return Master{}, fmt.Errorf("the N of local[N] must be * or 1 to %d threads", maxThreads)
		}
		m.Threads = n
	}
	if hasFailures {
		n, err := parseCount(strings.TrimSpace(failures))
		if err != nil {
			return Master{}, errors.New("the F of local[N,F], how often a task may fail, must be 1 or more")
		}
		m.MaxFailures = n
	}
	return m, nil
}

// parseCount reads a whole number of at least 1, in digits only.
func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		return 0, errors.New("not a count")
	}
	return int(n), nil
}

// parseConnect never quotes the URL in its errors: parameters may be secret.
func parseConnect(s string) (Master, error) {
	base, rest, _ := strings.Cut(s, ";")
	u, err := url.Parse(base)
	if err != nil {
		return Master{}, errors.New("not a Spark Connect URL; it has the form sc://host:port/;name=value")
	}
	switch {
	case u.Hostname() == "":
		return Master{}, fmt.Errorf("a Spark Connect URL needs a host: sc://host:%d", ConnectPort)
	case !validHost(u.Hostname()):
		return Master{}, errors.New("the host of a Spark Connect URL must be a name or an address " +
			"(an IPv6 address in brackets)")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return Master{}, errors.New("a Spark Connect URL is sc://host:port, with parameters after /;")
	}
	m := Master{Kind: Connect, Host: u.Hostname(), Port: ConnectPort}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return Master{}, errors.New("the port of a Spark Connect URL must be 1 to 65535")
		}
		m.Port = int(n)
	}
	if rest == "" {
		return m, nil
	}
	m.Params = map[string]string{}
	for pair := range strings.SplitSeq(rest, ";") {
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		plain, err := url.PathUnescape(value)
		if !ok || name == "" || err != nil {
			return Master{}, errors.New("the parameters of a Spark Connect URL are ;name=value, percent-encoded")
		}
		m.Params[name] = plain
	}
	return m, nil
}

// validHost accepts names and addresses, without a zone: its percent sign has no one way to be written.
func validHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", r)
	})
}

// foreignFileMaster says why the master in a properties file is passed over, or "". Such a file is
// shared by everything on a machine, and a stock one on a cluster's node says "spark.master yarn"
// although nobody meant this program. Given in the program or as a flag it is refused: there it was
// meant.
func foreignFileMaster(e entry) string {
	if !e.file || foreignManager(strings.TrimSpace(e.value)) == "" {
		return ""
	}
	return "the properties file names the cluster manager of other programs; tasks run on local[*] " +
		"unless --master says local[N]"
}
