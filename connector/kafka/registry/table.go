package registry

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A row is a parameter that Confluent's Java client or serializers know, and what comes of it here. A
// row with set acts. A row with why alone is accepted and does nothing; the log says why, once. A row
// with refuse is an error that says what to do instead, unless its value is one of allow, which are
// those that say what happens here anyway.
type row struct {
	set    func(s *settings, value string) error
	empty  bool // whether an empty value means something
	why    string
	refuse string
	allow  []string
}

const (
	byType      = "the Go type says what is read"
	noRules     = "rules of data contracts are not run here: remove it"
	noOAuth     = "tokens are not fetched here: set bearer.auth.token, or request.header.Authorization"
	javaOnly    = "belongs to the Java client's inside"
	jsse        = "Go has one TLS implementation of its own"
	oneCache    = "max.schemas.per.subject bounds every cache"
	wellKnown   = "google.protobuf's own files are never registered"
	askedForAll = "the latest version is looked up once a topic and kept until the program ends"
)

// table has every parameter of AbstractKafkaSchemaSerDeConfig and of the serializers that extend it. It
// is read-only.
var table = map[string]row{
	"schema.registry.url":                     {set: setURLs},
	"basic.auth.credentials.source":           {set: setBasicSource},
	"basic.auth.user.info":                    {set: setText(func(s *settings) *string { return &s.userInfo })},
	"schema.registry.basic.auth.user.info":    {set: setText(func(s *settings) *string { return &s.userInfo })},
	"bearer.auth.token":                       {set: setText(func(s *settings) *string { return &s.bearer })},
	"bearer.auth.credentials.source":          {allow: []string{"", "STATIC_TOKEN"}, refuse: noOAuth},
	"bearer.auth.issuer.endpoint.url":         {allow: []string{""}, refuse: noOAuth},
	"bearer.auth.client.id":                   {allow: []string{""}, refuse: noOAuth},
	"bearer.auth.client.secret":               {allow: []string{""}, refuse: noOAuth},
	"bearer.auth.scope":                       {allow: []string{""}, refuse: noOAuth},
	"bearer.auth.scope.claim.name":            {why: "tokens are not fetched here"},
	"bearer.auth.sub.claim.name":              {why: "tokens are not fetched here"},
	"bearer.auth.cache.expiry.buffer.seconds": {why: "tokens are not fetched here"},
	"bearer.auth.custom.provider.class":       {allow: []string{""}, refuse: noOAuth},
	"bearer.auth.logical.cluster":             {set: setHeader("target-sr-cluster")},
	"bearer.auth.identity.pool.id":            {set: setHeader("Confluent-Identity-Pool-Id")},

	"http.connect.timeout.ms": {set: setMillis(1, func(s *settings) *time.Duration { return &s.connectTimeout })},
	"http.read.timeout.ms":    {set: setMillis(1, func(s *settings) *time.Duration { return &s.readTimeout })},

	"schema.registry.request.timeout.ms": {set: setMillis(1, func(s *settings) *time.Duration { return &s.timeout })},

	"max.retries":         {set: setInt(0, func(s *settings) *int { return &s.retries })},
	"retries.wait.ms":     {set: setMillis(0, func(s *settings) *time.Duration { return &s.retryWait })},
	"retries.max.wait.ms": {set: setMillis(0, func(s *settings) *time.Duration { return &s.retryWaitMax })},
	"proxy.host":          {set: setText(func(s *settings) *string { return &s.proxyHost })},
	"proxy.port":          {set: setPort},

	"max.schemas.per.subject": {set: setInt(1, func(s *settings) *int { return &s.cacheLimit })},
	"latest.cache.size":       {why: oneCache},
	"latest.cache.ttl.sec":    {allow: []string{"", "-1"}, refuse: askedForAll + ": remove it, or set -1"},

	"auto.register.schemas": {set: setBool(func(s *settings) *bool { return &s.autoRegister })},
	"use.latest.version":    {set: setBool(func(s *settings) *bool { return &s.useLatest })},
	"normalize.schemas":     {set: setBool(func(s *settings) *bool { return &s.normalize })},
	"latest.compatibility.strict": {allow: []string{"", "true"},
		refuse: "a field that the latest version lacks would be lost without a word: remove it"},
	"use.schema.id":            {allow: []string{"", "-1"}, refuse: "write with use.latest.version=true, or remove it"},
	"id.compatibility.strict":  {why: "no schema is written with by id"},
	"use.latest.with.metadata": {allow: []string{""}, refuse: "write with use.latest.version=true, or remove it"},
	"schema.format":            {allow: []string{""}, refuse: "schemas are read as they were registered: remove it"},
	"propagate.schema.tags":    {allow: []string{"", "false"}, refuse: "tags are set in the registry: remove it"},

	"key.subject.name.strategy":   {set: setStrategy(func(s *settings) *subjectStrategy { return &s.keySubject })},
	"value.subject.name.strategy": {set: setStrategy(func(s *settings) *subjectStrategy { return &s.valueSubject })},
	"reference.subject.name.strategy": {allow: []string{"", "DefaultReferenceSubjectNameStrategy",
		"io.confluent.kafka.serializers.subject.DefaultReferenceSubjectNameStrategy"},
		refuse: "an import's subject is its path, as DefaultReferenceSubjectNameStrategy says: remove it"},
	"context.name.strategy": {allow: []string{"", "NullContextNameStrategy",
		"io.confluent.kafka.serializers.context.NullContextNameStrategy"},
		refuse: "put the context into schema.registry.url instead, as in http://registry:8081/contexts/.staging"},
	"key.schema.id.serializer":     prefixOnly,
	"value.schema.id.serializer":   prefixOnly,
	"key.schema.id.deserializer":   bothRead,
	"value.schema.id.deserializer": bothRead,

	"rule.executors":                   {allow: []string{""}, refuse: noRules},
	"rule.actions":                     {allow: []string{""}, refuse: noRules},
	"rule.service.loader.enable":       {why: "rules of data contracts are not run here"},
	"schema.reflection":                {why: byType},
	"specific.avro.reader":             {why: byType},
	"specific.avro.key.type":           {why: byType},
	"specific.avro.value.type":         {why: byType},
	"avro.reflection.allow.null":       {why: byType},
	"avro.use.logical.type.converters": {why: byType},
	"avro.remove.java.properties":      {why: javaOnly},
	"specific.protobuf.key.type":       {why: byType},
	"specific.protobuf.value.type":     {why: byType},
	"derive.type":                      {why: byType},
	"skip.known.types":                 {allow: []string{"", "true"}, refuse: wellKnown + ": remove it"},
	"reference.lookup.only":            {why: "auto.register.schemas holds for imports too"},

	ssl + "truststore.location":     {set: setTLS("truststore.location")},
	ssl + "truststore.certificates": {set: setTLS("truststore.certificates")},
	ssl + "truststore.type":         {set: setTLS("truststore.type")},
	ssl + "truststore.password":     {set: setTLS("truststore.password")},

	ssl + "keystore.location":          {set: setTLS("keystore.location")},
	ssl + "keystore.certificate.chain": {set: setTLS("keystore.certificate.chain")},
	ssl + "keystore.key":               {set: setTLS("keystore.key")},
	ssl + "key.password":               {set: setTLS("key.password")},
	ssl + "keystore.type":              {set: setTLS("keystore.type")},
	ssl + "keystore.password":          {set: setTLS("keystore.password")},

	ssl + "endpoint.identification.algorithm": {set: setHostCheck, empty: true},
	ssl + "enabled.protocols":                 {set: setProtocols},
	ssl + "protocol":                          {why: "schema.registry.ssl.enabled.protocols decides"},
	ssl + "provider":                          {why: jsse},
	ssl + "cipher.suites":                     {why: jsse},
	ssl + "keymanager.algorithm":              {why: jsse},
	ssl + "trustmanager.algorithm":            {why: jsse},
	ssl + "secure.random.implementation":      {why: jsse},
	ssl + "engine.factory.class": {allow: []string{""},
		refuse: "a Java class cannot run here: hand in registry.TLS"},
}

