#!/bin/sh
# Makes the stores and keys beside this file, with Java's keytool and OpenSSL. The tests only read them; run it
# by hand to make them anew. Passwords: changeit for stores, keypass for keys of their own.
set -e
cd "$(dirname "$0")"
rm -f ./*.jks ./*.p12 ./*.jceks ./*.pem
days=36500
keytool -genkeypair -alias own -keyalg EC -dname CN=fixture -validity $days -storetype JKS \
	-keystore key.jks -storepass changeit -keypass keypass 2>/dev/null
keytool -genkeypair -alias own -keyalg EC -dname CN=fixture -validity $days -storetype PKCS12 \
	-keystore key.p12 -storepass changeit 2>/dev/null
keytool -genkeypair -alias own -keyalg EC -dname CN=fixture -validity $days -storetype JCEKS \
	-keystore key.jceks -storepass changeit -keypass changeit 2>/dev/null
keytool -exportcert -rfc -alias own -keystore key.p12 -storepass changeit -file cert.pem 2>/dev/null
for type in jks p12; do
	keytool -importcert -noprompt -alias ca -file cert.pem -storetype $(test $type = jks && echo JKS || echo PKCS12) \
		-keystore trust.$type -storepass changeit 2>/dev/null
done
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out plain-key.pem
openssl pkcs8 -topk8 -in plain-key.pem -passout pass:keypass -out aes256-key.pem
openssl pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1 -in plain-key.pem -passout pass:keypass -out aes128-sha1-key.pem
openssl pkcs8 -topk8 -v2 des3 -v2prf hmacWithSHA512 -in plain-key.pem -passout pass:keypass -out des3-sha512-key.pem
openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES -in plain-key.pem -passout pass:keypass -out pbes1-key.pem
openssl pkcs8 -topk8 -scrypt -in plain-key.pem -passout pass:keypass -out scrypt-key.pem
openssl ec -aes128 -in plain-key.pem -passout pass:keypass -out traditional-key.pem 2>/dev/null
