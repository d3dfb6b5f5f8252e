package sql

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A password that is referred to reaches the server as it is, in each form of a connection string.
func TestReferences(t *testing.T) {
	for _, secret := range []string{"simple", `p@ss:w/o%r d'\?&=+#`, "ünï", "a'b", `a\`} {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("WEIR_TEST_PASSWORD", secret)
		for _, dsn := range []string{
			"postgres://u:${file:" + file + "}@h:5432/d",
			"postgres://u:${env:WEIR_TEST_PASSWORD}@h/d?pool_max_conns=3",
			"postgres://u@h/d?password=${env:WEIR_TEST_PASSWORD}",
			"host=h user=u dbname=d password=${env:WEIR_TEST_PASSWORD}",
			"host=h password = ${file:" + file + "} user=u dbname=d",
			"host=h password='${env:WEIR_TEST_PASSWORD}' user=u dbname=d",
		} {
			cfg, err := poolConfig(dsn)
			if err != nil {
				t.Errorf("%s with %q: %v", dsn, secret, err)
				continue
			}
			if c := cfg.ConnConfig; c.Password != secret || c.User != "u" || c.Host != "h" || c.Database != "d" {
				t.Errorf("%s with %q: password %q of %q at %q/%q", dsn, secret, c.Password, c.User, c.Host, c.Database)
			}
			// It may change while the job runs.
			t.Setenv("WEIR_TEST_PASSWORD", "changed")
			if err := os.WriteFile(file, []byte("changed"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := cfg.BeforeConnect(t.Context(), cfg.ConnConfig); err != nil || cfg.ConnConfig.Password != "changed" {
				t.Errorf("%s: password %q, %v, want the new one", dsn, cfg.ConnConfig.Password, err)
			}
			t.Setenv("WEIR_TEST_PASSWORD", secret)
			if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is wrong with a connection string is said without the secret in it.
func TestSecretsInErrors(t *testing.T) {
	const secret = "s3cr3t"
	t.Setenv("WEIR_TEST_PASSWORD", secret)
	for dsn, want := range map[string]string{
		"postgres://u:" + secret + "%zz@h/d":                            "must be a URL",
		"postgres://u:" + secret + "@h:port/d":                          "PostgreSQL",
		"postgres://u:x " + secret + "/@h/d":                            "must be a URL",
		"postgres://u:" + secret + "@h/d?sslmode=never":                 "sslmode",
		"host=h password=" + secret + " port=x":                         "PostgreSQL",
		"host=h password='" + secret:                                    "must be a URL",
		secret:                                                          "must be a URL",
		"postgres://u:${env:WEIR_TEST_PASSWORD}@h/d?sslmode=never":      "sslmode",
		"postgres://u:" + secret + "@h/d?pool_max_conns=many":           "pool_max_conns",
		"postgres://u:${env:WEIR_TEST_ABSENT}" + "@h/d?sslmode=disable": "the environment has no variable WEIR_TEST_ABSENT",
	} {
		_, err := Sink(dsn, Insert("t", Col("n", func(n int) int { return n })))
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it and no secret", dsn, err, want)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: within it: %v", dsn, err)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	n := Col("n", func(n int) int { return n })
	for _, row := range []struct {
		statement Statement[int]
		opts      []Option
		want      string
	}{
		{Insert[int]("t"), nil, "sql.Insert: no columns are given"},
		{Insert("a.b.c", n), nil, "a table is named NAME or SCHEMA.NAME"},
		{Insert("t", n, n), nil, `column "n" is there twice`},
		{Insert("t", Col[int, int]("m", nil)), nil, `column "m" needs a name and a function`},
		{Upsert("t", nil, n), nil, "sql.Upsert: the key has no columns"},
		{Upsert("t", []string{"k"}, n), nil, `key column "k" is none of the columns ["n"]`},
		{Exec[int]("SELECT 1", nil), nil, "sql.Exec needs a function"},
		{Func[int](nil), nil, "sql.Func needs a function"},
		{Statement[int]{}, nil, "the statement is empty"},
		{Insert("t", n), []Option{WithTimeout(time.Millisecond)}, "at least a second"},
		{Insert("t", n), []Option{IdentityTable(".x")}, "a table is named"},
	} {
		if _, err := Sink("postgres://h/d", row.statement, row.opts...); err == nil ||
			!strings.Contains(err.Error(), row.want) {
			t.Errorf("error %v, want %q", err, row.want)
		}
	}
	if _, err := Sink("postgres://h/d", Insert("s.t", n), IdentityTable("s.ids")); err != nil {
		t.Error(err)
	}
}

func TestNamed(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "counts": "counts", "ä b": "ä b", "a\x00b": `a\x00b`, `a\x00b`: `a\\x00b`, "\xff": `\xff`, `"`: `\"`,
	} {
		if got := named(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
