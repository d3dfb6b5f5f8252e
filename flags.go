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
}

// texts are the values of flags as they were given. They are checked when all are read: package flag would repeat a
// value that is wrong, and it may be a secret.
type texts struct {
	pairs                       []string
	file, level, last, interval string
}

// parseFlags reads the command line. With --help it writes the flags to stdout and returns flag.ErrHelp.
func parseFlags(name string, args []string, stdout io.Writer) (flags, error) {
	f := flags{conf: conf.New(), level: slog.LevelInfo}
	var t texts
	set := flagSet(name, &f, &t)
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "Usage of %s:\n", name)
		set.SetOutput(stdout)
		set.PrintDefaults()
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
	short("master", conf.MasterURL.Name(), "where tasks run: `local`, local[N], local[*]")
	short("name", conf.AppName.Name(), "the program's `name`")
	short("checkpoint", conf.CheckpointDirectory.Name(), "the checkpoint `directory`")
	set.Func("conf", "a setting, `NAME=VALUE`; may be repeated",
		func(v string) error { t.pairs = append(t.pairs, v); return nil })
	set.StringVar(&t.interval, "interval", "", "the batch `interval`, such as 500ms or 2s")
	set.StringVar(&t.file, "properties-file", "", "a `file` of settings, as spark-defaults.conf")
	set.StringVar(&t.last, "for", "", "drain and end after this `time`, such as 30s or 5m")
	set.StringVar(&t.level, "log-level", "",
		"the least `level` that is logged: debug, info, warn, error (default info)")
	set.BoolVar(&f.settings, "settings", false, "print all settings and end")
	return set
}

// flagError says in one line what package flag found, with the nearest flag for one that there is not.
func flagError(set *flag.FlagSet, err error) error {
	unknown, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
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

// check reads what the flags were given.
func (t *texts) check(f *flags) error {
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
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return nil
	}
	return fmt.Errorf("%s %s has no unit: %[2]ss or %[2]sms", name, text)
}
