package sql

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir/internal/reference"
)

// checkDSN looks for what is wrong with a connection string, as far as that can be told without reading files.
func checkDSN(dsn string) error {
	if reference.NeedsFiles(dsn) {
		return nil
	}
	_, err := poolConfig(dsn)
	return err
}

// poolConfig reads a connection string. A password that it refers to is read anew for each connection.
func poolConfig(dsn string) (*pgxpool.Config, error) {
	text, err := expand(dsn)
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, withoutSecrets(text, err)
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "weir"
	}
	if reference.Has(dsn) {
		cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
			text, err := expand(dsn)
			if err != nil {
				return err
			}
			now, err := pgx.ParseConfig(text)
			if err != nil {
				return withoutSecrets(text, err)
			}
			c.Password = now.Password
			return nil
		}
	}
	return cfg, nil
}

// expand resolves the references in a connection string, which is all of it or a part of a URL or of a list.
func expand(dsn string) (string, error) {
	if reference.Whole(dsn) {
		return reference.Expand(dsn)
	}
	return reference.ExpandInto(dsn, func(before, value, behind string) string {
		if isURL(dsn) {
			return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
		}
		value = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)
		if strings.HasSuffix(strings.TrimRight(before, " "), "=") && (behind == "" || behind[0] == ' ') {
			return "'" + value + "'"
		}
		return value
	})
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// limited tells whether a connection string says how many connections there may be.
func limited(dsn string) bool {
	text, err := expand(dsn)
	return err == nil && strings.Contains(text, "pool_max_conns")
}

// passwords finds what may be one, in either form of a connection string.
var passwords = regexp.MustCompile(`(?i)password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]*)|://[^:/?#]*:(.*)@`)

// withoutSecrets says what is wrong with a connection string, and shows nothing of it that may be a secret.
func withoutSecrets(dsn string, err error) error {
	const unreadable = "the connection string of PostgreSQL cannot be read: it must be a URL, " +
		"postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=..., with signs such as @ : / % within the password " +
		"written as %40 %3A %2F %25, or keywords and values, host=... user=... password='...'"
	var malformed *pgconn.ParseConfigError
	if !errors.As(err, &malformed) {
		return errors.New(scrub(dsn, "the connection string of PostgreSQL: "+err.Error()))
	}
	_, why, found := strings.Cut(err.Error(), "`: ")
	if !found || strings.HasPrefix(why, "failed to parse as") {
		return errors.New(unreadable)
	}
	return errors.New(scrub(dsn, "the connection string of PostgreSQL: "+why))
}

func scrub(dsn, text string) string {
	for _, m := range passwords.FindAllStringSubmatch(dsn, -1) {
		for _, secret := range m[1:] {
			if secret = strings.Trim(secret, "'"); secret != "" {
				text = strings.ReplaceAll(text, secret, "(redacted)")
			}
		}
	}
	return text
}
