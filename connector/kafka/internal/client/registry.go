package client

import (
	"slices"
	"strings"

	"github.com/weirstream/weir/internal/spelling"
)

// RegistryNames are the parameters of a schema registry's client and of the serializers that use it: those that
// registry.New knows, which reads them. Here they do nothing; but programs share one set of properties between the
// two clients, so what is misspelt among them is found here, too.
var RegistryNames = strings.Fields(`
	auto.register.schemas
	avro.reflection.allow.null avro.remove.java.properties avro.use.logical.type.converters
	basic.auth.credentials.source basic.auth.user.info
	bearer.auth.cache.expiry.buffer.seconds bearer.auth.client.id bearer.auth.client.secret
	bearer.auth.credentials.source bearer.auth.custom.provider.class bearer.auth.identity.pool.id
	bearer.auth.issuer.endpoint.url bearer.auth.logical.cluster bearer.auth.scope bearer.auth.scope.claim.name
	bearer.auth.sub.claim.name bearer.auth.token
	context.name.strategy derive.type
	http.connect.timeout.ms http.read.timeout.ms
	id.compatibility.strict
	key.schema.id.deserializer key.schema.id.serializer key.subject.name.strategy
	latest.cache.size latest.cache.ttl.sec latest.compatibility.strict
	max.retries max.schemas.per.subject normalize.schemas propagate.schema.tags proxy.host proxy.port
	reference.lookup.only reference.subject.name.strategy retries.max.wait.ms retries.wait.ms
	rule.actions rule.executors rule.service.loader.enable
	schema.format schema.reflection
	schema.registry.basic.auth.user.info schema.registry.request.timeout.ms
	schema.registry.ssl.cipher.suites schema.registry.ssl.enabled.protocols
	schema.registry.ssl.endpoint.identification.algorithm schema.registry.ssl.engine.factory.class
	schema.registry.ssl.key.password schema.registry.ssl.keymanager.algorithm
	schema.registry.ssl.keystore.certificate.chain schema.registry.ssl.keystore.key
	schema.registry.ssl.keystore.location schema.registry.ssl.keystore.password schema.registry.ssl.keystore.type
	schema.registry.ssl.protocol schema.registry.ssl.provider schema.registry.ssl.secure.random.implementation
	schema.registry.ssl.trustmanager.algorithm schema.registry.ssl.truststore.certificates
	schema.registry.ssl.truststore.location schema.registry.ssl.truststore.password
	schema.registry.ssl.truststore.type schema.registry.url
	skip.known.types specific.avro.key.type specific.avro.reader specific.avro.value.type
	specific.protobuf.key.type specific.protobuf.value.type
	use.latest.version use.latest.with.metadata use.schema.id
	value.schema.id.deserializer value.schema.id.serializer value.subject.name.strategy`)

// jsonNames are those of Confluent's JSON serializers, which have no counterpart.
var jsonNames = strings.Fields(`
	json.default.property.inclusion json.fail.invalid.schema json.fail.unknown.properties json.key.type
	json.oneof.for.nullables json.schema.spec.version json.value.type`)

// The reasons why these do nothing.
const (
	forRegistry = "a schema registry's client reads it: hand the parameters to registry.New, too"
	jsonType    = "JSON is read as the Go type says, without a schema"
)

// registryPrefixes begin names that only a schema registry's client has, headerPrefix those of its requests' headers.
var registryPrefixes = []string{"schema.registry.", "basic.auth.", "bearer.auth."}

const headerPrefix = "request.header."

// registryReason is why a name that is a schema registry's does nothing, "" for any other name.
func registryReason(name string) string {
	switch {
	case slices.Contains(RegistryNames, name), strings.HasPrefix(name, headerPrefix) && len(name) > len(headerPrefix):
		return forRegistry
	case slices.Contains(jsonNames, name):
		return jsonType
	}
	return ""
}

// nearestRegistry is what was perhaps meant by an unknown name that can only be a schema registry's; ok is false for
// any other.
func nearestRegistry(name string) (near string, ok bool) {
	if !slices.ContainsFunc(registryPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return "", false
	}
	plain := plainName(name)
	best := len(plain) + 1
	for _, known := range RegistryNames {
		if d := spelling.Distance(plain, plainName(known)); d < best {
			near, best = known, d
		}
	}
	return near, true
}
