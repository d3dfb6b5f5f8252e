package weir

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/spelling"
)

// flags are the parsed command line.
type flags struct {
	conf     *conf.Conf
	level    slog.Level
	last     time.Duration
	settings bool
	passed   []string // flags of spark-submit that were given and say nothing to a Go program
}

// texts are the values of flags as they were given. They are checked when all are read: package flag would repeat a
// value that is wrong, and it may be a secret.
type texts struct {
	pairs                       []string
	file, level, last, interval string
	noCheckpoint                bool // an empty one was named
}

// parseFlags reads the command line, own being the program's own flags. With --help it writes the flags to stdout and
// returns flag.ErrHelp.
func parseFlags(name string, args []string, stdout io.Writer, own []func(*flag.FlagSet)) (flags, error) {
	f := flags{conf: conf.New(), level: slog.LevelInfo}
	var t texts
	set := flagSet(name, &f, &t)
	for _, define := range own {
		define(set)
	}
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		writeHelp(stdout, name, set)
		return f, err
	case err != nil:
		return f, flagError(set, err)
	case set.NArg() > 0:
		return f, fmt.Errorf("unexpected argument %q: the program takes flags only; see --help", set.Arg(0))
	}
	return f, t.check(&f)
}

// flagSet defines the flags. What it finds wrong it only returns.
func flagSet(name string, f *flags, t *texts) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	short := func(flagName, setting, doc string) {
		set.Func(flagName, doc, func(v string) error { f.conf.SetFrom("--"+flagName, setting, v); return nil })
	}
	short("master", conf.MasterURL.Name(), "the `master`, where tasks run: local, local[N], local[*]")
	short("name", conf.AppName.Name(), "the program's `name`")
	set.Func("checkpoint", "the `directory` of the checkpoint, which makes the program durable", func(v string) error {
		f.conf.SetFrom("--checkpoint", conf.CheckpointDirectory.Name(), v)
		t.noCheckpoint = v == ""
		return nil
	})
	short("ui", conf.UIAddress.Name(), "the `address`, HOST:PORT, where the page is served")
	set.Func("conf", "a setting, `NAME=VALUE`; may be repeated",
		func(v string) error { t.pairs = append(t.pairs, v); return nil })
	set.StringVar(&t.interval, "interval", "", "the batch `interval`, such as 500ms or 2s")
	set.StringVar(&t.file, "properties-file", "", "a `file` of settings, as spark-defaults.conf")
	set.StringVar(&t.last, "for", "", "drain and end after this `time`, such as 30s or 5m")
	set.StringVar(&t.level, "log-level", "",
		"the least `level` that is logged: debug, info, warn, error (default info)")
	set.BoolVar(&f.settings, "settings", false, "print all settings and end")
	for _, s := range submitSettings {
		short(s.flag, s.setting, "")
	}
	submitOnly(set, f)
	return set
}

// submitSettings are spark-submit's flags that set what has no meaning here: the settings say why, in the log. The line
// that started the program in Spark starts it here.
var submitSettings = []struct{ flag, setting string }{
	{"deploy-mode", "spark.submit.deployMode"}, {"py-files", "spark.submit.pyFiles"},
	{"executor-memory", "spark.executor.memory"}, {"executor-cores", "spark.executor.cores"},
	{"num-executors", "spark.executor.instances"}, {"total-executor-cores", "spark.cores.max"},
	{"driver-memory", "spark.driver.memory"}, {"driver-cores", "spark.driver.cores"},
	{"driver-class-path", "spark.driver.extraClassPath"},
	{"driver-java-options", "spark.driver.extraJavaOptions"},
	{"driver-library-path", "spark.driver.extraLibraryPath"},
	{"jars", "spark.jars"}, {"packages", "spark.jars.packages"}, {"exclude-packages", "spark.jars.excludes"},
	{"repositories", "spark.jars.repositories"}, {"files", "spark.files"}, {"archives", "spark.archives"},
	{"queue", "spark.yarn.queue"}, {"principal", "spark.kerberos.principal"}, {"keytab", "spark.kerberos.keytab"},
}

// submitOnly defines spark-submit's flags that are no settings.
func submitOnly(set *flag.FlagSet, f *flags) {
	set.Func("class", "", func(string) error { f.passed = append(f.passed, "--class"); return nil })
	for _, name := range []string{"supervise", "verbose"} {
		set.BoolFunc(name, "", func(string) error { f.passed = append(f.passed, "--"+name); return nil })
	}
	for name, instead := range submitRefused {
		set.Func(name, "", func(string) error { return errors.New(instead) })
	}
}

