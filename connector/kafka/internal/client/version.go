package client

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Generation is how much a broker can be asked, as far as the way of asking depends on it.
type Generation uint8

// The three generations.
const (
	// V08 brokers (0.8.2) know neither groups nor the question what they know, and name no broker until
	// their first topic exists.
	V08 Generation = iota + 1
	// V09 brokers know groups, but not the question what they know.
	V09
	// V010 brokers, 0.10 and later, say which requests they know.
	V010
)

// Version is what a broker can do. In a cluster that is being upgraded it is that of the broker that
// answered first.
type Version struct {
	Generation Generation
	// Name is for people: 0.8.2, 0.9, or a guess from the requests that the broker knows.
	Name string
	max  *kversion.Versions
}

// Supports says whether a request can be sent in a version at least as high.
func (v Version) Supports(key kmsg.Key, version int16) bool {
	if v.max == nil {
		return false
	}
	n, ok := v.max.LookupMaxKeyVersion(key.Int16())
	return ok && n >= version
}

// Opts are the options that a further franz-go client for the same brokers needs: brokers before 0.10 have to
// be spoken to in the versions that they know, without asking.
func (v Version) Opts() []kgo.Opt {
	if v.Generation == V010 || v.max == nil {
		return nil
	}
	return []kgo.Opt{kgo.MaxVersions(v.max)}
}

// String is Name.
func (v Version) String() string { return v.Name }

// oldVersion is the Version of a generation that does not say what it knows.
func oldVersion(g Generation) Version {
	if g == V08 {
		return Version{Generation: V08, Name: "0.8.2", max: kversion.V0_8_2()}
	}
	return Version{Generation: V09, Name: "0.9", max: kversion.V0_9_0()}
}

// versionPrefix is the v before a number in a guess such as "between v0.10.2 and v0.11.0".
var versionPrefix = regexp.MustCompile(`\bv(\d)`)

// versionOf guesses a name from the requests that a broker knows, for brokers do not say theirs.
func versionOf(resp *kmsg.ApiVersionsResponse) Version {
	known := kversion.FromApiVersionsResponse(resp)
	name := versionPrefix.ReplaceAllString(known.VersionGuess(), "$1")
	return Version{Generation: V010, Name: name, max: known}
}
