package kafka_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/weirstream/weir/connector/kafka"
)

// Parameters print themselves without secrets, whatever prints them, and hide what may be one.
func TestParamsPrintNoSecrets(t *testing.T) {
	const word = "s3cr3t"
	p := kafka.Params{
		"bootstrap.servers":            "b:9092",
		"sasl.jaas.config":             `x.PlainLoginModule required username="u" password="` + word + `";`,
		"ssl.keystore.password":        word,
		"ssl.keystore.passwort":        word,
		"pasword":                      word,
		"schema.registry.url":          "http://u:" + word + "@host",
		"basic.auth.user.info":         "u:" + word,
		"request.header.Authorization": word,
		"group.id":                     "${env:GROUP}",
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "params", p)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "params", p)
	texts := []string{log.String(), fmt.Sprint(p), fmt.Sprintf("%v", struct{ P kafka.Params }{p})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		texts = append(texts, fmt.Sprintf(verb, p))
	}
	for _, text := range texts {
		if strings.Contains(text, word) || !strings.Contains(text, "b:9092") || !strings.Contains(text, "${env:GROUP}") {
			t.Errorf("printed as %s", text)
		}
	}
	want := "Kafka parameters: basic.auth.user.info=(hidden) bootstrap.servers=b:9092"
	if !strings.HasPrefix(p.String(), want) {
		t.Errorf("%s does not begin with %s", p, want)
	}
}
