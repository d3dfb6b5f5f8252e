package client

import (
	"strings"
	"time"
)

// TLS. Which Java classes do it is of no meaning here; classes that change what is done are refused.
var securityParams = []param{
	{name: "security.protocol", roles: anyRole, set: setProtocol},
	{name: "security.providers", roles: anyRole, why: jsse},
	{name: "ssl.truststore.location", roles: anyRole, set: setString(func(c *Config) *string {
		return &c.tls.trust.location
	})},
	{name: "ssl.truststore.type", roles: anyRole,
		set: setStoreType(func(c *Config) *string { return &c.tls.trust.kind })},
	{name: "ssl.truststore.password", roles: anyRole, kind: kPassword, set: setSecret(func(c *Config) *secret {
		return &c.tls.trust.password
	})},
	{name: "ssl.truststore.certificates", roles: anyRole, kind: kPassword,
		set: setSecret(func(c *Config) *secret {
			return &c.tls.trust.inline
		})},
	{name: "ssl.keystore.location", roles: anyRole, set: setString(func(c *Config) *string {
		return &c.tls.key.location
	})},
	{name: "ssl.keystore.type", roles: anyRole,
		set: setStoreType(func(c *Config) *string { return &c.tls.key.kind })},
	{name: "ssl.keystore.password", roles: anyRole, kind: kPassword, set: setSecret(func(c *Config) *secret {
		return &c.tls.key.password
	})},
	{name: "ssl.keystore.key", roles: anyRole, kind: kPassword, set: setSecret(func(c *Config) *secret {
		return &c.tls.inlineKey
	})},
	{name: "ssl.keystore.certificate.chain", roles: anyRole, kind: kPassword,
		set: setSecret(func(c *Config) *secret {
			return &c.tls.key.inline
		})},
	{name: "ssl.key.password", roles: anyRole, kind: kPassword, set: setSecret(func(c *Config) *secret {
		return &c.tls.keyPassword
	})},
	{name: "ssl.protocol", roles: anyRole, set: setString(func(c *Config) *string { return &c.tls.version })},
	{name: "ssl.enabled.protocols", roles: anyRole, kind: kList, set: setList(func(c *Config) *[]string {
		return &c.tls.versions
	})},
	{name: "ssl.cipher.suites", roles: anyRole, kind: kList, set: setList(func(c *Config) *[]string {
		return &c.tls.ciphers
	})},
	{name: "ssl.endpoint.identification.algorithm", roles: anyRole, set: setHostCheck},
	{name: "ssl.engine.factory.class", roles: anyRole, kind: kClass, allow: []string{""},
		refuse: "a Java class cannot run here: use the other ssl.* parameters, or give connections of your own"},
	{name: "ssl.keymanager.algorithm", roles: anyRole, why: jsse},
	{name: "ssl.trustmanager.algorithm", roles: anyRole, why: jsse},
	{name: "ssl.provider", roles: anyRole, why: jsse},
	{name: "ssl.secure.random.implementation", roles: anyRole, why: jsse},
}

const noAssertion = "the jwt-bearer grant is not supported: use client credentials " +
	"(sasl.oauthbearer.client.credentials.*), or a token in a file (sasl.oauthbearer.token.endpoint.url=file:///...)"

