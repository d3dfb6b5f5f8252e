package client

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// An encrypted private key as PKCS #8 and PKCS #5 (RFC 8018) write it.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	kdfParams   struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// keyHashes and keyCiphers are what OpenSSL and Java's tools write.
var keyHashes = map[string]func() hash.Hash{
	"":                    sha1.New, // the standard's default
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

var keyCiphers = map[string]struct {
	size int
	make func([]byte) (cipher.Block, error)
}{
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
}

// maxIterations bounds the work that a damaged key can ask for; tools use up to some hundred thousand.
const maxIterations = 10_000_000

var errKeyScheme = errors.New("is encrypted in a way that is not supported: convert it with " +
	"openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem")

var errKeyPassword = errors.New("cannot be decrypted with ssl.key.password: the password is wrong or missing")

// decryptKey opens an encrypted PKCS #8 key. Only PBES2 with PBKDF2 is read, which is what current
// tools write; older schemes are refused with the command that converts them.
func decryptKey(der []byte, password secret) (crypto.PrivateKey, error) {
	if password == "" {
		return nil, errors.New("is encrypted: set ssl.key.password")
	}
	var key encryptedKey
	var scheme pbes2Params
	var kdf kdfParams
	if rest, err := asn1.Unmarshal(der, &key); err != nil || len(rest) > 0 {
		return nil, errors.New("is damaged: it is no encrypted PKCS #8 key")
	}
	// The schemes of PKCS #5 v1 and #12 rest on DES, RC2 and MD5.
	if !key.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errKeyScheme
	}
	if _, err := asn1.Unmarshal(key.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, errKeyScheme
	}
	if !scheme.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, errKeyScheme
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, errKeyScheme
	}
	prf, ok := keyHashes[kdf.PRF.Algorithm.String()]
	enc, known := keyCiphers[scheme.Cipher.Algorithm.String()]
	var iv []byte
	_, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv)
	if !ok || !known || err != nil || kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, errKeyScheme
	}
	// The length in the parameters is optional and says what the cipher says; the cipher's counts.
	secretKey, err := pbkdf2.Key(prf, password.reveal(), kdf.Salt, kdf.Iterations, enc.size)
	if err != nil {
		return nil, err
	}
	block, err := enc.make(secretKey)
	if err != nil {
		return nil, err
	}
	// A damaged key must not reach CryptBlocks, which panics at lengths that do not fit.
	size := block.BlockSize()
	if len(iv) != size || len(key.Data) == 0 || len(key.Data)%size != 0 {
		return nil, errKeyScheme
	}
	plain := make([]byte, len(key.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, key.Data)
	// A wrong password shows as padding or as content that makes no sense; the two are not told apart.
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size {
		return nil, errKeyPassword
	}
	out, err := x509.ParsePKCS8PrivateKey(plain[:len(plain)-pad])
	if err != nil {
		return nil, errKeyPassword
	}
	return out, nil
}