// ssl begins the names of Kafka's TLS parameters where they are a registry's.
const ssl = "schema.registry.ssl."

var (
	prefixOnly = row{allow: []string{"", "PrefixSchemaIdSerializer",
		"io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer"},
		refuse: "ids are written in front of the data, as PrefixSchemaIdSerializer does: remove it"}
	bothRead = row{why: "ids are read from the header and else from the front of the data"}
)

// setURLs reads a list of addresses; one without a scheme is http.
func setURLs(s *settings, value string) error {
	for raw := range strings.SplitSeq(value, ",") {
		if raw = strings.TrimSpace(raw); raw == "" {
			continue
		}
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		u, err := url.Parse(raw)
		switch {
		case err != nil || u.Host == "" || u.Hostname() == "":
			// err repeats the URL, and with it a password
			return errors.New("one of the URLs is malformed: write http://host:8081 or https://host:8081; special " +
				"characters of a password are written as %40 and the like")
		case u.Scheme == "mock":
			return errors.New("mock:// is a registry within a Java process: use registrytest in tests")
		case u.Scheme != "http" && u.Scheme != "https":
			return fmt.Errorf("scheme %s:// is neither http nor https", u.Scheme)
		case u.RawQuery != "" || u.Fragment != "":
			return errors.New("a URL ends with its path: remove what follows ? or #")
		}
		s.urls = append(s.urls, strings.TrimRight(u.String(), "/"))
	}
	return nil
}

