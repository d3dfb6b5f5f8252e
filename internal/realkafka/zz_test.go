package realkafka
import ("testing";"os/exec";"os";"path/filepath"; pkcs12 "software.sslmate.com/src/go-pkcs12"; keystore "github.com/pavlo-v-chernykh/keystore-go/v4")
func TestZZ(t *testing.T) {
	c := Start(t, "4.4.0", TLS())
	for _, f := range []string{"trust.p12","trust.jks","client.p12","client.jks"} {
		out, err := exec.Command("keytool","-list","-keystore",filepath.Join(c.CertDir(),f),"-storepass",StorePassword).CombinedOutput()
		t.Log(string(out), err)
	}
	b,_ := os.ReadFile(filepath.Join(c.CertDir(),"client.p12"))
	_,cert,cas,err := pkcs12.DecodeChain(b, StorePassword); t.Log(cert.Subject, len(cas), err)
	b,_ = os.ReadFile(filepath.Join(c.CertDir(),"trust.p12"))
	cs, err := pkcs12.DecodeTrustStore(b, StorePassword); t.Log(len(cs), err)
	f,_ := os.Open(filepath.Join(c.CertDir(),"client.jks")); ks := keystore.New(); t.Log(ks.Load(f, []byte(StorePassword)), ks.Aliases())
	e, err := ks.GetPrivateKeyEntry("client", []byte(StorePassword)); t.Log(len(e.CertificateChain), err)
}
func TestBad(t *testing.T) { Start(t, "4.4.0", Set("num.partitions","x")) }
func TestBadZK(t *testing.T) { Start(t, "2.8.1", Set("num.partitions","x")) }
