package conf_test

import (
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
)

// TestRenamedSetting: the old name acts, unless the new one is given too.
func TestRenamedSetting(t *testing.T) {
	const name, old = "spark.streaming.fileStream.minRememberDuration", "spark.streaming.minRememberDuration"
	for _, tt := range []struct {
		new, old string
		want     time.Duration
	}{
		{"", "", time.Minute},
		{"", "90", 90 * time.Second},
		{"5s", "", 5 * time.Second},
		{"2m", "90s", 2 * time.Minute},
	} {
		c := conf.New()
		if tt.new != "" {
			c.Set(name, tt.new)
		}
		if tt.old != "" {
			c.Set(old, tt.old)
		}
		if got := conf.FileMinRememberDuration.Get(c); c.Validate() != nil || got != tt.want {
			t.Errorf("%+v: %v, %v", tt, got, c.Validate())
		}
	}
	if conf.New().Set(old, "0s").Validate() == nil {
		t.Error("no time at all is accepted")
	}
}