// submitRefused are spark-submit's flags that would have the program do what it cannot, and what does it instead.
var submitRefused = map[string]string{
	"proxy-user": "weir acts as the user that runs it: start the program as the other user",
	"kill":       "a program is its own process: end it with Ctrl-C or SIGTERM",
	"status":     "a program is its own process: ask the system for it",
}

// writeHelp lists the flags, but for those of spark-submit that are only passed over.
func writeHelp(w io.Writer, name string, set *flag.FlagSet) {
	fmt.Fprintf(w, "Usage of %s:\n", name)
	set.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if usage == "" {
			return
		}
		fmt.Fprintf(w, "  %-27s %s\n", strings.TrimSpace("--"+f.Name+" "+value), usage)
	})
	fmt.Fprintln(w, "Other flags of spark-submit, such as --class and --executor-memory, are accepted and passed over.")
}

// flagError says in one line what package flag found, with the nearest flag for one that there is not.
func flagError(set *flag.FlagSet, err error) error {
	text := err.Error()
	if value, ok := strings.CutPrefix(text, "invalid value "); ok {
		return valueError(value, false)
	}
	if value, ok := strings.CutPrefix(text, "invalid boolean value "); ok {
		return valueError(value, true)
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return fmt.Errorf("--%s needs a value; see --help", name)
	}
	unknown, ok := strings.CutPrefix(text, "flag provided but not defined: -")
	if !ok {
		return fmt.Errorf("%w; see --help", err)
	}
	known := []string{"help"}
	set.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	if like := spelling.Nearest(unknown, known); like != "" {
		return fmt.Errorf("unknown flag --%s: did you mean --%s? see --help", unknown, like)
	}
	return fmt.Errorf("unknown flag --%s; see --help", unknown)
}

// valueError is flagError for a value that a flag does not take: package flag repeats it, quoted, and then names the
// flag and the reason.
func valueError(text string, boolean bool) error {
	quoted, err := strconv.QuotedPrefix(text)
	_, rest, _ := strings.Cut(text[len(quoted):], "-")
	name, why, ok := strings.Cut(rest, ": ")
	switch {
	case err != nil || !ok:
		return errors.New("a flag does not take the value that it was given; see --help")
	case submitRefused[name] != "":
		return fmt.Errorf("--%s is not for weir: %s", name, why)
	case boolean && why == "parse error":
		return fmt.Errorf("--%s takes true, false or no value; see --help", name)
	}
	return fmt.Errorf("--%s does not take the value that it was given: %s; see --help", name, why)
}

// check reads what the flags were given.
func (t *texts) check(f *flags) error {
	if t.noCheckpoint { // A variable of the shell that is not set must not make a program less than durable.
		return errors.New("--checkpoint needs a directory, and was given an empty one: leave the flag out to run " +
			"without a checkpoint")
	}
	for _, pair := range t.pairs {
		if err := f.conf.SetPair("--conf", pair); err != nil {
			return err
		}
	}
	if t.interval != "" {
		if err := hasUnit("--interval", t.interval); err != nil {
			return err
		}
		f.conf.SetFrom("--interval", conf.Interval.Name(), t.interval)
	}
	if t.last != "" {
		if err := hasUnit("--for", t.last); err != nil {
			return err
		}
		var err error
		if f.last, err = time.ParseDuration(t.last); err != nil {
			return fmt.Errorf("--for %q is not a time such as 30s, 5m or 1h", t.last)
		}
		if f.last <= 0 {
			return fmt.Errorf("--for must be more than 0, such as 30s, not %s: without it the program runs until "+
				"Ctrl-C", t.last)
		}
	}
	if t.level != "" {
		if err := f.level.UnmarshalText([]byte(t.level)); err != nil {
			return fmt.Errorf("--log-level %q is none of debug, info, warn, error", t.level)
		}
	}
	if t.file == "" {
		return nil
	}
	weaker, err := conf.LoadFile(t.file)
	if err != nil {
		return err
	}
	f.conf = f.conf.Merge(weaker)
	return nil
}

// hasUnit refuses a bare number: a setting's would be milliseconds, and Spark's users think of seconds.
func hasUnit(name, text string) error {
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return nil
	case n <= 0:
		return fmt.Errorf("%s must be more than 0, with a unit, such as 500ms or 30s, not %s", name, text)
	}
	return fmt.Errorf("%s %s has no unit: %[2]ss or %[2]sms", name, text)
}