// Signing in. Most of OAUTHBEARER's parameters are for brokers; Kafka lists them for clients all the same.
var saslParams = []param{
	{name: "sasl.mechanism", roles: anyRole,
		set: setString(func(c *Config) *string { return &c.sasl.mechanism })},
	{name: "sasl.jaas.config", roles: anyRole, kind: kPassword, set: setJAAS},
	{name: "sasl.client.callback.handler.class", roles: anyRole, kind: kClass,
		allow:  []string{"", oauthPackage + "internals.OAuthBearerSaslClientCallbackHandler"},
		refuse: "a Java class cannot run here: use one of " + strings.Join(mechanisms, ", ")},
	{name: "sasl.login.callback.handler.class", roles: anyRole, kind: kClass,
		allow: []string{"", oauthPackage + "OAuthBearerLoginCallbackHandler",
			oauthPackage + "secured.OAuthBearerLoginCallbackHandler"},
		refuse: "a Java class cannot run here: use one of " + strings.Join(mechanisms, ", ")},
	{name: "sasl.login.class", roles: anyRole, kind: kClass, allow: []string{""},
		refuse: "a Java class cannot run here: use one of " + strings.Join(mechanisms, ", ")},
	{name: "sasl.login.connect.timeout.ms", roles: anyRole, kind: kInt,
		set: setMillis(0, func(c *Config) *time.Duration { return &c.sasl.connectTimeout })},
	{name: "sasl.login.read.timeout.ms", roles: anyRole, kind: kInt,
		set: setMillis(0, func(c *Config) *time.Duration { return &c.sasl.readTimeout })},
	{name: "sasl.login.retry.backoff.ms", roles: anyRole, kind: kLong, why: byRetry},
	{name: "sasl.login.retry.backoff.max.ms", roles: anyRole, kind: kLong, why: byRetry},
	{name: "sasl.login.refresh.buffer.seconds", roles: anyRole, kind: kShort, why: tokenRefresh},
	{name: "sasl.login.refresh.min.period.seconds", roles: anyRole, kind: kShort, why: tokenRefresh},
	{name: "sasl.login.refresh.window.factor", roles: anyRole, kind: kDouble, why: tokenRefresh},
	{name: "sasl.login.refresh.window.jitter", roles: anyRole, kind: kDouble, why: tokenRefresh},
	{name: "sasl.kerberos.kinit.cmd", roles: anyRole, why: kerberos},
	{name: "sasl.kerberos.min.time.before.relogin", roles: anyRole, kind: kLong, why: kerberos},
	{name: "sasl.kerberos.service.name", roles: anyRole, why: kerberos},
	{name: "sasl.kerberos.ticket.renew.jitter", roles: anyRole, kind: kDouble, why: kerberos},
	{name: "sasl.kerberos.ticket.renew.window.factor", roles: anyRole, kind: kDouble, why: kerberos},
	{name: "sasl.oauthbearer.token.endpoint.url", roles: anyRole,
		set: setString(func(c *Config) *string { return &c.sasl.tokenURL })},
	{name: "sasl.oauthbearer.scope", roles: anyRole,
		set: setString(func(c *Config) *string { return &c.sasl.scope })},
	{name: "sasl.oauthbearer.client.credentials.client.id", roles: anyRole,
		set: setString(func(c *Config) *string { return &c.sasl.clientID })},
	{name: "sasl.oauthbearer.client.credentials.client.secret", roles: anyRole, kind: kPassword,
		set: setSecret(func(c *Config) *secret { return &c.sasl.clientSecret })},
	{name: "sasl.oauthbearer.header.urlencode", roles: anyRole, kind: kBool,
		set: setBool(func(c *Config) *bool { return &c.sasl.urlEncode })},
	{name: "sasl.oauthbearer.jwt.retriever.class", roles: anyRole, kind: kClass,
		allow: []string{"", oauthPackage + "DefaultJwtRetriever",
			oauthPackage + "ClientCredentialsJwtRetriever",
			oauthPackage + "FileJwtRetriever"}, refuse: noAssertion},
	{name: "sasl.oauthbearer.jwt.validator.class", roles: anyRole, kind: kClass, why: brokerSide},
	{name: "sasl.oauthbearer.allow.unverified.audience", roles: anyRole, kind: kBool, why: brokerSide},
	{name: "sasl.oauthbearer.allow.unverified.issuer", roles: anyRole, kind: kBool, why: brokerSide},
	{name: "sasl.oauthbearer.clock.skew.seconds", roles: anyRole, kind: kInt, why: brokerSide},
	{name: "sasl.oauthbearer.expected.audience", roles: anyRole, kind: kList, why: brokerSide},
	{name: "sasl.oauthbearer.expected.issuer", roles: anyRole, why: brokerSide},
	{name: "sasl.oauthbearer.jwks.endpoint.refresh.ms", roles: anyRole, kind: kLong, why: brokerSide},
	{name: "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", roles: anyRole, kind: kLong, why: brokerSide},
	{name: "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", roles: anyRole, kind: kLong, why: brokerSide},
	{name: "sasl.oauthbearer.jwks.endpoint.url", roles: anyRole, why: brokerSide},
	{name: "sasl.oauthbearer.scope.claim.name", roles: anyRole, why: brokerSide},
	{name: "sasl.oauthbearer.sub.claim.name", roles: anyRole, why: brokerSide},
	{name: "sasl.oauthbearer.assertion.algorithm", roles: anyRole, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.claim.aud", roles: anyRole, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.claim.exp.seconds", roles: anyRole, kind: kInt, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.claim.iss", roles: anyRole, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.claim.jti.include", roles: anyRole, kind: kBool, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.claim.nbf.seconds", roles: anyRole, kind: kInt, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.claim.sub", roles: anyRole, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.file", roles: anyRole, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.private.key.file", roles: anyRole, refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.private.key.passphrase", roles: anyRole, kind: kPassword,
		refuse: noAssertion},
	{name: "sasl.oauthbearer.assertion.template.file", roles: anyRole, refuse: noAssertion},
}

const oauthPackage = "org.apache.kafka.common.security.oauthbearer."

// isSecretName guesses from a name that its value must not be shown. It is for names that are handed
// on, whose types this table does not know; it errs on the side of hiding.
func isSecretName(name string) bool {
	n := strings.ToLower(name)
	for _, w := range []string{"password", "secret", "token", "user.info", "credential", "keystore.key",
		"passphrase", "private", "jaas", headerPrefix} {
		if strings.Contains(n, w) {
			return true
		}
	}
	return false
}
