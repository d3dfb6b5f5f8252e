package dstream

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
)

// TestFormatOfRanges holds the vectors of the page of formats against the code.
func TestFormatOfRanges(t *testing.T) {
	payload, err := checkpoint.ReceivedBlock{Count: 2, Position: []byte("7"), Values: []byte("\x01a\x01b")}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := walRange{Version: walVersion, Series: "received/0123456789abcdef-0000000001", From: 3, Until: 6,
		Position: []byte("7"), Codec: codec.Version, Schema: "string"}
	for i, name := range []string{"0000000001-0000000000.seg", "0000000001-0000000000.seg", "0000000001-0000000001.seg"} {
		offset := []int64{96, 121, 96}[i]
		r.add(i != 1, 3+int64(i), 2, checkpoint.File{Name: r.Series + "/" + name, Offset: offset, Length: 25})
	}
	page, err := os.ReadFile("../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][2]string{
		{"payload of a frame (section 16) of the strings `a` and `b`, at the position `7`", hex.EncodeToString(payload)},
		{"range", string(r.encode())},
	} {
		if want := "| " + row[0] + " | `" + row[1] + "` |"; !strings.Contains(string(page), want) {
			t.Errorf("docs/FORMAT.md does not have the row\n%s", want)
		}
	}
	if back, err := parseWalRange(r.encode()); err != nil || string(back.encode()) != string(r.encode()) {
		t.Errorf("%+v, %v", back, err)
	}
	for _, bad := range []string{`{"version":2}`, `{"version":1,"other":1}`, `{"version":`} {
		if _, err := parseWalRange([]byte(bad)); err == nil {
			t.Errorf("%s is taken for a range", bad)
		}
	}
}