func setBasicSource(s *settings, value string) error {
	switch value {
	case "URL", "USER_INFO":
		s.basicSource = value
		return nil
	case "SASL_INHERIT":
		return errors.New("the Kafka client's user is not known here: set USER_INFO and basic.auth.user.info")
	}
	return errors.New("must be URL or USER_INFO")
}

func setPort(s *settings, value string) error {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n == 0 {
		if value == "-1" { // Java's way of saying that there is none
			return nil
		}
		return errors.New("must be a port, from 1 to 65535")
	}
	s.proxyPort = value
	return nil
}

func setHostCheck(s *settings, value string) error {
	if value = strings.ToLower(value); value != "" && value != "https" {
		return errors.New("must be https, or empty to switch the check of host names off")
	}
	s.hostCheck = value
	return nil
}

func setHeader(name string) func(*settings, string) error {
	return func(s *settings, value string) error {
		s.headers.Set(name, value)
		return nil
	}
}

func setText(field func(*settings) *string) func(*settings, string) error {
	return func(s *settings, value string) error {
		*field(s) = value
		return nil
	}
}

func setTLS(name string) func(*settings, string) error {
	return func(s *settings, value string) error {
		s.tls["ssl."+name] = value
		return nil
	}
}

func setProtocols(s *settings, value string) error {
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "TLSv1.2" && name != "TLSv1.3" {
			return errors.New("must be TLSv1.2, TLSv1.3 or both")
		}
	}
	return setTLS("enabled.protocols")(s, value)
}

func setBool(field func(*settings) *bool) func(*settings, string) error {
	return func(s *settings, value string) error {
		switch strings.ToLower(value) {
		case "true":
			*field(s) = true
		case "false":
			*field(s) = false
		default:
			return errors.New("must be true or false")
		}
		return nil
	}
}

func setInt(low int, field func(*settings) *int) func(*settings, string) error {
	return func(s *settings, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > math.MaxInt32 {
			return fmt.Errorf("must be a whole number from %d to %d", low, math.MaxInt32)
		}
		*field(s) = n
		return nil
	}
}

func setMillis(low int, field func(*settings) *time.Duration) func(*settings, string) error {
	return func(s *settings, value string) error {
		var n int
		if err := setInt(low, func(*settings) *int { return &n })(s, value); err != nil {
			return fmt.Errorf("%w (milliseconds)", err)
		}
		*field(s) = time.Duration(n) * time.Millisecond
		return nil
	}
}
